/**
 * What the command line takes from its surroundings: environment, dotenv files, the data directory. Besides `config.ts`
 * this is the only file that looks at `process.env`.
 *
 * Files are found as git finds its own: `~/.config/a2a-cli/.env`, then the nearest `.env` upwards, or the one given by
 * `--config`. A variable of the environment beats the same name in a file.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { CliError } from './errors.ts'

export interface Surroundings {
  /** A variable's value and where it came from; undefined when it is nowhere. */
  lookup(name: string): { value: string; source: string } | undefined
  get(name: string): string | undefined
}

/** Only these names are taken from files: a project's own .env belongs to the project. */
const OURS = /^(A2ACLI_|WAYPOST_)|^(PUBLIC_URL|PORT|DATABASE_URL)$/

function readEnvFile(path: string): Record<string, string | undefined> {
  return parseEnv(readFileSync(path, 'utf8')) as Record<string, string | undefined>
}

function nearestEnvFile(from: string): string | undefined {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const path = join(folder, '.env')
    if (existsSync(path)) return path
    if (dirname(folder) === folder) return undefined
  }
}

/** `explicit` is the file given by --config, which must exist. */
export function surroundings(explicit?: string, env: NodeJS.ProcessEnv = process.env): Surroundings {
  const named = explicit ?? (env.A2ACLI_CONFIG || undefined)
  if (named !== undefined && !existsSync(named)) {
    throw new CliError('A2ACLI_ERR_USAGE', `--config: there is no file ${named}`)
  }
  const local = named ?? nearestEnvFile('.')
  const global = join(configFolder(env), '.env')
  const files = [local, global].flatMap((path) =>
    path && existsSync(path) ? [{ path, values: readEnvFile(path) }] : [],
  )
  const lookup: Surroundings['lookup'] = (name) => {
    const value = env[name]
    if (value !== undefined && value !== '') return { value, source: `env ${name}` }
    if (!OURS.test(name)) return undefined
    for (const file of files) {
      const inFile = file.values[name]
      if (inFile !== undefined && inFile !== '') return { value: inFile, source: `${file.path} ${name}` }
    }
    return undefined
  }
  return { lookup, get: (name) => lookup(name)?.value }
}

/** How this program was called, for the commands in hints: `./waypost` in the checkout, `waypost` when installed. */
export const programName = (env: NodeJS.ProcessEnv = process.env): string => env.WAYPOST_SELF ?? 'waypost'

/** Whether colours and progress are unwanted, whatever the terminal (no-color.org; CI sets CI). */
export const plainWanted = (env: NodeJS.ProcessEnv = process.env): boolean =>
  Boolean(env.NO_COLOR) || Boolean(env.CI) || env.TERM === 'dumb'

export const DEFAULT_GATEWAY = 'http://localhost:4280'

/** Where the gateway is: --gateway, WAYPOST_URL, else what a gateway with the same settings would call itself. */
export function gatewayUrl(flag: string | undefined, around: Surroundings): { url: string; source: string } {
  const named = flag
    ? { value: flag, source: 'flag --gateway' }
    : (around.lookup('WAYPOST_URL') ?? around.lookup('PUBLIC_URL'))
  const port = around.lookup('PORT')
  const found = named ?? (port ? { value: `http://localhost:${port.value}`, source: port.source } : undefined)
  const url = (found?.value ?? DEFAULT_GATEWAY).replace(/\/+$/, '')
  if (!URL.canParse(url) || !/^https?:/.test(url)) {
    throw new CliError('A2ACLI_ERR_USAGE', `the gateway's address must be an http(s) URL, not ${url}`, {
      hint: 'for example: --gateway http://localhost:4280',
    })
  }
  return { url, source: found?.source ?? 'default' }
}

export interface GatewayKey {
  readonly key: string
  readonly source: string
}

/** The key for the gateway: --key, WAYPOST_KEY, A2ACLI_API_KEY, else the operator's key in the data directory. */
export function gatewayKey(flag: string | undefined, around: Surroundings): GatewayKey | undefined {
  if (flag) return { key: flag, source: 'flag --key' }
  for (const name of ['WAYPOST_KEY', 'A2ACLI_API_KEY', 'WAYPOST_ADMIN_KEY']) {
    const found = around.lookup(name)
    if (found) return { key: found.value, source: found.source }
  }
  const path = join(around.get('WAYPOST_DATA') ?? './.waypost', 'admin.key')
  try {
    return { key: readFileSync(path, 'utf8').trim(), source: path }
  } catch {
    // Not there, or not ours to read: the gateway will say that it wants a key, and the hint says where from.
    return undefined
  }
}

/** Where the configuration of every a2a-cli is (a2a-cli §8.3). */
export const configFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env.XDG_CONFIG_HOME ?? join(env.HOME ?? homedir(), '.config'), 'a2a-cli')

/** The surroundings of a program that we start: ours, without what would turn it to another gateway, and `extra`. */
export function childEnvironment(extra: Readonly<Record<string, string>>): Record<string, string> {
  const inherited = Object.entries(process.env).filter(([name]) => !OURS.test(name) && !NOT_INHERITED.has(name))
  return { ...(Object.fromEntries(inherited) as Record<string, string>), ...extra }
}
/** Of our surroundings only these. */
export const pickedEnvironment = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))
const NOT_INHERITED = new Set(['HOST', 'GRPC_PORT'])
