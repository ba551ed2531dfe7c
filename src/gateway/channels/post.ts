/**
 * A post: one send, one parent task, and for each member a task of its own with its delivery, committed together. The
 * sender is the client of each of them, in one and the same context: what a member asks, the sender can answer there.
 */
import { A2AError } from '../../a2a/errors.ts'
import type { SendMessageRequest } from '../../a2a/operations.ts'
import type { Message, Task } from '../../a2a/tasks.ts'
import { EXTENSION_URI, mailKind } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Call } from '../../ports.ts'
import { listMembers } from '../../store/channelMembers.ts'
import { type ChannelRow, findChannel } from '../../store/channels.ts'
import { type NewChild, type NewEvent, openFanOut } from '../../store/fanOut.ts'
import { findSubmission, stateNumber } from '../../store/tasks.ts'
import { type Agent, destinationOf } from '../agents/agent.ts'
import { gatewayStatus, ownMetadata } from '../tasks/facts.ts'
import { homeOf, inlineConfig, keyOf, type OpenedTask, type OpenTools, repeated, requestOf } from '../tasks/open.ts'
import { type DeliveryWishes, wishesOf } from '../tasks/wishes.ts'
import { agentOf, channelAddress, channelIn, noChannel } from './channel.ts'
import { type PostFilter, wants } from './filter.ts'

export interface PostTools extends OpenTools {
  /** Agents by name, of one tenant. */
  readonly agentsNamed: (tenant: string, names: readonly string[]) => Promise<readonly Agent[]>
  /** Of these members, those that take it from this caller. */
  readonly takesPost: (members: readonly Agent[], caller: string) => Promise<readonly Agent[]>
  /** Members that get nothing of it. */
  readonly without?: ReadonlySet<string>
  /** These are waited for from now on. */
  readonly opened: (parentId: string, children: readonly string[]) => void
}

/** Who it is from; default: the caller, proved. */
export interface Sender {
  readonly name: string
  readonly verified: boolean
}

/** The roster may change under a post; so often it is read anew. */
const TRIES = 8

export async function post(
  params: SendMessageRequest,
  call: Call,
  tools: PostTools,
  sender: Sender = { name: agentOf(call.caller) ?? call.caller.id, verified: true },
): Promise<OpenedTask> {
  const name = channelIn(call.agent) ?? ''
  if (params.message.taskId)
    throw new A2AError(
      'UNSUPPORTED_OPERATION',
      'a post takes no further messages: answer a member in its own task, or post again in the same context',
    )
  const wishes = wishesOf(params)
  const contextId = params.message.contextId || uuidv7()
  for (let tries = 0; tries < TRIES; tries++) {
    const row = await findChannel(tools.db, call.caller.tenant, name)
    if (!row) throw noChannel(name)
    const opened = await tryPost({ params, call, row, wishes, contextId, sender }, tools)
    if (opened) return opened
  }
  throw new A2AError('UNAVAILABLE', 'members come and go too fast; post it again', { retryAfterSeconds: 1 })
}

interface Posting {
  readonly params: SendMessageRequest
  readonly call: Call
  readonly row: ChannelRow
  readonly wishes: DeliveryWishes
  readonly contextId: string
  readonly sender: Sender
}

/** undefined: the roster has changed meanwhile. */
async function tryPost(posting: Posting, tools: PostTools): Promise<OpenedTask | undefined> {
  const { params, call, row, wishes, contextId, sender } = posting
  const { tenant, id: caller } = call.caller
  const id = uuidv7()
  const at = tools.now()
  const children = await recipientsOf(posting, tools)
  const placeholder = uuidv7()
  const message: Message = { ...params.message, contextId, taskId: id }
  const childBody = childTask(posting, { parent: id, id: placeholder }, at)
  const bytes = Buffer.byteLength(childBody)
  if (bytes * children.length > LIMITS.fanOutBytesMax)
    throw new A2AError(
      'PAYLOAD_TOO_LARGE',
      `a message to ${children.length} members has at most ${Math.floor(LIMITS.fanOutBytesMax / children.length)} bytes`,
    )
  checkRoom(row, bytes)
  const { events, state } = parentEvents({ id, contextId, message }, row, children, at)
  const key = keyOf(params.message, call, 'uuid')
  const config = inlineConfig(params, call, id, tools)
  const ordering = `${caller}/${contextId}`
  const written = await openFanOut(tools.db, {
    tenant,
    post: { channel: row.name, roster: row.roster, sender: sender.name, verified: sender.verified, bytes },
    ...{ id, caller, agent: channelAddress(row.name), contextId, key, config, state, events },
    trace: call.trace ? `${call.trace.traceparent} ${call.trace.tracestate ?? ''}`.trimEnd() : null,
    statusAt: at.toISOString(),
    deadline: parentDeadline(row, wishes, at),
    request: requestOf(params, call),
    ...{ rule: row.rule, needed: row.needed, children, childBody, placeholder },
    childDeadline: wishes.deadline ?? null,
    priority: wishes.priority,
    notBefore: wishes.notBefore ?? null,
    orderingKey: ordering,
    mailKind: mailKind('post'),
    labels: wishes.labels ?? null,
    home: row.rule === 'none' ? null : homeOf(call, wishes),
    webhookAgeSeconds: LIMITS.webhookAgeMaxMs / 1000,
  })
  if (written.kind === 'stale') return undefined
  if (written.kind === 'repeated') return again(posting, key, tools)
  tools.opened(id, row.rule === 'none' ? [] : children.map((child) => child.id))
  for (const { kind, destination } of children) {
    tools.wake(tenant, destination, ordering)
    if (kind === 'mailbox') tools.announce(tenant, destination)
  }
  if (config) tools.wake(tenant, (JSON.parse(config) as { destination: string }).destination)
  return { tenant, id, contextId, sequence: 1, repeated: false }
}

