/** Webhooks: C12, C13, C14. */
import { createHmac } from 'node:crypto'
import type { Delivered } from '../../support/receiver.ts'
import { type Checker, found, type WebhookRow } from './checker.ts'

const DONE = 2
const DEAD = 3
const VOID = 4

const text = (value: unknown): string => (Array.isArray(value) ? String(value[0]) : String(value ?? ''))

function byConfig(rows: readonly WebhookRow[]): Map<string, WebhookRow[]> {
  const grouped = new Map<string, WebhookRow[]>()
  for (const row of rows) {
    const key = `${row.task_id} ${row.config_id}`
    grouped.set(key, [...(grouped.get(key) ?? []), row])
  }
  return grouped
}

/** C12: every event from the first owed one on is owed, and was taken, in order, or withdrawn because its config is gone. */
export const webhooksAllInOrder: Checker = ({ books, webhooks, evidence }) => {
  const violations: string[] = []
  const inline = new Set(
    evidence.hooks
      .filter((hook) => hook.inline && !hook.deleteAsked)
      .map(({ taskId, configId }) => `${taskId} ${configId}`),
  )
  const owed = byConfig(books.webhooks)
  for (const [key, rows] of owed) {
    const [taskId = ''] = key.split(' ')
    const last = books.tasks.get(taskId)?.last_seq ?? 0
    const seqs = rows.map(({ seq }) => seq)
    const stands = rows.every(({ there, disabled }) => there && !disabled)
    if (seqs.some((seq, at) => at > 0 && seq !== (seqs[at - 1] as number) + 1))
      violations.push(`${key}: owed ${seqs.join(',')}`)
    if (stands && seqs.at(-1) !== last) violations.push(`${key}: owed up to ${seqs.at(-1)}, the log has ${last}`)
    if (stands && inline.has(key) && seqs[0] !== 2)
      violations.push(`${key}: owed from ${seqs[0]}, the config was there from the start`)
    for (const { seq, state, attempt, code, reason } of rows)
      if (stands && state !== DONE)
        violations.push(`${key}: webhook ${seq} is in state ${state}, attempt ${attempt}, ${code}: ${reason}`)
    // Of a receiver that said that it is gone what was owed is dead, and can be replayed; what nobody wants any more is void.
    const ends = rows.some(({ there }) => there) ? [DONE, DEAD] : [DONE, DEAD, VOID]
    if (!stands)
      for (const { seq, state } of rows)
        if (!ends.includes(state))
          violations.push(`${key}: webhook ${seq} of a config that is gone is in state ${state}`)
  }
  for (const key of inline) {
    const [taskId = ''] = key.split(' ')
    if (!owed.has(key) && (books.tasks.get(taskId)?.last_seq ?? 0) > 1)
      violations.push(`${key}: nothing is owed of ${books.tasks.get(taskId)?.last_seq} events`)
  }
  const done = books.webhooks.filter(({ state }) => state === DONE).length
  const arrived = new Set(
    webhooks.filter(({ status }) => status === 200).map(({ headers }) => text(headers['webhook-id'])),
  ).size
  if (arrived < done) violations.push(`${done} webhooks are settled as done, ${arrived} arrived`)
  violations.push(...disorder(webhooks, owed))
  return found('C12 webhooks: all, in order', books.webhooks.length, violations)
}

/** The first try at an event never comes before the first success with the one before it. */
function disorder(webhooks: readonly Delivered[], owed: ReadonlyMap<string, readonly WebhookRow[]>): string[] {
  const tried = new Map<string, number>()
  const taken = new Map<string, number>()
  webhooks.forEach(({ headers, status }, nth) => {
    const id = text(headers['webhook-id'])
    if (!tried.has(id)) tried.set(id, nth)
    if (status === 200 && !taken.has(id)) taken.set(id, nth)
  })
  const violations: string[] = []
  for (const [key, rows] of owed)
    for (const [at, row] of rows.entries()) {
      const before = rows[at - 1]
      const began = tried.get(row.id)
      if (!before || began === undefined || before.state !== DONE) continue
      const first = taken.get(before.id)
      if (first === undefined || began < first)
        violations.push(`${key}: webhook ${row.seq} came before ${before.seq} was taken`)
    }
  return violations
}

/** From the last look at the config to the arrival, on a machine that is busy. */
const ON_ITS_WAY_MS = 2_000

/**
 * C13: nothing begins after the delete was acknowledged. When it began is not told (the stamp is that of its signature), so what
 * arrives too late has begun too late, unless its replica or its database was held up on the way.
 */
export const deletedIsSilent: Checker = ({ evidence, webhooks, books, faults }) => {
  const rows = new Map(books.webhooks.map((row) => [row.id, row]))
  const zero = performance.now() - evidence.history.now()
  const deleted = new Map<string, number>()
  for (const { taskId, configId, deletedAt } of evidence.hooks)
    if (deletedAt !== undefined) deleted.set(`${taskId} ${configId}`, deletedAt)
  const heldUp = (from: number, to: number) =>
    faults.some(
      ({ affects, began, healed }) =>
        affects.some((name) => name.startsWith('replica')) && began + zero < to && healed + zero > from,
    )
  const violations: string[] = []
  for (const { headers, at } of webhooks) {
    const row = rows.get(text(headers['webhook-id']))
    const gone = row && deleted.get(`${row.task_id} ${row.config_id}`)
    if (!row || gone === undefined || at < gone + ON_ITS_WAY_MS || heldUp(gone - ON_ITS_WAY_MS, at)) continue
    violations.push(
      `webhook ${row.seq} of task ${row.task_id} came ${Math.round(at - gone)} ms after its config was deleted`,
    )
  }
  return found('C13 a deleted config is silent', deleted.size, violations)
}

/** C14: the same bytes under the same id, and a signature that holds over them at every attempt. */
export const signedAndUnchanged: Checker = ({ webhooks, signedBy, jwts = [] }) => {
  const violations: string[] = []
  const bodies = new Map<string, string>()
  for (const { headers, body, path } of webhooks) {
    const id = text(headers['webhook-id'])
    // A question whether it agrees is no event.
    if (id === '') continue
    if (bodies.has(id) && bodies.get(id) !== body) violations.push(`webhook ${id} changed its body`)
    bodies.set(id, body)
    if (!signedBy) continue
    const key = Buffer.from(signedBy(path).replace('whsec_', ''), 'base64')
    const expected = `v1,${createHmac('sha256', key)
      .update(`${id}.${text(headers['webhook-timestamp'])}.${body}`)
      .digest('base64')}`
    if (!text(headers['webhook-signature']).split(' ').includes(expected))
      violations.push(`webhook ${id} to ${path}: its signature does not hold`)
  }
  for (const { id, good } of jwts) if (!good) violations.push(`webhook ${id}: its token's signature does not hold`)
  return found('C14 signed, and unchanged', webhooks.length, violations)
}
