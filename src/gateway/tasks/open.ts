/**
 * A message becomes a task, or a further message of one: with its event, its delivery and its dedupe row, in one
 * statement, before anybody is told (P1). The same key again gives the same task (D10).
 */
import { A2AError } from '../../a2a/errors.ts'
import type { SendMessageRequest } from '../../a2a/operations.ts'
import type { Metadata } from '../../a2a/parts.ts'
import type { Message, Task } from '../../a2a/tasks.ts'
import { EXTENSION_URI, HELD } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import { canonicalJson } from '../../platform/canonicalJson.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Call, StreamEntry } from '../../ports.ts'
import type { Batch } from '../../store/batch.ts'
import type { Db } from '../../store/db.ts'
import { readEvents } from '../../store/events.ts'
import type { NewTask, Opened } from '../../store/tasks.ts'
import { type PushConfigTools, sealPushConfig } from '../deliveries/pushConfigs.ts'
import { toEntry } from './entries.ts'
import { writeRequest } from './request.ts'
import { type DeliveryWishes, mailOf, wishesOf } from './wishes.ts'

/** What opening must know of the agent. */
export interface Recipient {
  readonly name: string
  readonly kind: string
  readonly destination: string
  readonly ttlSeconds: number
  /** How many messages it takes side by side. */
  readonly maxInflight: number
  readonly paused: boolean
  /** Somebody is there, and has a place free: only then a call rings. */
  readonly rings?: boolean
  readonly idempotency: 'uuid' | 'always' | 'header'
  /** `none`: the tasks of a conversation do not wait for each other. */
  readonly ordering: 'context' | 'none'
  /** Of a mailbox: how it takes this message. */
  readonly admission?: Admission
}

/** What follows from its sender's standing. */
export interface Admission {
  /** It waits for a consent. */
  readonly held: boolean
  readonly mayBeUrgent: boolean
  /** For the task's metadata; undefined: nothing is to be told. */
  readonly facts?: Readonly<Record<string, unknown>>
}

/** The level at which it waits, and what is to be told of that. */
export function admitted(
  { priority }: DeliveryWishes,
  { admission }: Recipient,
): { priority: number; metadata?: Metadata } {
  if (!admission) return { priority }
  const lowered = priority === 0 && !admission.mayBeUrgent
  const facts = { ...admission.facts, ...(lowered && { priority: 'high', priorityAsked: 'urgent' }) }
  const level = lowered ? 1 : priority
  return {
    priority: admission.held ? level + HELD : level,
    ...(Object.keys(facts).length > 0 && { metadata: { [EXTENSION_URI]: facts } }),
  }
}

/** Decides whether a fresh delivery is handed over in memory: then it is born leased. undefined: it waits to be claimed. */
export type HandOver = (recipient: Recipient, tenant: string) => { lease: string; owner: string } | undefined

export interface OpenTools extends PushConfigTools {
  readonly db: Db
  readonly open: Batch<NewTask, Opened>
  readonly handOver: HandOver
  /** Gives back a place that was promised. */
  readonly release: (tenant: string, destination: string, lease: string) => void
  /** The database's time as this process knows it. */
  readonly now: () => Date
  readonly wake: (tenant: string, destination: string, orderingKey?: string) => void
  /** The same for those who wait for it at other replicas. */
  readonly announce: (tenant: string, destination: string) => void
  /** What was committed, for those who follow. */
  readonly published: (tenant: string, taskId: string, entries: readonly StreamEntry[], owed: string | null) => void
}

/** A task as this send made or found it. */
export interface OpenedTask {
  readonly tenant: string
  readonly id: string
  readonly contextId: string
  /** The event that holds the message; waiting and streaming go on after it. */
  readonly sequence: number
  /** Another send had the same key: this is its task. */
  readonly repeated: boolean
  /** Known without reading when this send opened the task. */
  readonly task?: Task
  readonly first?: StreamEntry
  /** Undefined: it waits. */
  readonly handed?: Handed
  /** Its recipient has to agree first. */
  readonly held?: true
}

