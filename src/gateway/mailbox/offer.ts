/**
 * From what was leased to what is handed out: the task is told that it is being worked on, under the lease; what must not
 * be handed out any more (its task has ended, its caller cancels it, its attempts are spent) ends here instead.
 */
import { isTerminal, type Message, type Task } from '../../a2a/tasks.ts'
import { type MailKind, mailKindOf } from '../../delivery.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Collected } from '../../store/collect.ts'
import { boundHeld } from '../../store/deadLetters.ts'
import { holderOf } from '../../store/dealing.ts'
import { loadMessages, type MessageLoad } from '../../store/deliveries.ts'
import { readManyEvents } from '../../store/events.ts'
import { giveBackMail } from '../../store/mailbox.ts'
import { stateOf } from '../../store/tasks.ts'
import type { Agent } from '../agents/agent.ts'
import { EXTENSION_URI, gatewayStatus, ownMetadata } from '../tasks/facts.ts'
import type { TaskEvent, TaskRecord } from '../tasks/record.ts'
import { readRequest } from '../tasks/request.ts'
import { foldLog } from '../tasks/view.ts'
import { LEVELS } from '../tasks/wishes.ts'
import { openArtifacts } from './chunks.ts'
import { resultOf } from './results.ts'
import { CHANNEL_LANE } from './shared.ts'
import { leaseText, type MailboxTools, textOf } from './tools.ts'

/** A piece of work as its agent gets it; small on purpose. `message` and `task` are the A2A objects. */
export interface Offer {
  readonly lease: string
  readonly delivery: string
  readonly attempt: number
  /** When the lease ends, ISO 8601. */
  readonly expires: string
  /** When the task must be finished; null: none. */
  readonly deadline: string | null
  /** The text parts, joined by line ends. */
  readonly text: string
  /** The caller that sent it. */
  readonly from: string
  readonly kind: MailKind
  readonly labels: readonly string[]
  readonly priority: string
  readonly skill: string | null
  readonly message: Message
  readonly task: Task
  readonly checkpoint: unknown
  /** How much waits behind it, counted up to 1,000. */
  readonly more: number
  readonly reclaimed?: true
}

const iso = (ms: number): string => new Date(ms).toISOString()

interface LogRow {
  readonly taskId: string
  readonly kind: number
  readonly body: string
  readonly history: string | null
}

/** What of this can be handed out; the rest has been ended. `reclaimed`: the attempt goes on, nothing new is told. */
export async function offer(
  collected: readonly Collected[],
  agent: Agent,
  reclaimed: boolean,
  tools: MailboxTools,
): Promise<Offer[]> {
  if (collected.length === 0) return []
  const ids = [...new Set(collected.map(({ taskId }) => taskId))]
  const [loads, rows] = await Promise.all([
    loadMessages(tools.db, collected),
    readManyEvents(tools.db, agent.tenant, ids, true),
  ])
  const offers = await Promise.all(
    collected.map((one) => {
      const load = loads.find(({ taskId, seq }) => taskId === one.taskId && seq === one.seq)
      const log = rows.filter(({ taskId }) => taskId === one.taskId)
      return load ? offerOne({ one, load, log, agent, reclaimed }, tools) : undefined
    }),
  )
  return offers.filter((made) => made !== undefined)
}

interface Leasing {
  readonly one: Collected
  readonly load: MessageLoad
  readonly log: readonly LogRow[]
  readonly agent: Agent
  readonly reclaimed: boolean
}

