/** What happened to a task, in the order of time: accepted, each attempt, each change of status, each webhook. Pure. */
import type { DeliveryState } from '../../delivery.ts'
import type { LogEntry, TaskFacts } from '../../store/inspect.ts'
import { iso, present, times } from '../face.ts'

export interface Receipt {
  readonly at: string
  readonly what: 'accepted' | 'attempted' | 'delivered' | 'dead' | 'expired' | 'withdrawn' | 'status' | 'cancelAsked'
  readonly delivery?: string
  readonly kind?: string
  readonly attempt?: number
  readonly outcome?: string
  readonly status?: number
  readonly code?: string
  readonly reason?: string
  readonly sequence?: number
}

const SETTLED = { done: 'delivered', dead: 'dead', expired: 'expired', void: 'withdrawn' } as const

export function receiptsOf({ head, deliveries, attempts }: TaskFacts, timeline: readonly LogEntry[]): Receipt[] {
  const kinds = new Map(deliveries.map(({ id, kind }) => [id, kind]))
  const entries: { ms: number; receipt: Omit<Receipt, 'at'> }[] = [
    { ms: head.createdAt, receipt: { what: 'accepted', sequence: 1 } },
  ]
  for (const { sequence, at } of timeline)
    if (sequence > 1) entries.push({ ms: at, receipt: { what: 'status', sequence } })
  for (const { endedAt, deliveryId, attempt, outcome, status, code, reason } of attempts) {
    const kind = kinds.get(deliveryId)
    const told = present({ kind, status, code, reason })
    entries.push({ ms: endedAt, receipt: { what: 'attempted', delivery: deliveryId, attempt, outcome, ...told } })
  }
  for (const { id, kind, state, settledAt, attempt, code, reason, sequence } of deliveries) {
    if (settledAt === null || state === 'waiting' || state === 'leased') continue
    entries.push({
      ms: settledAt,
      receipt: { what: SETTLED[state], delivery: id, kind, attempt, sequence, ...present({ code, reason }) },
    })
  }
  if (head.cancelAt !== null) entries.push({ ms: head.cancelAt, receipt: { what: 'cancelAsked' } })
  return entries.sort((a, b) => a.ms - b.ms).map(({ ms, receipt }) => ({ at: iso(ms), ...receipt }))
}

/** Where the message is, for its sender: one time for each thing that has happened to it. */
export function summaryOf({ head, deliveries }: TaskFacts, timeline: readonly LogEntry[]) {
  const opening = deliveries.find(({ id }) => id === head.id)
  const leasedAt = timeline.find(({ works }) => works)?.at
  const ended = opening?.settledAt ?? null
  const at = (state: DeliveryState) => (opening?.state === state ? ended : null)
  return {
    recipient: head.agent,
    ...times({
      accepted: head.createdAt,
      leased: leasedAt,
      settled: at('done'),
      expired: at('expired'),
      dead: at('dead'),
    }),
  }
}
