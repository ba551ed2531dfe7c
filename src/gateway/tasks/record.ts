/**
 * The one door through which a task changes after it was opened. Whoever has something to record (the forwarder, an
 * agent that collects, a sweep, a cancel) brings events; they are numbered, written, owed to webhooks and shown to
 * followers here, and the delivery under whose lease they came is settled with them.
 */
import type { StreamResponse } from '../../a2a/events.ts'
import { isTerminal, type Message, type TaskState } from '../../a2a/tasks.ts'
import type { DeliveryState } from '../../delivery.ts'
import type { HappeningSignals } from '../../happenings.ts'
import type { Clock } from '../../platform/clock.ts'
import { failpoint } from '../../platform/failpoints.ts'
import type { StreamEntry } from '../../ports.ts'
import type { Batch } from '../../store/batch.ts'
import type { Db } from '../../store/db.ts'
import { deliveryState } from '../../store/deliveries.ts'
import type { Appended, NewEvent, TaskChange } from '../../store/events.ts'
import { stateNumber } from '../../store/tasks.ts'
import { stateIn, toEntry } from './entries.ts'
import { writeSurely } from './settleUnknown.ts'

/** One event to record, canonical, with our ids. */
export interface TaskEvent {
  readonly event: Extract<StreamResponse, { statusUpdate: unknown } | { artifactUpdate: unknown }>
  /** Messages that go into the task's history with it. */
  readonly history?: readonly Message[]
}

export interface TaskRecord {
  readonly tenant: string
  readonly taskId: string
  readonly agent: string
  /** When the task was accepted, milliseconds since 1970: for the time it took. */
  readonly acceptedAt: number
  readonly events: readonly TaskEvent[]
  /** The delivery under whose lease this comes; undefined: nobody's (a sweep, a cancel). */
  readonly under?: { deliveryId: string; lease: string }
  /** What becomes of that delivery; undefined: it stays leased. */
  readonly settle?: { state: DeliveryState; code?: string; reason?: string; receipt?: string }
  /** Write only if the log ends with this event; if it has gone on, nothing is written and the answer is `final`. */
  readonly expectedSeq?: number
  /** The last sequence that the writer knows: then an outcome that the database did not tell can be found out, and is. */
  readonly after?: number
  readonly upstreamTask?: string
  readonly upstreamContext?: string
}

export type Recorded = Appended
export type Record = (change: TaskRecord) => Promise<Recorded>

export interface RecordTools {
  readonly db: Db
  readonly clock: Clock
  readonly append: Batch<TaskChange, Appended>
  readonly now: () => Date
  readonly signals: HappeningSignals
  readonly publish: (tenant: string, taskId: string, entries: readonly StreamEntry[]) => void
}

export function createRecord({ db, clock, append, now, signals, publish }: RecordTools): Record {
  return async (change) => {
    const bodies = change.events.map(({ event }) => JSON.stringify(event))
    const row = toChange(change, bodies, now())
    const write = () => append.submit(row)
    const { tenant, taskId, after } = change
    const written =
      after === undefined || bodies.length === 0
        ? await write()
        : await writeSurely({ db, clock }, { tenant, taskId, after, bodies, write })
    if (written.kind !== 'appended') return written
    failpoint('record.wake')
    const first = written.lastSeq - change.events.length + 1
    const entries = change.events.map(({ event }, at) => {
      const state = stateIn(event)
      return toEntry({ sequence: first + at, json: bodies[at] as string, event, ...(state && { state }) })
    })
    if (entries.length > 0) {
      publish(change.tenant, change.taskId, entries)
      tell(change, written.lastSeq, now(), signals)
    }
    return written
  }
}

/** The last status that the events set; an artifact sets none. */
function lastState(events: readonly TaskEvent[]): TaskState | undefined {
  for (let at = events.length - 1; at >= 0; at--) {
    const state = stateIn((events[at] as TaskEvent).event)
    if (state) return state
  }
  return undefined
}

function toChange(change: TaskRecord, bodies: readonly string[], at: Date): TaskChange {
  const state = lastState(change.events)
  return {
    tenant: change.tenant,
    taskId: change.taskId,
    deliveryId: change.under?.deliveryId ?? null,
    lease: change.under?.lease ?? null,
    events: change.events.map(
      ({ event, history }, index): NewEvent => ({
        kind: 'artifactUpdate' in event ? 2 : 1,
        body: bodies[index] as string,
        history: history && history.length > 0 ? JSON.stringify(history) : null,
      }),
    ),
    state: state ? stateNumber(state) : null,
    statusAt: state ? at.toISOString() : null,
    upstreamTask: change.upstreamTask ?? null,
    upstreamContext: change.upstreamContext ?? null,
    settle: change.settle ? deliveryState(change.settle.state) : null,
    code: change.settle?.code ?? null,
    reason: change.settle?.reason ?? null,
    expectedSeq: change.expectedSeq,
    receipt: change.settle?.receipt,
  }
}

function tell(change: TaskRecord, sequence: number, at: Date, signals: HappeningSignals): void {
  const state = lastState(change.events)
  const { tenant, taskId, agent } = change
  signals.emit('task.recorded', {
    task: taskId,
    tenant,
    agent,
    sequence,
    state: state ?? 'TASK_STATE_UNSPECIFIED',
    events: change.events.length,
  })
  if (state && isTerminal(state)) {
    signals.emit('task.finished', {
      task: taskId,
      tenant,
      agent,
      state,
      ms: Math.max(0, at.getTime() - change.acceptedAt),
    })
  }
}
