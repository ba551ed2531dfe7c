/** What an operator sees of a card that waits, and what approving and rotating ask the gateway for. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeGateway, KEY, startFakeGateway } from './fakeGateway.ts'
import { runCli } from './run.ts'

let gateway: FakeGateway
beforeAll(async () => {
  gateway = await startFakeGateway()
})
afterAll(() => gateway.close())

const waypost = (...args: string[]) => runCli([...args, '--gateway', gateway.url], { env: { WAYPOST_KEY: KEY } })
const WAITS = {
  name: 'echo',
  state: 'pending-approval',
  signature: { state: 'verified', keys: ['old-key'] },
  cardProblem: { code: 'CARD_SIGNATURE', reason: 'the card is not signed, and must be' },
  pending: {
    change: 'c0ffee',
    since: '2026-01-01T00:00:00.000Z',
    changes: [
      { what: 'origin', from: ['https://a.example'], to: ['https://b.example', 'https://c.example'] },
      { what: 'key', from: ['old-key (verified)'], to: [] },
    ],
  },
}

test('agent show tells old and new, and what to do', async () => {
  gateway.once('GET /v1/agents/echo', 200, WAITS)
  const { code, stdout, stderr } = await waypost('agent', 'show', 'echo')
  expect(code).toBe(0)
  for (const line of [
    'State: pending-approval',
    'Signature: verified old-key',
    'Card refused: the card is not signed, and must be',
    'Changed address: https://a.example → https://b.example, https://c.example',
    'Changed signing key: old-key (verified) → none',
    'Change: c0ffee',
  ])
    expect(stdout.split('\n')).toContain(line)
  expect(stderr).toMatch(/agent approve echo/)
})

test('agent approve takes what it has just shown, and says what that was', async () => {
  gateway.once('GET /v1/agents/echo', 200, WAITS)
  const { code, stdout } = await waypost('agent', 'approve', 'echo')
  expect([code, gateway.asked.at(-1)]).toMatchObject([
    0,
    { what: 'POST /v1/agents/echo/approve', body: { change: 'c0ffee' } },
  ])
  expect(stdout).toMatch(/Changed address: .*\n[\s\S]*Approved: echo/)
  await waypost('agent', 'approve', 'echo', '--change', 'other')
  expect(gateway.asked.at(-1)).toMatchObject({ body: { change: 'other' } })
})

test('a card that has changed again is not approved', async () => {
  gateway.once('POST /v1/agents/echo/approve', 409, { code: 'CONFLICT', detail: 'the card has changed again' })
  const { code, stderr } = await waypost('agent', 'approve', 'echo')
  expect(code).not.toBe(0)
  expect(stderr).toMatch(/changed again/)
})

test('key rotate-signing: a grace, or none when the key is known to others, and then only on one’s word', async () => {
  expect((await waypost('key', 'rotate-signing')).code).toBe(0)
  expect(gateway.asked.at(-1)).toMatchObject({ what: 'POST /v1/signing-keys/rotate', body: {} })
  const { stdout } = await waypost('key', 'rotate-signing', '--grace', '2h')
  expect(gateway.asked.at(-1)?.body).toEqual({ graceSeconds: 7_200 })
  expect(stdout).toMatch(/s2\s+current[\s\S]*s1\s+retiring/)
  const before = gateway.asked.length
  for (const wrong of [['--compromised'], ['--compromised', '--yes', '--grace', '1h']])
    expect((await waypost('key', 'rotate-signing', ...wrong)).code).toBe(2)
  expect(gateway.asked.length).toBe(before)
  await waypost('key', 'rotate-signing', '--compromised', '--yes')
  expect(gateway.asked.at(-1)?.body).toEqual({ graceSeconds: 0 })
})
