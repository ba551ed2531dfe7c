/**
 * K: hostile agents, cards and collectors. What is expected is an effect on a task or a registration, so each stands with the
 * part that has it: as real sockets against our client, or end to end.
 */
import { expect } from 'vitest'
import type { Row } from '../rows.ts'
import { LEASE_CALLS_PER_SECOND } from '../world.ts'

const faults = 'wire/bindings/peerFaults.test.ts'
const bounds = 'wire/bindings/peerBounds.test.ts'

export const K: readonly Row[] = [
  { id: 'K-01', what: 'HTML, nothing, another content type', at: [faults] },
  { id: 'K-02', what: 'another id, both a result and an error, neither', at: [faults, bounds] },
  {
    id: 'K-03',
    what: 'a task without id or state, an unknown state',
    at: [bounds, 'gateway/forwarder/intake.test.ts'],
  },
  { id: 'K-04', what: 'an event of another task', at: [bounds] },
  { id: 'K-05', what: 'an odd first event', at: [bounds, 'gateway/forwarder/intake.test.ts'] },
  { id: 'K-06', what: 'events after the end', at: [bounds, 'gateway/forwarder/intake.test.ts'] },
  { id: 'K-07', what: 'artifacts: unknown, twice, too many', at: ['gateway/forwarder/intake.test.ts'] },
  { id: 'K-08', what: 'lines and events without end', at: [bounds] },
  { id: 'K-09', what: 'compressed bombs', at: ['platform/egress.test.ts'] },
  { id: 'K-10', what: 'an answer that never ends, or drips', at: ['platform/egress.test.ts'] },
  { id: 'K-11', what: 'redirects', at: ['e2e/egress.test.ts'] },
  { id: 'K-12', what: 'a Retry-After that is none', at: [faults] },
  { id: 'K-13', what: '401 after a revocation', at: [faults] },
  { id: 'K-14', what: 'NUL, lone surrogates, depth in a result', at: [bounds] },
  { id: 'K-15', what: 'a card that leads elsewhere', at: ['gateway/agents/approval.test.ts'] },
  { id: 'K-16', what: 'a card that is too large or too deep', at: ['wire/bindings/card.test.ts'] },
  {
    id: 'K-17',
    what: 'names that look like others',
    scene: async ({ http, stored }) => {
      const before = await stored()
      for (const name of ['Bоx', 'вox', 'b\u200box', 'bo\u0445', '\uff42ox', 'box ', 'b\u202eox']) {
        const body = JSON.stringify({ name, connector: { kind: 'mailbox' } })
        const { status, reason } = await http({ path: '/v1/agents', key: 'operator', body })
        expect([name, status, reason]).toEqual([name, 400, 'INVALID_PARAMS'])
      }
      // Case is folded, so this is the agent that is there, and another's.
      const body = JSON.stringify({ name: 'BOX', connector: { kind: 'mailbox' } })
      const { status } = await http({ path: '/v1/agents', key: 'owner', body })
      expect([403, 409]).toContain(status)
      expect(await stored()).toEqual(before)
    },
    at: ['gateway/agents/registration.test.ts'],
    differs:
      'names are ASCII, so one that looks like another is refused as no name (400), before there can be a conflict',
  },
  {
    id: 'K-18',
    what: 'signatures that do not hold',
    at: ['wire/bindings/cardTrust.test.ts', 'hostile/vectors/jws.ts'],
  },
  { id: 'K-19', what: 'a card that changes', at: ['gateway/agents/approval.test.ts'] },
  { id: 'K-20', what: 'leases that are not one’s own', at: ['e2e/mailboxSuite.ts'] },
  { id: 'K-21', what: 'a result for an ended task', at: ['e2e/mailboxSuite.ts'] },
  { id: 'K-22', what: 'waits and counts without bound', at: ['e2e/mailboxSuite.ts'] },
  { id: 'K-23', what: 'a result of 17 MiB', at: ['e2e/mailboxSuite.ts'] },
  {
    id: 'K-24',
    what: 'who asks more often than a second has room for',
    scene: async ({ http }) => {
      const made = await http({
        path: '/v1/agents',
        key: 'operator',
        body: JSON.stringify({ name: 'greedy', connector: { kind: 'mailbox' } }),
      })
      const { token } = made.result as { token: string }
      const calls = Array.from({ length: 4 * LEASE_CALLS_PER_SECOND }, () =>
        http({ path: '/v1/inbox/lease', key: token, body: '{}' }),
      )
      const answers = await Promise.all(calls)
      const refused = answers.filter(({ status }) => status === 429)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([204, 429]))
      for (const { headers, reason } of refused)
        expect([headers['retry-after'], reason]).toEqual([expect.stringMatching(/^\d+$/), 'RATE_LIMITED'])
    },
  },
  { id: 'K-25', what: 'our credential in an agent’s words', at: [bounds] },
]