/** What is handed over in memory, born leased. */
export interface Handed {
  readonly lease: string
  readonly row: NewTask
  /** What the row's body holds as text. */
  readonly message: Message
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i

/** The idempotency key of a message, by the agent's policy; null: every send is its own. */
export function keyOf(message: Message, call: Call, policy: Recipient['idempotency']): string | null {
  if (call.idempotencyKey !== undefined) return `h:${call.idempotencyKey}`
  if (policy === 'always' || (policy === 'uuid' && UUID.test(message.messageId))) return `m:${message.messageId}`
  return null
}

export function wakeRecipient(
  { kind, destination }: Recipient,
  { tenant, orderingKey }: { tenant: string; orderingKey: string },
  tools: OpenTools,
): void {
  tools.wake(tenant, destination, orderingKey)
  if (kind === 'mailbox') tools.announce(tenant, destination)
}

/** What goes one after another: a conversation, or (at an agent that does not mind) a task. */
export const orderingKeyOf = (
  { ordering }: Recipient,
  { caller, contextId, id }: { caller: string; contextId: string; id: string },
): string => (ordering === 'none' ? `${caller}/${contextId}/${id}` : `${caller}/${contextId}`)

/** A message without a taskId: a new task. */
export async function openTask(
  params: SendMessageRequest,
  call: Call,
  recipient: Recipient,
  tools: OpenTools,
): Promise<OpenedTask> {
  const wishes = wishesOf(params)
  const { tenant } = call.caller
  const id = uuidv7()
  const contextId = params.message.contextId || uuidv7()
  const at = tools.now()
  const message: Message = { ...params.message, contextId, taskId: id }
  const { priority, metadata } = admitted(wishes, recipient)
  const task: Task = {
    id,
    contextId,
    status: { state: 'TASK_STATE_SUBMITTED', timestamp: at.toISOString() },
    history: [message],
    ...(metadata && { metadata }),
  }
  const event = { task }
  const handed = params.message.contextId || wishes.notBefore ? undefined : tools.handOver(recipient, tenant)
  const row: NewTask = {
    tenant,
    id,
    caller: call.caller.id,
    agent: recipient.name,
    contextId,
    trace: call.trace ? `${call.trace.traceparent} ${call.trace.tracestate ?? ''}`.trimEnd() : null,
    statusAt: at.toISOString(),
    deadline: wishes.deadline ?? null,
    key: keyOf(params.message, call, recipient.idempotency),
    body: JSON.stringify(event),
    request: requestOf(params, call),
    kind: recipient.kind,
    destination: recipient.destination,
    orderingKey: orderingKeyOf(recipient, { caller: call.caller.id, contextId, id }),
    priority,
    lease: handed?.lease ?? null,
    owner: handed?.owner ?? null,
    notBefore: wishes.notBefore ?? null,
    ttlSeconds: livesFor(wishes, recipient),
    config: inlineConfig(params, call, id, tools),
    home: homeOf(call, wishes),
    mail: mailOf(wishes, at),
  }
  const opened = await tools.open.submit(row).catch((error) => {
    if (handed) tools.release(tenant, recipient.destination, handed.lease)
    throw error
  })
  if (opened.kind === 'repeated') {
    if (handed) tools.release(tenant, recipient.destination, handed.lease)
    return repeated(params.message, call, opened, tools)
  }
  if (!handed) wakeRecipient(recipient, row, tools)
  const first = toEntry({ sequence: 1, json: row.body, state: task.status.state, event })
  return {
    tenant,
    id,
    contextId,
    sequence: 1,
    repeated: false,
    task,
    first,
    ...(handed && { handed: { lease: handed.lease, row, message } }),
    ...(recipient.admission?.held && { held: true as const }),
  }
}

/** A call is over when it has rung: then it is looked at what becomes of it (`mailbox/ring.ts`). */
const livesFor = (
  { kind, ringSeconds = LIMITS.ringSeconds, ttlSeconds }: DeliveryWishes,
  recipient: Recipient,
): number => (kind === 'call' ? (recipient.rings ? ringSeconds : 0) : (ttlSeconds ?? recipient.ttlSeconds))

/** Whether its caller is told in its own mailbox how it ends. An agent's token is that of one that collects, or has. */
export const homeOf = ({ caller }: Call, { notify = 'inbox' }: DeliveryWishes): number | null =>
  caller.kind !== 'agent' || notify === 'none' ? null : notify === 'wake' ? 2 : 1

export const requestOf = (params: SendMessageRequest, call: Call): string | null =>
  writeRequest({
    ...(params.configuration?.acceptedOutputModes && { acceptedOutputModes: params.configuration.acceptedOutputModes }),
    ...(params.metadata && { metadata: params.metadata }),
    extensions: call.extensions,
  })

export function inlineConfig(
  { configuration }: SendMessageRequest,
  call: Call,
  taskId: string,
  tools: PushConfigTools,
): string | null {
  const config = configuration?.taskPushNotificationConfig
  if (!config) return null
  const place = { tenant: call.caller.tenant, taskId, version: call.version }
  return JSON.stringify(sealPushConfig({ ...config, id: config.id || taskId }, place, tools))
}

/** The key was used before: the same content gives the same task, another content is a mistake that must be seen (P3). */
export async function repeated(
  message: Message,
  call: Call,
  found: { taskId: string; seq: number },
  { db }: OpenTools,
): Promise<OpenedTask> {
  const { tenant } = call.caller
  const [row] = await readEvents(db, tenant, found.taskId, found.seq - 1, 1)
  if (!row) throw new A2AError('UNAVAILABLE', 'its task has just been removed; send it again', { retryAfterSeconds: 1 })
  const stored = storedMessage(row.body, row.history)
  if (!stored || !sameMessage(stored, message, call)) {
    throw new A2AError(
      'MESSAGE_ID_REUSED',
      'this messageId (or Idempotency-Key) was used before with another content; use a new one',
      {
        violations: [{ field: 'message.messageId', description: 'already used with another content' }],
      },
    )
  }
  return { tenant, id: found.taskId, contextId: stored.contextId ?? '', sequence: found.seq, repeated: true }
}

function storedMessage(body: string, history: string | null): Message | undefined {
  if (history) return (JSON.parse(history) as Message[])[0]
  const event = JSON.parse(body) as { task?: Task }
  return event.task?.history?.[0]
}

/** Ids that the first send did not name were filled in by us; a key in the header leaves the messageId free. */
function sameMessage(stored: Message, sent: Message, call: Call): boolean {
  const { contextId, taskId, messageId, ...kept } = stored
  const known: Message = {
    ...kept,
    messageId: call.idempotencyKey === undefined ? messageId : sent.messageId,
    ...(sent.contextId && { contextId }),
    ...(sent.taskId && { taskId }),
  }
  const { contextId: c, taskId: t, ...rest } = sent
  const asked: Message = { ...rest, ...(c && { contextId: c }), ...(t && { taskId: t }) }
  return canonicalJson(clean(known)) === canonicalJson(clean(asked))
}

/** Members that are undefined are no members. */
const clean = (message: Message): unknown => JSON.parse(JSON.stringify(message))
