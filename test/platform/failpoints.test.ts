import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { armFailpoints, FailpointError, failpoint, failpointsOn } from '../../src/platform/failpoints.ts'

afterEach(() => armFailpoints(undefined))

/** Which of these names throw, in their order. */
const thrown = (...names: string[]): boolean[] =>
  names.map((name) => {
    try {
      failpoint(name)
      return false
    } catch (error) {
      if (!(error instanceof FailpointError)) throw error
      return true
    }
  })

test('without rules a failpoint is one and the same function, which does nothing', () => {
  const before = failpoint
  armFailpoints('')
  expect(failpoint).toBe(before)
  expect([failpointsOn, failpoint('anything')]).toEqual([false, false])
})

test('a rule names places by pattern, and may leave some out', () => {
  armFailpoints('tasks.*,!tasks.open.sent=throw')
  expect(failpointsOn).toBe(true)
  expect(thrown('tasks.open.before', 'tasks.open.sent', 'events.append.after', 'xtasks.a')).toEqual([
    true,
    false,
    false,
    false,
  ])
})

test('@K means the K-th hit and no other; after=NAME means that nothing counts before it', () => {
  armFailpoints('after=ready;*=throw@2')
  expect(thrown('a', 'b', 'c', 'ready', 'a', 'b', 'c')).toEqual([false, false, false, false, false, true, false])
})

test('throwOnce throws once, dropReply says so, sleep stalls', () => {
  armFailpoints('a=throwOnce;b=dropReply;c=sleep(30)')
  expect(thrown('a', 'a')).toEqual([true, false])
  expect([failpoint('b'), failpoint('d')]).toEqual([true, false])
  const began = performance.now()
  failpoint('c')
  expect(performance.now() - began).toBeGreaterThanOrEqual(25)
})

test.each(['a', 'a=die', 'a=kill@', '=kill', 'a=sleep', 'a=kill(3)', 'a=constructor'])('"%s" is no rule', (rule) => {
  expect(() => armFailpoints(rule)).toThrow(/not a rule/)
})

test('kill is a SIGKILL at that very place, after it was said', () => {
  const module = join(import.meta.dirname, '../../dist/platform/failpoints.js')
  const program = `const { armFailpoints } = await import('${module}')
    armFailpoints('b=kill@2')
    const { failpoint } = await import('${module}')
    for (const name of ['a', 'b', 'c', 'b', 'd']) { failpoint(name); process.stdout.write(name) }`
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  expect([ran.signal, ran.stdout, ran.stderr]).toEqual(['SIGKILL', 'abc', 'failpoint b hit 2\n'])
})

test('a production process does not start with failpoints, and says why', () => {
  const env = { WAYPOST_FAILPOINTS: '*=kill@1', NODE_ENV: 'production' }
  expect(() => readConfig({ env, file: 'none' })).toThrow(/WAYPOST_FAILPOINTS.*NODE_ENV=production/)
  expect(readConfig({ env: { ...env, NODE_ENV: 'test' }, file: 'none' }).failpoints).toBe('*=kill@1')
})
