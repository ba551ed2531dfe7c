/** docs/security-requirements.md: what it names is there, and so is every requirement; and how the first run is (SR-51, SR-75). */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const rows = read('docs/security-requirements.md')
  .split('\n')
  .filter((line) => line.startsWith('| SR-'))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')) as [string, string, string, string])

const upTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, at) => first + at)
const NUMBERS = [
  ...[upTo(1, 13), upTo(20, 27), upTo(30, 47), upTo(50, 58), upTo(60, 67), upTo(70, 75), upTo(80, 84)].flat(),
].map((number) => `SR-${String(number).padStart(2, '0')}`)

test('every requirement has its row, once', () => {
  expect(rows.map(([id]) => id)).toEqual(NUMBERS)
})

test.each(rows)('%s %s', (_id, _what, where, shown) => {
  const paths = (cell: string) =>
    [...cell.matchAll(/`([^` ]+)`/g)].map(([, path]) => path as string).filter((path) => /[/.]/.test(path))
  const missing = [...paths(where), ...paths(shown)].filter((path) => !existsSync(join(ROOT, path)))
  expect(missing).toEqual([])
  for (const [, path = '', words = ''] of shown.matchAll(/`([^`]+)` “([^”]+)”/g))
    expect([path, words, read(path).includes(words)]).toEqual([path, words, true])
  // What has no test says so by its dash.
  expect(paths(shown).length > 0 || shown === '–').toBe(true)
})

test('nothing listens to the network without keys, and nobody has a key by default', () => {
  const { host, auth, adminKey } = readConfig({ env: {}, file: '/nowhere' })
  expect([host, auth, adminKey]).toEqual(['127.0.0.1', 'required', undefined])
  const start = (env: Record<string, string>) => () => readConfig({ env, file: '/nowhere' })
  for (const open of ['0.0.0.0', '::', '10.0.0.1', 'example.test'])
    expect([open, start({ HOST: open, WAYPOST_AUTH: 'off' })]).toEqual([open, expect.toSatisfy(refuses)])
  for (const own of ['127.0.0.1', '::1', 'localhost'])
    expect(start({ HOST: own, WAYPOST_AUTH: 'off' })().auth).toBe('off')
})
const refuses = (run: () => unknown): boolean => {
  try {
    run()
    return false
  } catch (error) {
    return /refusing to listen/.test((error as Error).message)
  }
}

test('SECURITY.md says whom to tell and what is supported', () => {
  expect(read('SECURITY.md')).toMatch(/## Reporting[\s\S]+privately[\s\S]+## What is supported/)
})
