/** What the holder of a lease says while it works: that it is alive, how far it is, a piece of the result. */
import { A2AError } from '../../a2a/errors.ts'
import type { Metadata, Part } from '../../a2a/parts.ts'
import type { Artifact, Message } from '../../a2a/tasks.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { taskBytes } from '../../store/inbox.ts'
import {
  findHeld,
  type Held,
  type LeaseKey,
  pendingMail,
  type Renewal,
  renewMail,
  takeUpMail,
} from '../../store/mailbox.ts'
import type { Agent } from '../agents/agent.ts'
import { EXTENSION_URI } from '../tasks/facts.ts'
import type { TaskEvent, TaskRecord } from '../tasks/record.ts'
import { isForTasks } from './results.ts'
import { leaseText, type MailboxTools } from './tools.ts'

/** Its sender said more to the same task. */
export interface NewMessage {
  readonly delivery: string
  readonly message: Message
}

/** `unknown`: no lease of this agent. `lost`: another has it, or the task has ended: nothing was written. */
export type Refused = { kind: 'unknown' } | { kind: 'lost'; reason: string }
export interface Alive {
  readonly kind: 'alive'
  readonly answer: {
    readonly lease: string
    readonly expires: string
    readonly deadline: string | null
    /** Its caller wants to cancel: `release` agrees. */
    readonly cancelRequested: boolean
    /** Name them in `take` when they have been read, or in `ignore` of `complete`. */
    readonly newMessages: readonly NewMessage[]
  }
}

/** One artifact, or a chunk of one. */
export interface ReportedArtifact {
  readonly artifactId?: string | undefined
  readonly name?: string | undefined
  readonly description?: string | undefined
  readonly text?: string | undefined
  readonly parts?: readonly Part[] | undefined
  readonly metadata?: Metadata | undefined
}

export interface Renew {
  readonly leaseSeconds?: number | undefined
  /** Further messages that it has read: by messageId or delivery. */
  readonly take?: readonly string[] | undefined
}
export interface Update extends Renew {
  readonly text?: string | undefined
  readonly parts?: readonly Part[] | undefined
  readonly artifact?: ReportedArtifact | undefined
  readonly append?: boolean | undefined
  readonly lastChunk?: boolean | undefined
  /** Per cent. */
  readonly progress?: number | undefined
  /** For the next attempt, if this one is lost. */
  readonly checkpoint?: unknown
}

/** The artifact of whoever names none. */
const RESULT = 'result'

export const artifactOf = (reported: ReportedArtifact): Artifact => {
  const { artifactId = RESULT, name, description, text, parts = [], metadata } = reported
  return {
    artifactId,
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    parts: [...(text === undefined ? [] : [{ text }]), ...parts],
    ...(metadata && { metadata }),
  }
}

/** What an agent says in a status; undefined: nothing. */
export function saidBy(
  { text, parts = [] }: { text?: string | undefined; parts?: readonly Part[] | undefined },
  ids: { taskId: string; contextId: string },
): Message | undefined {
  const said = [...(text === undefined ? [] : [{ text }]), ...parts]
  if (said.length === 0) return undefined
  return { messageId: uuidv7(), role: 'ROLE_AGENT', ...ids, parts: said }
}

export const idsOf = ({ taskId, contextId }: Held) => ({ taskId, contextId })

/** The task of a lease, to be changed under it. */
export const changeUnder = (key: LeaseKey, held: Held): Omit<TaskRecord, 'events'> => ({
  tenant: key.tenant,
  taskId: held.taskId,
  agent: held.agent,
  acceptedAt: held.acceptedAt,
  under: { deliveryId: key.id, lease: key.lease },
})

export const LOST: Refused = {
  kind: 'lost',
  reason: 'the lease has ended: another attempt has it, or the task has ended',
}

/** Whether this lease is the one that counts now. */
export const holds = (key: LeaseKey, held: Held): boolean => held.state === 1 && held.lease === key.lease

/** What its sender has said since and nobody has taken up. */
export async function newMessages(key: LeaseKey, taskId: string, tools: MailboxTools): Promise<NewMessage[]> {
  const rows = await pendingMail(tools.db, key, taskId, tools.limits.newMessagesMax)
  return rows.map(({ delivery, history }) => ({ delivery, message: (JSON.parse(history) as Message[])[0] as Message }))
}

