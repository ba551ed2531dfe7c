/** Writes schemas/openapi.json and the JSON Schemas beside it from the built program; a test holds them against it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const from = (...parts) => import(join(root, 'dist', 'http', 'openapi', ...parts))
const { generatedFiles } = await from('schemas.js')
const { VERSION } = await import(join(root, 'dist', 'version.js'))

for (const [path, text] of generatedFiles(VERSION)) {
  const target = join(root, 'schemas', path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text)
}