async function offerOne(leasing: Leasing, tools: MailboxTools): Promise<Offer | undefined> {
  const { one, load, agent, reclaimed } = leasing
  const { maxAttempts } = agent.policy
  if (one.kind === 'result') {
    const result = await resultOf(one, load, foldLog(leasing.log) as Task | undefined, agent, tools)
    return result && { ...show(leasing, leasing.log, result.message), ...result, skill: null }
  }
  if (isTerminal(stateOf(load.state))) return end(leasing, tools, {})
  if (!reclaimed && isShared(one) && !(await isForThis(leasing, tools))) return passBy(leasing, tools)
  if (!reclaimed && !(await mayStill(leasing, tools)))
    return end(leasing, tools, {
      state: 'TASK_STATE_REJECTED',
      code: 'NOT_ALLOWED',
      text: 'not taken from this sender',
    })
  if (one.cancelWanted && !reclaimed)
    return end(leasing, tools, { state: 'TASK_STATE_CANCELED', code: 'CANCELED', text: 'canceled by its caller' })
  if (one.attempt > maxAttempts) {
    const text = `${one.reason ?? 'whoever held it fell silent'}, ${one.attempt - 1} of ${maxAttempts} attempts`
    return end(leasing, tools, { state: 'TASK_STATE_FAILED', code: 'DELIVERY_ATTEMPTS_EXHAUSTED', text })
  }
  if (reclaimed) return { ...show(leasing, leasing.log), reclaimed: true }
  const events = begin(leasing, tools.now())
  const written = await tools.record({ ...changeOf(leasing), events })
  if (written.kind === 'final') return end(leasing, tools, {})
  if (written.kind === 'lease lost') return undefined
  const added = events.map(({ event }) => ({
    taskId: one.taskId,
    kind: 'artifactUpdate' in event ? 2 : 1,
    body: JSON.stringify(event),
    history: null,
  }))
  return show(leasing, [...leasing.log, ...added])
}

const isShared = ({ destination }: Collected): boolean => destination.startsWith(CHANNEL_LANE)

/** Of what members of a channel share: not what this one takes from nobody or from not that sender, nor what goes on at another. */
async function isForThis({ one, load, agent }: Leasing, { contacts, db }: MailboxTools): Promise<boolean> {
  if (one.id !== one.taskId && (await holderOf(db, agent.tenant, one.taskId))) return false
  return (await contacts.takesPost([agent], load.caller)).length > 0
}

/** For the others; not at once, or the same member would take it again. */
async function passBy({ one, agent }: Leasing, { db }: MailboxTools): Promise<undefined> {
  const key = { tenant: agent.tenant, destination: one.destination, id: one.id, lease: one.lease }
  const reason = 'this member does not take it'
  await giveBackMail(db, key, { waitMs: PASSED_MS, counts: false, code: 'NOT_TAKEN', reason, receipt: null })
  return undefined
}
const PASSED_MS = 3_000

/** Its sender's right, looked at once more. */
function mayStill({ one, load, log, agent }: Leasing, { contacts }: MailboxTools): Promise<boolean> {
  if (isShared(one)) return Promise.resolve(true)
  const allowedAs = () => ownMetadata((foldLog(log) as Task | undefined)?.metadata).allowedAs
  return contacts.mayStill(agent, load.caller, mailKindOf(one.mailKind), allowedAs)
}

const changeOf = ({ one, load, agent }: Leasing): Omit<TaskRecord, 'events'> => ({
  tenant: one.tenant,
  taskId: one.taskId,
  agent: agent.name,
  acceptedAt: load.createdAt,
  under: { deliveryId: one.id, lease: one.lease },
})

/** Why it is here again, for its caller. */
const AGAIN: Readonly<Record<string, string>> = {
  LEASE_LOST: 'worker lost',
  RELEASED: 'given back',
  NOT_TAKEN: 'given back',
  REPLAYED: 'replayed by an operator',
}

