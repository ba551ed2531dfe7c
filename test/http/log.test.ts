import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import type { Happenings } from '../../src/happenings.ts'
import { createLog, type LogOptions, prettyLine } from '../../src/http/log.ts'
import { createSignals } from '../../src/platform/signals.ts'

function logged(options: Partial<LogOptions> = {}) {
  const lines: string[] = []
  const signals = createSignals<Happenings>()
  const log = createLog({ level: 'info', pretty: false, write: (line) => void lines.push(line), ...options })
  return { lines, signals, log, stop: log.follow(signals) }
}
const attempt: Happenings['delivery.attempted'] = {
  delivery: 'd',
  task: 't',
  destination: 'agent:a',
  kind: 'a2a',
  attempt: 1,
  ms: 5,
  outcome: 'retry',
  waitedMs: 9,
  reason: 'HTTP 503',
  code: 'BUSY',
}

test('one line per happening, under its name, with the fields that are listed and no other', () => {
  const { lines, signals } = logged()
  signals.emit('delivery.attempted', { ...attempt, secret: 's3cret' } as never)
  expect(lines).toHaveLength(1)
  const line = JSON.parse(lines[0]!)
  expect(line).toMatchObject({ level: 'warn', msg: 'delivery.attempted', outcome: 'retry', ms: 5, reason: 'HTTP 503' })
  expect(Date.parse(line.time)).toBeGreaterThan(0)
  expect(lines[0]).not.toContain('s3cret')
})

test('the level is the outcome’s, and what is below the wanted one is not written', () => {
  const { lines, signals, stop } = logged()
  signals.emit('delivery.attempted', { ...attempt, outcome: 'delivered' })
  signals.emit('request.served', { binding: 'JSONRPC', operation: 'GetTask', code: 'OK', ms: 1 })
  expect(lines.map((line) => JSON.parse(line).level)).toEqual(['info'])
  stop()
  signals.emit('delivery.attempted', attempt)
  expect(lines).toHaveLength(1)
})

test('nobody can forge a line, nor fill the disk, nor move the cursor', () => {
  for (const pretty of [false, true]) {
    const { lines, signals } = logged({ pretty, colour: pretty })
    const evil = `a\r\n{"level":"info","msg":"task.accepted"}\u001b[2J\u009b31m\u202e${'x'.repeat(100_000)}`
    signals.emit('egress.blocked', { host: 'h', reason: evil })
    expect(lines).toHaveLength(1)
    const line = lines[0]!
    expect(line.trimEnd().split(/[\r\n]/)).toHaveLength(1)
    expect(line.length).toBeLessThan(9_000)
    if (pretty) expect(stripVTControlCharacters(line).trimEnd()).not.toMatch(/\p{Cc}|\u202e/u)
  }
})

test('for people: time, level, what, and the rest as name=value', () => {
  const line = prettyLine(
    '{"level":"info","time":"2026-01-01T10:41:07.123Z","agent":"echo","why":"two words","msg":"ready","n":3}',
  )
  expect(line).toBe('10:41:07.123 INFO  ready agent=echo why="two words" n=3\n')
})

test('what is no happening can be said too', () => {
  const { lines, log } = logged()
  log.say('info', 'ready', { port: 4280 })
  expect(JSON.parse(lines[0]!)).toMatchObject({ msg: 'ready', port: 4280 })
})
