/** Writes README's table of settings from the built config, so that a setting is described in one place. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const { SETTINGS } = await import(join(root, 'dist', 'config.js'))

const cell = (text) => text.replaceAll('|', '\\|')

/** What the schema gives for nothing; undefined: there is no default, or the meaning tells it. */
function defaultOf({ schema }) {
  const { success, data } = schema.safeParse(undefined)
  return success && data !== undefined ? `\`${data}\`` : '–'
}

const rows = Object.values(SETTINGS).map(
  (setting) => `| \`${setting.env}\` | \`--${setting.flag}\` | ${defaultOf(setting)} | ${cell(setting.means)} |`,
)
const table = ['| Environment | Flag | Default | Meaning |', '|---|---|---|---|', ...rows].join('\n')
const path = join(root, 'README.md')
const readme = readFileSync(path, 'utf8')
writeFileSync(path, readme.replace(/(<!-- settings -->\n)[\s\S]*?(<!-- \/settings -->)/, `$1\n${table}\n\n$2`))