/** WORKING; and what a lost attempt had begun and not finished is withdrawn. */
function begin({ one, load, log, agent }: Leasing, at: Date): TaskEvent[] {
  const ids = { taskId: one.taskId, contextId: load.contextId }
  const state = 'TASK_STATE_WORKING' as const
  const metadata = { [EXTENSION_URI]: { attempt: one.attempt } }
  const event = (status: ReturnType<typeof gatewayStatus>) => ({
    event: { statusUpdate: { ...ids, status, metadata } },
  })
  if (one.code === null) return [event({ state, timestamp: at.toISOString() })]
  const why = AGAIN[one.code] ?? one.reason ?? 'failed'
  const text = `${why}; queued again, attempt ${one.attempt} of ${agent.policy.maxAttempts}`
  const withdrawn = openArtifacts(log).map((artifactId): TaskEvent => {
    const artifact = { artifactId, parts: [{ text: '' }] }
    const mark = { [EXTENSION_URI]: { withdrawn: true } }
    return { event: { artifactUpdate: { ...ids, artifact, append: false, lastChunk: true, metadata: mark } } }
  })
  return [...withdrawn, event(gatewayStatus(state, { code: one.code, text }, at, ids))]
}

interface Ending {
  readonly state?: 'TASK_STATE_CANCELED' | 'TASK_STATE_FAILED' | 'TASK_STATE_REJECTED'
  readonly code?: string
  readonly text?: string
}

/** Not handed out: its task ends with it, or has ended before. */
async function end(leasing: Leasing, tools: MailboxTools, { state, code, text }: Ending): Promise<undefined> {
  const { one, load } = leasing
  const ids = { taskId: one.taskId, contextId: load.contextId }
  const dead = state === 'TASK_STATE_FAILED'
  const why = { code: code ?? 'TASK_ENDED', text: text ?? 'the task had ended' }
  const isHeld = dead && leasing.agent.policy.deadLetter === 'hold'
  if (isHeld) await boundHeld(tools.db, one.tenant, one.id)
  const events: TaskEvent[] =
    state && !isHeld
      ? [{ event: { statusUpdate: { ...ids, status: gatewayStatus(state, why, tools.now(), ids) } } }]
      : []
  const settle = { state: dead ? ('dead' as const) : ('void' as const), code: why.code, reason: why.text }
  const written = await tools.record({ ...changeOf(leasing), events, settle })
  if (dead && written.kind === 'appended') {
    const { id: delivery, destination, kind } = one
    tools.signals.emit('delivery.dead', {
      delivery,
      task: one.taskId,
      destination,
      kind,
      code: why.code,
      reason: why.text,
    })
  }
  return undefined
}

function show({ one, load }: Leasing, log: readonly LogRow[], message = messageOf(load)): Offer {
  const task = foldLog(log) as Task
  const { skill } = skillOf(message, load.request)
  return {
    lease: leaseText(one.id, one.lease, one.destination),
    delivery: one.id,
    attempt: one.attempt,
    expires: iso(one.leasedUntil),
    deadline: load.deadline === null ? null : iso(load.deadline),
    text: textOf(message.parts),
    from: load.caller,
    kind: mailKindOf(one.mailKind),
    labels: one.labels ?? [],
    priority: LEVELS[one.priority] ?? 'low',
    skill,
    message,
    task: task ?? { id: one.taskId, contextId: load.contextId, status: { state: 'TASK_STATE_WORKING' } },
    checkpoint: one.checkpoint === null ? null : JSON.parse(one.checkpoint),
    more: 0,
  }
}

/** The message of a delivery, from the event that it was owed with. */
export function messageOf({ body, history }: { body: string; history: string | null }): Message {
  if (history) return (JSON.parse(history) as Message[])[0] as Message
  const { task } = JSON.parse(body) as { task: Task }
  return task.history?.[0] ?? { messageId: uuidv7(), role: 'ROLE_USER', parts: [] }
}

/** As the sender named it; what stands with the message goes before what stands with the request. */
export function skillOf(message: Message, request: string | null): { skill: string | null } {
  const asked = { ...ownMetadata(readRequest(request).metadata), ...ownMetadata(message.metadata) }
  return { skill: typeof asked.skill === 'string' ? asked.skill : null }
}
