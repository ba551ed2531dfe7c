/** Builds a copy of the program with some places replaced. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Edit } from './bug.ts'

const ROOT = join(import.meta.dirname, '../../..')
/** Inside the project, so that packages are found from there; git and the checks pass over it. */
const HOME = join(import.meta.dirname, '../out/planted')

export interface Build {
  readonly main: string
  remove(): void
}

/** The text with the replacement made. Throws when the place is not there, or there more than once. */
export function replaceOnce(text: string, { file, find, put }: Edit): string {
  const parts = text.split(find)
  if (parts.length !== 2)
    throw new Error(
      `src/${file} has changed: ${JSON.stringify(find.slice(0, 120))} stands there ${parts.length - 1} times`,
    )
  return parts.join(put)
}

/** Throws when an edit finds no place, or what comes of it does not compile. */
export function build(name: string, edits: readonly Edit[]): Build {
  const home = join(HOME, name)
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  cpSync(join(ROOT, 'src'), join(home, 'src'), { recursive: true })
  for (const folder of ['schemas', 'package.json']) symlinkSync(join(ROOT, folder), join(home, folder))
  for (const edit of edits) {
    const path = join(home, 'src', edit.file)
    writeFileSync(path, replaceOnce(readFileSync(path, 'utf8'), edit))
  }
  const options = { rootDir: 'src', outDir: 'dist', typeRoots: [join(ROOT, 'node_modules/@types')] }
  writeFileSync(
    join(home, 'tsconfig.json'),
    JSON.stringify({ extends: join(ROOT, 'tsconfig.json'), compilerOptions: options, include: ['src'] }),
  )
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', home], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the build of ${name} fails: ${stdout.slice(0, 2_000)}`)
  // What the compiler does not take: the program reads it at run time.
  cpSync(join(home, 'src'), join(home, 'dist'), {
    recursive: true,
    filter: (path) => !['.ts', '.md'].includes(extname(path)),
  })
  rmSync(join(home, 'src'), { recursive: true })
  return { main: join(home, 'dist/main.js'), remove: () => rmSync(home, { recursive: true, force: true }) }
}
