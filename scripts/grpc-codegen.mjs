/**
 * Makes `src/wire/bindings/grpc/gen/` from the .proto files below `schemas/`. Run it after a change there and commit what
 * comes out; nothing runs it by itself, so that a build needs neither a network nor a protobuf compiler.
 *
 *   node scripts/grpc-codegen.mjs           write the generated code
 *   node scripts/grpc-codegen.mjs --check   say whether what is committed is what would be written; exit 1 if not
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const BUF = '@bufbuild/buf@1.74.0'
/** The same number as `@bufbuild/protobuf` in package.json: generated code and runtime belong together. */
const PLUGIN = '@bufbuild/protoc-gen-es@2.17.0'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const target = join(root, 'src', 'wire', 'bindings', 'grpc', 'gen')
const work = mkdtempSync(join(tmpdir(), 'grpc-codegen-'))

const filesOf = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(folder.length + 1))
    .sort()

function generate() {
  cpSync(join(root, 'schemas'), join(work, 'schemas'), {
    recursive: true,
    filter: (source) => !/\.[a-z]+$/.test(source) || source.endsWith('.proto'),
  })
  const template = {
    version: 'v2',
    clean: true,
    plugins: [
      { local: 'protoc-gen-es', out: 'gen', opt: ['target=ts', 'import_extension=ts', 'keep_empty_files=false'] },
    ],
    inputs: [{ directory: 'schemas' }],
  }
  writeFileSync(join(work, 'buf.gen.yaml'), JSON.stringify(template))
  const ran = spawnSync('npm', ['exec', '--yes', `--package=${BUF}`, `--package=${PLUGIN}`, '--', 'buf', 'generate'], {
    cwd: work,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (ran.error) throw ran.error
  if (ran.status !== 0) throw new Error(`buf generate ended with exit code ${ran.status}`)
  for (const name of filesOf(join(work, 'gen'))) {
    const path = join(work, 'gen', name)
    writeFileSync(path, erasable(readFileSync(path, 'utf8')))
  }
}

/** An enum is no erasable syntax: the same as an object and a type of its values. */
const erasable = (text) =>
  text.replace(
    /^export enum (\w+) \{\n([\s\S]*?)\n\}$/gm,
    (_, name, body) =>
      `export const ${name} = {\n${body.replace(/^( {2}\w+) = (-?\d+),$/gm, '$1: $2,')}\n} as const;\n` +
      `export type ${name} = (typeof ${name})[keyof typeof ${name}];`,
  )

/** Names of the files that differ between what is there and what was made. */
function differing() {
  const made = join(work, 'gen')
  const names = new Set([...filesOf(made), ...filesOf(target)])
  return [...names].filter((name) => {
    try {
      return readFileSync(join(made, name), 'utf8') !== readFileSync(join(target, name), 'utf8')
    } catch {
      return true
    }
  })
}

try {
  generate()
  if (process.argv.includes('--check')) {
    const stale = differing()
    if (stale.length > 0) {
      process.stderr.write(`stale: ${stale.join(', ')}; run node scripts/grpc-codegen.mjs\n`)
      process.exitCode = 1
    }
  } else {
    rmSync(target, { recursive: true, force: true })
    cpSync(join(work, 'gen'), target, { recursive: true })
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
