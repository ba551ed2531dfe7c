/** Compiles src/ into dist/ and puts beside it what the program reads at run time. No bundler: what runs can be read. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const from = (...parts) => join(root, ...parts)
const dist = from('dist')

// Taken before the compiler reads: a file saved while it runs must count as newer than this build.
const startedAt = new Date()

function compile() {
  const tsc = from('node_modules', 'typescript', 'bin', 'tsc')
  const ran = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.json'], { cwd: root, stdio: 'inherit' })
  if (ran.error) throw ran.error
  if (ran.status !== 0) process.exit(ran.status ?? 1)
}

/** What others import has types; the rest is nobody's library. */
function declare() {
  const tsc = from('node_modules', 'typescript', 'bin', 'tsc')
  const only = ['--declaration', '--emitDeclarationOnly', '--outDir', join('dist', 'client')]
  const as = ['--ignoreConfig', '--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node']
  const args = [tsc, ...as, ...only, join('src', 'client', 'mailbox.ts')]
  const ran = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (ran.error) throw ran.error
  if (ran.status !== 0) process.exit(ran.status ?? 1)
}

/** Everything below src/ that the compiler does not take: SQL, HTML, CSS, proto, JSON. */
function copyAssets(folder = 'src') {
  for (const name of readdirSync(from(folder))) {
    const path = join(folder, name)
    if (statSync(from(path)).isDirectory()) {
      copyAssets(path)
      continue
    }
    if (['.ts', '.tsx', '.md'].includes(extname(name))) continue
    const target = join(dist, path.slice('src'.length + 1))
    mkdirSync(dirname(target), { recursive: true })
    cpSync(from(path), target)
  }
}

/** A source file that was deleted or moved must not live on as JavaScript. */
function dropOrphans(folder = dist) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    if (statSync(path).isDirectory()) dropOrphans(path)
    else if (extname(name) === '.js' && !hasSource(path.slice(dist.length + 1))) rmSync(path)
  }
}

const hasSource = (compiled) => {
  const stem = from('src', compiled.slice(0, -'.js'.length))
  return ['.ts', '.tsx', '.js'].some((extension) => existsSync(`${stem}${extension}`))
}

function stamp() {
  const { version } = JSON.parse(readFileSync(from('package.json'), 'utf8'))
  writeFileSync(join(dist, '.stamp'), `${JSON.stringify({ version, node: process.versions.node })}\n`)
}

mkdirSync(dist, { recursive: true })
compile()
declare()
dropOrphans()
copyAssets()
const cli = join(dist, 'cli', 'cli.js')
if (existsSync(cli)) chmodSync(cli, 0o755)
stamp()
// The stamp carries the time at which the build began; see above.
utimesSync(join(dist, '.stamp'), startedAt, startedAt)
