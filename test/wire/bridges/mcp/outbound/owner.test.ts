/** Whose question it is, where the protocol does not say. */
import { expect, test } from 'vitest'
import { createOwners } from '../../../../../src/wire/bridges/mcp/outbound/owner.ts'

const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
const watch = <T>(promise: Promise<T>) => {
  const seen: { value?: T; done: boolean } = { done: false }
  void promise.then((value) => Object.assign(seen, { value, done: true }))
  return seen
}

test('the only one that runs is it', async () => {
  const owners = createOwners<string>()
  await owners.enter('a')
  expect(await owners.ask()).toBe('a')
})

test('of several it is the one that is left when the others have ended', async () => {
  const owners = createOwners<string>()
  for (const run of ['a', 'b', 'c']) await owners.enter(run)
  const asked = watch(owners.ask())
  owners.leave('a')
  await settled()
  expect(asked.done).toBe(false)
  owners.leave('c')
  await settled()
  expect(asked).toEqual({ value: 'b', done: true })
})

test('who waits for an answer does not count, and does again when it has one', async () => {
  const owners = createOwners<string>()
  await owners.enter('a')
  expect(await owners.ask()).toBe('a')
  await owners.enter('b')
  expect(await owners.ask()).toBe('b')
  owners.resume('a')
  owners.resume('b')
  const asked = watch(owners.ask())
  owners.leave('b')
  await settled()
  expect(asked.value).toBe('a')
})

test('while a question has no owner no new call begins', async () => {
  const owners = createOwners<string>()
  for (const run of ['a', 'b']) await owners.enter(run)
  const asked = watch(owners.ask())
  const entered = watch(owners.enter('c'))
  await settled()
  expect(entered.done).toBe(false)
  owners.leave('b')
  await settled()
  expect([asked.value, entered.done]).toEqual(['a', true])
})

test('two that ask at once cannot be told apart: neither is guessed', async () => {
  const owners = createOwners<string>()
  for (const run of ['a', 'b']) await owners.enter(run)
  expect(await Promise.all([owners.ask(), owners.ask()])).toEqual([undefined, undefined])
})

test('nobody runs, or the connection has ended: nobody is asked', async () => {
  const owners = createOwners<string>()
  expect(await owners.ask()).toBeUndefined()
  for (const run of ['a', 'b']) await owners.enter(run)
  const asked = watch(owners.ask())
  owners.close()
  await settled()
  expect(asked).toEqual({ value: undefined, done: true })
})

test('an answer that comes after the end of its call brings nothing back', async () => {
  const owners = createOwners<string>()
  await owners.enter('a')
  await owners.ask()
  owners.leave('a')
  owners.resume('a')
  expect(await owners.ask()).toBeUndefined()
})