/** Whether one of these names means this message. */
export const isNamed = (names: readonly string[], { delivery, message }: NewMessage): boolean =>
  names.includes(delivery) || names.includes(message.messageId)

export async function renew(
  agent: Agent,
  key: LeaseKey,
  { leaseSeconds, take = [] }: Renew,
  tools: MailboxTools,
  reported: Pick<Renewal, 'touched' | 'checkpoint'> = { touched: false, checkpoint: null },
): Promise<Alive | Refused> {
  const renewal = { leaseSeconds, defaultSeconds: agent.policy.leaseSeconds, ...reported }
  const renewed = await renewMail(tools.db, key, renewal)
  if (!renewed) return (await findHeld(tools.db, key)) ? LOST : { kind: 'unknown' }
  const pending = renewed.pending > 0 ? await newMessages(key, renewed.taskId, tools) : []
  const taken = pending.filter((one) => isNamed(take, one))
  if (taken.length > 0) {
    const deliveries = taken.map(({ delivery }) => delivery)
    await takeUpMail(tools.db, key, renewed.taskId, deliveries)
  }
  const { leasedUntil, deadline, cancelWanted } = renewed
  return {
    kind: 'alive',
    answer: {
      lease: leaseText(key.id, key.lease, key.destination),
      expires: new Date(leasedUntil).toISOString(),
      deadline: deadline === null ? null : new Date(deadline).toISOString(),
      cancelRequested: cancelWanted,
      newMessages: pending.filter((one) => !taken.includes(one)),
    },
  }
}

export async function update(agent: Agent, key: LeaseKey, said: Update, tools: MailboxTools): Promise<Alive | Refused> {
  const checkpoint = said.checkpoint === undefined ? null : JSON.stringify(said.checkpoint)
  if (checkpoint !== null && Buffer.byteLength(checkpoint) > tools.limits.checkpointBytesMax)
    throw new A2AError('PAYLOAD_TOO_LARGE', `a checkpoint has at most ${tools.limits.checkpointBytesMax} bytes`)
  const held = await findHeld(tools.db, key)
  if (!held) return { kind: 'unknown' }
  if (!holds(key, held)) return LOST
  const events = eventsOf(said, held, tools.now())
  if (held.kind === 'result' && events.length > 0) throw isForTasks()
  await checkRoom(key, held, events.length, tools)
  if (events.length > 0) {
    const written = await tools.record({ ...changeUnder(key, held), events })
    if (written.kind !== 'appended') return LOST
  }
  return renew(agent, key, said, tools, { touched: true, checkpoint })
}

/** How often a task's bytes are counted, in events: a body is bounded, so it is over by this many bodies at most. */
const WEIGHED_EVERY = 16

async function checkRoom(key: LeaseKey, { taskId, lastSeq }: Held, more: number, tools: MailboxTools): Promise<void> {
  const { eventsPerTaskMax, bytesPerTaskMax } = tools.limits
  if (lastSeq + more > eventsPerTaskMax)
    throw new A2AError('PAYLOAD_TOO_LARGE', `a task has at most ${eventsPerTaskMax} events`)
  if (lastSeq % WEIGHED_EVERY >= more) return
  if ((await taskBytes(tools.db, key.tenant, taskId)) > bytesPerTaskMax)
    throw new A2AError('PAYLOAD_TOO_LARGE', `a task holds at most ${bytesPerTaskMax} bytes`)
}

function eventsOf(said: Update, held: Held, at: Date): TaskEvent[] {
  const ids = idsOf(held)
  const { artifact, append = false, lastChunk = !append, progress } = said
  const message = saidBy(said, ids)
  const events: TaskEvent[] = []
  if (artifact)
    events.push({ event: { artifactUpdate: { ...ids, artifact: artifactOf(artifact), append, lastChunk } } })
  if (message || progress !== undefined) {
    const status = { state: 'TASK_STATE_WORKING' as const, timestamp: at.toISOString(), ...(message && { message }) }
    const metadata = progress === undefined ? undefined : { [EXTENSION_URI]: { attempt: held.attempt, progress } }
    events.push({ event: { statusUpdate: { ...ids, status, ...(metadata && { metadata }) } } })
  }
  return events
}