async function again({ params, call }: Posting, key: string | null, tools: PostTools): Promise<OpenedTask> {
  const { tenant, id: caller } = call.caller
  const found = key === null ? undefined : await findSubmission(tools.db, { tenant, caller, agent: call.agent, key })
  if (!found) throw new A2AError('UNAVAILABLE', 'post it again', { retryAfterSeconds: 1 })
  return repeated(params.message, call, found, tools)
}

function checkRoom({ name, bytes, bytesMax }: ChannelRow, more: number): void {
  if (bytesMax !== null && bytes + more > bytesMax)
    throw new A2AError('QUEUE_FULL', `#${name} holds at most ${bytesMax} bytes`)
}

/** The members that want it and take it from its sender, without the sender. Whose agent is gone gets nothing. */
async function recipientsOf({ params, call, row, wishes }: Posting, tools: PostTools): Promise<NewChild[]> {
  const { tenant, id: caller } = call.caller
  const posted = { caller, message: params.message, ...wishes }
  const members = (await listMembers(tools.db, tenant, row.name, LIMITS.channelMembersMax)).filter(
    ({ member, agent, filter }) =>
      agent &&
      destinationOf(member) !== caller &&
      !tools.without?.has(member) &&
      wants(filter === null ? undefined : (JSON.parse(filter) as PostFilter), posted),
  )
  if (members.length === 0) return []
  const agents = await tools.agentsNamed(
    tenant,
    members.map(({ member }) => member),
  )
  const outcome = row.rule === 'none' ? 'aside' : null
  return (await tools.takesPost(agents, caller)).map(({ name: member, connector, destination, policy }) => ({
    id: uuidv7(),
    member,
    kind: connector.kind,
    destination,
    ttlSeconds: wishes.ttlSeconds ?? policy.ttlSeconds,
    outcome,
  }))
}

/** What a member gets: the message, and where it comes from. */
export function postedMessage(message: Message, channel: string, parent: string): Message {
  const own = { ...ownMetadata(message.metadata), kind: 'post', channel: channelAddress(channel), post: parent }
  return { ...message, metadata: { ...message.metadata, [EXTENSION_URI]: own } }
}

function childTask({ params, row, contextId }: Posting, ids: { parent: string; id: string }, at: Date): string {
  const message = { ...postedMessage(params.message, row.name, ids.parent), contextId, taskId: ids.id }
  const status = { state: 'TASK_STATE_SUBMITTED', timestamp: at.toISOString() }
  return JSON.stringify({ task: { id: ids.id, contextId, status, history: [message] } })
}

function parentDeadline({ rule, collectSeconds }: ChannelRow, { deadline }: DeliveryWishes, at: Date): string | null {
  if (rule === 'none') return null
  const longest = new Date(at.getTime() + (collectSeconds ?? LIMITS.ttlSeconds) * 1_000).toISOString()
  return deadline !== undefined && Date.parse(deadline) < Date.parse(longest) ? deadline : longest
}

/** How many answers it takes. */
export const neededOf = ({ rule, needed }: { rule: string; needed: number }, members: number): number =>
  rule === 'first' ? 1 : rule === 'quorum' ? needed : members

function parentEvents(
  { id, contextId, message }: { id: string; contextId: string; message: Message },
  row: ChannelRow,
  children: readonly NewChild[],
  at: Date,
): { events: NewEvent[]; state: number } {
  const ids = { taskId: id, contextId }
  const timestamp = at.toISOString()
  const collects = row.rule !== 'none'
  const possible = !collects || (children.length > 0 && neededOf(row, children.length) <= children.length)
  const first = collects && possible ? ('TASK_STATE_WORKING' as const) : ('TASK_STATE_SUBMITTED' as const)
  const task: Task = { id, contextId, status: { state: first, timestamp }, history: [message] }
  const opening: NewEvent = { kind: 0, body: JSON.stringify({ task }) }
  if (collects && possible) return { events: [opening], state: stateNumber(first) }
  if (collects) {
    const text = `${children.length} members got it, and the rule is ${row.rule === 'quorum' ? `a quorum of ${row.needed}` : row.rule}`
    const status = gatewayStatus('TASK_STATE_FAILED', { code: 'RULE_UNMET', text }, at, ids)
    return {
      events: [opening, { kind: 1, body: JSON.stringify({ statusUpdate: { ...ids, status } }) }],
      state: stateNumber('TASK_STATE_FAILED'),
    }
  }
  const artifact = reportOf(row, children)
  const status = { state: 'TASK_STATE_COMPLETED', timestamp }
  const report = { artifactUpdate: { ...ids, artifact, append: false, lastChunk: true } }
  return {
    events: [
      opening,
      { kind: 2, body: JSON.stringify(report) },
      { kind: 1, body: JSON.stringify({ statusUpdate: { ...ids, status } }) },
    ],
    state: stateNumber('TASK_STATE_COMPLETED'),
  }
}

/** To whom it went; how far each one is, `GET /v1/tasks/{id}/receipts` tells. */
const reportOf = (row: ChannelRow, children: readonly NewChild[]) => ({
  artifactId: 'delivery-report',
  name: 'delivery-report',
  parts: [
    { text: `kept for ${children.length} members of ${channelAddress(row.name)}` },
    {
      data: {
        channel: channelAddress(row.name),
        recipients: children.map(({ member, id }) => ({ agent: member, task: id, delivery: 'waiting' })),
      },
      mediaType: 'application/json',
    },
  ],
})
