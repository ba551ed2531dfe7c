/** The tables of the operator's verbs. */
import { moment } from './durations.ts'
import type { Invocation } from './invocation.ts'
import type { Cell, Style } from './output.ts'
import type {
  AgentRecord,
  AuditRecord,
  DeliveryRecord,
  KeyRecord,
  SigningKeyRecord,
  TaskRecord,
  WebhookAttemptRecord,
} from './records.ts'
import { stateName } from './render.ts'

const STATE_STYLES: Readonly<Record<string, Style>> = {
  online: 'good',
  done: 'good',
  delivered: 'good',
  retry: 'warn',
  COMPLETED: 'good',
  paused: 'warn',
  'pending-approval': 'bad',
  draining: 'warn',
  waiting: 'warn',
  leased: 'warn',
  SUBMITTED: 'warn',
  WORKING: 'warn',
  INPUT_REQUIRED: 'warn',
  AUTH_REQUIRED: 'warn',
  offline: 'bad',
  dead: 'bad',
  expired: 'bad',
  FAILED: 'bad',
  REJECTED: 'bad',
}

export const stateCell = (state: string | undefined): Cell => {
  const style = STATE_STYLES[state ?? '']
  return style ? { text: state ?? '', style } : (state ?? '–')
}

const some = (value: string | number | undefined | null): string =>
  value === undefined || value === null ? '–' : String(value)

export function agentTable(agents: readonly AgentRecord[], call: Invocation): void {
  const at = (iso: string | null | undefined) => moment(iso, call.clock.now(), call.timeFormat)
  const wide = call.out.format === 'wide'
  call.out.table(
    ['AGENT', 'STATE', 'QUEUED', 'RUNNING', 'OLDEST', 'LAST SEEN', 'KIND', ...(wide ? ['CONNECTOR', 'URL'] : [])],
    agents.map((agent) => [
      agent.name,
      stateCell(agent.state),
      some(agent.queued),
      some(agent.running),
      at(agent.oldestAt),
      at(agent.lastSeenAt),
      some(agent.connector?.kind),
      ...(wide ? [some(agent.connector?.url), some(agent.url)] : []),
    ]),
  )
  const waiting = agents.reduce((sum, { queued = 0 }) => sum + queued, 0)
  const stuck = agents.find(({ state, queued = 0 }) => state === 'offline' && queued > 0)
  const hint = stuck ? ` · hint: ${call.program} agent show ${stuck.name}` : ''
  call.out.note(`${agents.length} ${agents.length === 1 ? 'agent' : 'agents'} · ${waiting} waiting${hint}`)
}

export function taskTable(tasks: readonly TaskRecord[], call: Invocation): void {
  const at = (iso: string | undefined) => moment(iso, call.clock.now(), call.timeFormat)
  call.out.table(
    ['TASK', 'AGENT', 'STATE', 'DELIVERY', 'ATTEMPT', 'CREATED', 'UPDATED'],
    tasks.map(({ id, agent, state, delivery, createdAt, updatedAt }) => [
      id,
      some(agent),
      stateCell(state && stateName(state)),
      stateCell(delivery?.state),
      some(delivery?.attempt),
      at(createdAt),
      at(updatedAt),
    ]),
  )
  if (tasks.length === 0) call.out.note('no tasks')
}

export function deliveryTable(deliveries: readonly DeliveryRecord[], call: Invocation): void {
  const now = call.clock.now()
  call.out.table(
    ['DELIVERY', 'KIND', 'TO', 'TASK', 'STATE', 'ATTEMPT', 'NEXT', 'AGE', 'REASON'],
    deliveries.map((delivery) => [
      delivery.id,
      some(delivery.kind),
      some(delivery.agent ?? delivery.url ?? delivery.destination),
      some(delivery.task),
      stateCell(delivery.state),
      some(delivery.attempt),
      moment(delivery.nextAttemptAt, now, call.timeFormat),
      moment(delivery.createdAt, now, call.timeFormat),
      some(delivery.reason ?? delivery.code),
    ]),
  )
  call.out.note(deliveries.length === 0 ? 'none' : `${deliveries.length} shown`)
}

export function attemptTable(attempts: readonly WebhookAttemptRecord[], call: Invocation): void {
  call.out.table(
    ['DELIVERY', 'TASK', 'SEQ', 'ATTEMPT', 'OUTCOME', 'STATUS', 'MS', 'AT', 'REASON'],
    attempts.map(({ delivery, task, sequence, attempt, outcome, status, durationMs, at, reason, code }) => [
      delivery,
      some(task),
      some(sequence),
      some(attempt),
      stateCell(outcome),
      some(status),
      some(durationMs),
      moment(at, call.clock.now(), call.timeFormat),
      some(reason ?? code),
    ]),
  )
  call.out.note(attempts.length === 0 ? 'none' : `${attempts.length} shown`)
}

export function keyTable(keys: readonly KeyRecord[], call: Invocation): void {
  const at = (iso: string | null | undefined) => moment(iso, call.clock.now(), call.timeFormat)
  call.out.table(
    ['KEY', 'NAME', 'PERMITS', 'AGENTS', 'RATE', 'CREATED', 'LAST USED', 'STATE'],
    keys.map((key) => [
      key.id,
      some(key.name),
      (key.permits ?? []).join(',') || '–',
      key.agents?.join(',') ?? 'all',
      some(key.rate),
      at(key.createdAt),
      at(key.lastUsedAt),
      key.revokedAt ? { text: 'revoked', style: 'bad' } : 'active',
    ]),
  )
}

export function auditTable(notes: readonly AuditRecord[], call: Invocation): void {
  const wide = call.out.format === 'wide'
  call.out.table(
    ['NO', 'AT', 'ACTOR', 'ACTION', 'SUBJECT', ...(wide ? ['DETAIL', 'HASH'] : [])],
    notes.map(({ sequence, at, actor, action, subject, detail, hash }) => [
      some(sequence),
      moment(at, call.clock.now(), call.timeFormat),
      some(actor),
      some(action),
      some(subject),
      ...(wide ? [detail === undefined ? '–' : JSON.stringify(detail), some(hash)] : []),
    ]),
  )
}

export function signingKeyTable(keys: readonly SigningKeyRecord[], call: Invocation): void {
  const at = (iso: string | undefined) => moment(iso, call.clock.now(), call.timeFormat)
  call.out.table(
    ['SIGNING KEY', 'STATE', 'SIGNS FROM', 'PUBLISHED UNTIL'],
    keys.map(({ id, state, signsFrom, publishedUntil }) => [id, some(state), at(signsFrom), at(publishedUntil)]),
  )
}

/** A record that has no table of its own: every member that has a value, `camelCase` as `Camel case`. */
export function recordFields(record: unknown, call: Invocation): void {
  for (const [name, value] of Object.entries((record ?? {}) as Record<string, unknown>)) {
    if (value === null || value === undefined) continue
    const spaced = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    const label = spaced.charAt(0).toUpperCase() + spaced.slice(1)
    const at = name.endsWith('At') && typeof value === 'string'
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
    call.out.fields([
      [at ? label.replace(/ at$/, '') : label, at ? moment(text, call.clock.now(), call.timeFormat) : text],
    ])
  }
}
