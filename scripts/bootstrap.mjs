/**
 * Runs before `npm start`, `npm test` and every `./waypost` command: checks Node, installs what the lockfile asks for,
 * builds what is stale. No dependency, so that it works on a fresh clone. Silent when there is nothing to do.
 *
 *   node scripts/bootstrap.mjs             install and build when stale
 *   node scripts/bootstrap.mjs --if-missing build only when there is no build at all (what ./waypost asks for)
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const NODE_OLDEST = [20, 19]

const lockfile = join(root, 'package-lock.json')
const installStamp = join(root, 'node_modules', '.waypost-lockfile-sha256')
const buildStamp = join(root, 'dist', '.stamp')
/** Outside dist and node_modules, because both may be deleted while it is held. */
const lockPath = join(root, '.cache', 'bootstrap.lock')

const say = (line) => process.stderr.write(`${line}\n`)

function fail(code, problem, hint) {
  say(`Error: ${code}: ${problem}`)
  say(`Hint: ${hint}`)
  process.exit(1)
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [oldestMajor, oldestMinor] = NODE_OLDEST
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  fail(
    'WAYPOST_ERR_NODE_VERSION',
    `Node ${NODE_OLDEST.join('.')} or newer is needed, this is ${process.versions.node}`,
    'install Node 24 LTS, for example: nvm install 24',
  )
}

const lockfileHash = () => createHash('sha256').update(readFileSync(lockfile)).digest('hex')

function installIsStale() {
  if (!existsSync(lockfile)) return false
  return !existsSync(installStamp) || readFileSync(installStamp, 'utf8').trim() !== lockfileHash()
}

/** The newest change below a path; directories count, because deleting a file changes only its directory. */
function newest(path) {
  if (!existsSync(path)) return 0
  const entry = statSync(path)
  if (!entry.isDirectory()) return entry.mtimeMs
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), entry.mtimeMs)
}

const SOURCES = ['src', 'schemas', 'scripts/build.mjs', 'tsconfig.json', 'package.json', 'package-lock.json']

function buildIsStale() {
  if (!existsSync(buildStamp)) return true
  const built = statSync(buildStamp).mtimeMs
  return SOURCES.some((source) => newest(join(root, source)) > built)
}

function run(command, args, whatFor) {
  // stdout is not ours: `./waypost … -o json` must print its payload and nothing else.
  const ran = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (ran.status === 0) return
  releaseLock()
  if (ran.error) say(`Error: WAYPOST_ERR_BOOTSTRAP: ${whatFor}: ${ran.error.message}`)
  else say(`Error: WAYPOST_ERR_BOOTSTRAP: ${whatFor} ended with ${ran.signal ?? `exit code ${ran.status}`}`)
  say(`Hint: the lines above say why; run it by hand with: ${command} ${args.join(' ')}`)
  process.exit(1)
}

function install() {
  say('› installing dependencies (npm ci)')
  run('npm', ['ci', '--no-audit', '--no-fund'], 'installing dependencies')
  writeFileSync(installStamp, `${lockfileHash()}\n`)
}

/** `npm ci` empties the folder first: through a link, that of another checkout. */
function checkOwnFolder() {
  const folder = lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })
  if (!folder?.isSymbolicLink()) return
  fail(
    'WAYPOST_ERR_LINKED_MODULES',
    'node_modules is a symbolic link, and what it leads to is not of this package-lock.json',
    'remove the link (rm node_modules) and run this again, or run npm ci in the checkout that it leads to',
  )
}

function build() {
  say('› building')
  run(process.execPath, [join('scripts', 'build.mjs')], 'building')
}

let lockHeld = false

function releaseLock() {
  if (lockHeld) rmSync(lockPath, { force: true })
  lockHeld = false
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function tryLock() {
  mkdirSync(dirname(lockPath), { recursive: true })
  try {
    const file = openSync(lockPath, 'wx')
    writeFileSync(file, String(process.pid))
    closeSync(file)
    lockHeld = true
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  }
}

/** A holder that was killed leaves its file behind. One that has not yet written its pid is given two seconds. */
function dropDeadLock() {
  try {
    const pid = Number(readFileSync(lockPath, 'utf8'))
    const young = Date.now() - statSync(lockPath).mtimeMs < 2_000
    if (pid ? !isAlive(pid) : !young) rmSync(lockPath, { force: true })
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
}

/** Two at once: the second waits, then finds nothing stale. A synchronous nap, because nothing else is to be done. */
function lock() {
  let told = false
  while (!tryLock()) {
    dropDeadLock()
    if (!told && existsSync(lockPath)) say('› waiting for another install or build of this checkout')
    told = true
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  }
}

function bootstrap() {
  checkNode()
  const onlyIfMissing = process.argv.includes('--if-missing')
  const mustInstall = onlyIfMissing ? () => !existsSync(join(root, 'node_modules')) : installIsStale
  const mustBuild = onlyIfMissing ? () => !existsSync(buildStamp) : buildIsStale
  if (mustInstall()) checkOwnFolder()
  else if (!mustBuild()) return
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      releaseLock()
      process.exit(1)
    })
  }
  lock()
  try {
    if (mustInstall()) install()
    if (mustBuild()) build()
  } finally {
    releaseLock()
  }
}

bootstrap()
