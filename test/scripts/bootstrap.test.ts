/** Bootstrap in a checkout of its own, with npm and the build replaced by scripts that say when they ran. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'

const scripts = join(import.meta.dirname, '../../scripts')
let root: string

const NPM = `#!/bin/sh
echo "$@" >> npm.log
mkdir -p node_modules
`
const BUILD = `import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
appendFileSync('build.log', 'built\\n')
mkdirSync('dist', { recursive: true })
writeFileSync('dist/.stamp', '{}')
`

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'waypost-bootstrap-'))
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  write('package.json', '{}')
  write('package-lock.json', '{}')
  write('src/main.ts', '')
  write('scripts/build.mjs', BUILD)
  write('bin/npm', NPM)
  chmodSync(join(root, 'bin/npm'), 0o755)
  copyFileSync(join(scripts, 'bootstrap.mjs'), join(root, 'scripts/bootstrap.mjs'))
})

async function bootstrap(...args: string[]) {
  const env = { PATH: [join(root, 'bin'), process.env.PATH].join(delimiter) }
  const child = spawn(process.execPath, [join(root, 'scripts/bootstrap.mjs'), ...args], { cwd: tmpdir(), env })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

const lines = (file: string) =>
  existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8').trim().split('\n') : []
const later = () => new Date(Date.now() + 60_000)

test('a fresh clone is installed and built, then nothing is said', async () => {
  expect(await bootstrap()).toEqual({ code: 0, stdout: '', stderr: '› installing dependencies (npm ci)\n› building\n' })
  expect(lines('npm.log')).toEqual(['ci --no-audit --no-fund'])
  expect(await bootstrap()).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('another lockfile is installed, a changed source is built', async () => {
  await bootstrap()
  utimesSync(join(root, 'src/main.ts'), later(), later())
  expect((await bootstrap()).stderr).toBe('› building\n')
  writeFileSync(join(root, 'package-lock.json'), '{"changed":true}')
  expect((await bootstrap()).stderr).toContain('› installing')
})

test('what a link leads to is somebody else’s: it is not emptied', async () => {
  const theirs = join(root, 'elsewhere')
  mkdirSync(theirs)
  writeFileSync(join(theirs, 'kept'), '')
  symlinkSync(theirs, join(root, 'node_modules'))
  const { code, stderr } = await bootstrap()
  expect(code).toBe(1)
  expect(stderr).toMatch(/^Error: WAYPOST_ERR_LINKED_MODULES: node_modules is a symbolic link.*\nHint: remove the link/)
  expect([existsSync(join(theirs, 'kept')), lines('npm.log')]).toEqual([true, []])
  // The same packages may be shared.
  const sha256 = createHash('sha256').update('{}').digest('hex')
  writeFileSync(join(theirs, '.waypost-lockfile-sha256'), sha256)
  expect(await bootstrap()).toEqual({ code: 0, stdout: '', stderr: '› building\n' })
})

test('two at once do the work once', async () => {
  const both = await Promise.all([bootstrap(), bootstrap()])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect([lines('npm.log').length, lines('build.log').length]).toEqual([1, 1])
})

test('a lock whose holder is dead holds nobody up', async () => {
  const gone = spawn(process.execPath, ['-e', ''])
  await once(gone, 'close')
  mkdirSync(join(root, '.cache'))
  writeFileSync(join(root, '.cache/bootstrap.lock'), String(gone.pid))
  expect((await bootstrap()).code).toBe(0)
})

test('a build that fails is told, and is stale the next time', async () => {
  writeFileSync(join(root, 'scripts/build.mjs'), 'process.exit(3)')
  const { code, stderr } = await bootstrap()
  expect(code).toBe(1)
  expect(stderr).toMatch(/Error: WAYPOST_ERR_BOOTSTRAP: building ended with exit code 3\nHint: /)
  writeFileSync(join(root, 'scripts/build.mjs'), BUILD)
  expect((await bootstrap()).code).toBe(0)
  expect(existsSync(join(root, '.cache/bootstrap.lock'))).toBe(false)
})

test('--if-missing leaves a stale build alone', async () => {
  await bootstrap()
  utimesSync(join(root, 'src/main.ts'), later(), later())
  expect((await bootstrap('--if-missing')).stderr).toBe('')
})

test.each([
  [{ numPassedTests: 3, numFailedTests: 0, testResults: [] }, '0', '3 passed, 0 failed', 0],
  [{ numPassedTests: 3, numFailedTests: 1, testResults: [] }, '1', '3 passed, 1 failed', 1],
  [
    { numPassedTests: 3, numFailedTests: 0, testResults: [{ status: 'failed', name: 'x', message: 'no' }] },
    '1',
    '3 passed, 1 failed',
    1,
  ],
  [{ numPassedTests: 3, numFailedTests: 0, testResults: [] }, '1', '3 passed, 1 failed', 1],
  [undefined, '1', '0 passed, 1 failed', 1],
])('the summary of a run', async (report, testExit, last, expected) => {
  const file = join(root, 'report.json')
  if (report) writeFileSync(file, JSON.stringify(report))
  const child = spawn(process.execPath, [join(scripts, 'ci-summary.mjs'), file, testExit])
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk
  })
  const [code] = await once(child, 'close')
  expect([stdout.trim().split('\n').at(-1), code]).toEqual([last, expected])
})
