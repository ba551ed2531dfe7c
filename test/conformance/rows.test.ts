/** The table of all suites: nothing that failed or was skipped may hide in it, and README.md shows what it says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fromKit, fromVitest, merged, table, unexpected, withTable } from './rows.mjs'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

const aCase = (title: string, state = 'passed', note = '') => ({
  file: 'f',
  above: ['3.1 operations'],
  title,
  state,
  note,
})

test('cases are counted by version and binding, each in its place', () => {
  const spec = fromVitest('spec', [
    aCase('lists: JSON-RPC'),
    aCase('lists: gRPC'),
    aCase('cancels: gRPC'),
    { ...aCase('resumes'), above: ['5 bindings'] },
  ])
  expect(spec.map(({ version, binding, passed }) => [version, binding, passed])).toEqual([
    ['1.0', 'JSON-RPC', 1],
    ['1.0', 'gRPC', 2],
    ['1.0', '–', 1],
  ])
  const peers = fromVitest('grid', [{ ...aCase('send'), above: ['0.3.14 as 0.3 over GRPC to 1.3.0 JSONRPC'] }])
  expect(peers).toMatchObject([{ version: '0.3', binding: 'gRPC', passed: 1 }])
  expect(unexpected([...spec, ...peers])).toEqual([])
})

test('a failure is told; a skip needs a reason, and without one it is a failure', () => {
  const rows = fromVitest('spec', [
    aCase('a: gRPC', 'failed', 'expected 1'),
    aCase('b: gRPC', 'skipped'),
    aCase('c: gRPC', 'skipped', '0.3 has no such operation'),
  ])
  expect(rows).toMatchObject([{ failed: 2, skipped: 1 }])
  expect(unexpected(rows)).toEqual([
    expect.stringContaining('3.1 operations > a: gRPC: expected 1'),
    expect.stringContaining('skipped without a reason: b: gRPC'),
  ])
  expect(table(rows)).toContain('not expected')
})

test('of the kit only what expected.json names is expected', () => {
  const expected = { failed: { 'x::known': 'the kit is wrong' }, skipped: { 'not configured': 'it is off' } }
  const cases = [
    { id: 'x::fine', binding: 'grpc', outcome: 'passed', reason: '' },
    { id: 'x::known', binding: 'grpc', outcome: 'forgiven', reason: 'r' },
    { id: 'x::skip', binding: 'grpc', outcome: 'skipped', reason: 'not configured: y' },
  ]
  const rows = fromKit('1.0-quirks', cases, expected)
  expect(rows).toMatchObject([
    { suite: 'official kit, 1.0-quirks', version: '1.0', binding: 'gRPC', passed: 1, failed: 1, skipped: 1 },
  ])
  expect(unexpected(rows)).toEqual([])
  const worse = fromKit(
    '1.0-quirks',
    [...cases, { id: 'x::new', binding: 'rest', outcome: 'failed', reason: 'broke' }],
    expected,
  )
  expect(unexpected(worse)).toEqual([expect.stringContaining('x::new: broke')])
})

test('a suite that has run replaces what it said before, and only that', () => {
  const before = fromKit('1.0', [{ id: 'a', binding: 'grpc', outcome: 'passed', reason: '' }], {})
  const now = fromVitest('spec', [aCase('a: gRPC')])
  expect(merged(merged(before, now), now).map(({ suite }) => suite)).toEqual([
    'official kit, 1.0',
    'our own suite, by section',
  ])
})

test('README.md shows the last results, and nothing in them was unexpected', () => {
  const rows = JSON.parse(read('test/conformance/results.json'))
  expect(unexpected(rows)).toEqual([])
  const readme = read('README.md')
  expect(withTable(readme, rows)).toBe(readme)
})
