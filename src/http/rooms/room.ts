/**
 * Rooms as IM-for-Agents has them, a view on channels: a room is a channel whose name nobody guesses, in which all that is
 * said belongs to one context. Who says it is proved when a token is given; otherwise it is what somebody calls himself.
 */
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import type { Message, Task } from '../../a2a/tasks.ts'
import { isPlainText } from '../../gateway/agents/registration.ts'
import { authorize } from '../../gateway/callers/permits.ts'
import type { Quotas } from '../../gateway/callers/quotas.ts'
import { agentOf, channelAddress, noChannel } from '../../gateway/channels/channel.ts'
import type { Channels } from '../../gateway/channels/channels.ts'
import { type PostTools, post } from '../../gateway/channels/post.ts'
import { textOf } from '../../gateway/mailbox/tools.ts'
import type { OpenedTask } from '../../gateway/tasks/open.ts'
import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { type Caller, DEFAULT_TENANT, type Execute } from '../../ports.ts'
import { joinChannel, listMembers } from '../../store/channelMembers.ts'
import type { PostRow } from '../../store/channelPosts.ts'
import { type ChannelRow, findChannel } from '../../store/channels.ts'
import type { Db } from '../../store/db.ts'
import { LATEST } from '../../wire/versions/table.ts'
import { times } from '../face.ts'

const said = (charsMax: number) =>
  z.string().min(1).max(charsMax).refine(isPlainText, { error: 'no control or invisible characters' })
export const NewRoom = z.strictObject({ name: said(256).optional(), description: said(4_096).optional() })
export const Joining = z.strictObject({ agentName: said(64).optional() })
/** More members than these are ignored: callers of the original send what they like. */
export const Saying = z.object({
  sender: said(64).optional(),
  content: said(65_536),
  messageId: z.string().min(1).max(256).optional(),
})

export interface RoomTools {
  readonly db: Db
  readonly channels: Channels
  readonly posting: PostTools
  readonly execute: Execute
  readonly signals: HappeningSignals
  readonly quotas: Quotas
}

/** Somebody without credentials, in one room: owner of what it says there, and of nothing else. */
export const guestOf = (room: string): Caller => ({
  tenant: DEFAULT_TENANT,
  id: `guest:${room}`,
  kind: 'anonymous',
  permits: new Set(['send', 'read']),
})

/** Whether whoever knows its name may come in without credentials. */
export const isOpen = (row: ChannelRow): boolean =>
  row.kind === 'room' && row.tenant === DEFAULT_TENANT && row.owner.startsWith('guest:')

const isRoom = (row: ChannelRow | undefined): row is ChannelRow => row?.kind === 'room'

/** For reading: an open room, a member, its owner, an observer. Throws AGENT_NOT_FOUND for all others, as if there were none. */
export async function roomFor(id: string, by: Caller | undefined, tools: RoomTools): Promise<ChannelRow> {
  const row = await findChannel(tools.db, by?.tenant ?? DEFAULT_TENANT, id.toLowerCase())
  if (!isRoom(row)) throw noChannel(id)
  if (isOpen(row)) return row
  if (!by) throw new A2AError('UNAUTHENTICATED', 'a valid key is needed for this room')
  return tools.channels.read(row.name, by).catch(() => {
    throw noChannel(id)
  })
}

export interface Said {
  readonly row: ChannelRow
  readonly by: Caller | undefined
  readonly sender: string | undefined
  readonly content: string
  readonly messageId: string | undefined
}

export interface Mentioned {
  readonly agent: string
  readonly task?: string
  readonly error?: string
}

/** All that is said in a room. */
const contextOf = (row: ChannelRow): string => `room:${row.name}`

const MENTION = /(?:^|[^\w@.-])@([a-z0-9][a-z0-9\-_.]{0,62})/gi
const MENTIONS_MAX = 16

/** `@name` once each; a full stop at the end of a sentence is no part of a name. */
export const mentionsIn = (content: string): string[] =>
  [
    ...new Set(
      [...content.matchAll(MENTION)].map(([, name]) => (name as string).toLowerCase().replace(/[.\-_]+$/, '')),
    ),
  ].slice(0, MENTIONS_MAX)

const callBy = (caller: Caller, agent: string) => ({
  ...{ agent, caller, version: LATEST.version, binding: 'HTTP+JSON' as const, extensions: [] },
  signal: new AbortController().signal,
})

/** Says it to all, and gives it as a task to those that are named: who is named gets the task only. */
export async function say(
  { row, by, sender, content, messageId = uuidv7() }: Said,
  tools: RoomTools,
): Promise<{ opened: OpenedTask; mentions: Mentioned[] }> {
  const caller = by ?? guestOf(row.name)
  const refused = tools.quotas.take(caller, 'send')
  if (refused)
    throw new A2AError('RATE_LIMITED', 'too many messages are being sent here', {
      retryAfterSeconds: refused.retryAfterSeconds,
    })
  if (by) {
    authorize(by, 'send')
    if (!isOpen(row)) await tools.channels.admit(row.name, by)
  }
  const proved = by ? (agentOf(by) ?? by.id) : undefined
  const message: Message = { messageId, role: 'ROLE_USER', parts: [{ text: content }], contextId: contextOf(row) }
  const members = await listMembers(tools.db, row.tenant, row.name, LIMITS.channelMembersMax)
  const isMember = (name: string) => members.some(({ member, agent }) => agent && member === name)
  // Somebody who has not said who he is gives work only to those that are in the room with him.
  const named = mentionsIn(content).filter((name) => (by ? true : isMember(name)))
  const opened = await post(
    { message },
    callBy(caller, channelAddress(row.name)),
    { ...tools.posting, without: new Set(named) },
    { name: proved ?? sender ?? 'guest', verified: proved !== undefined },
  )
  const { id: task, tenant, repeated } = opened
  const agent = channelAddress(row.name)
  tools.signals.emit('task.accepted', { task, tenant, agent, caller: caller.id, repeated })
  const mentions = await Promise.all(named.map((name) => giveTo(name, message, caller, tools)))
  return { opened, mentions: mentions.filter(({ error }) => error !== 'AGENT_NOT_FOUND') }
}

async function giveTo(agent: string, message: Message, caller: Caller, { execute }: RoomTools): Promise<Mentioned> {
  try {
    const answer = await execute(
      'SendMessage',
      { message, configuration: { returnImmediately: true } },
      callBy(caller, agent),
    )
    return { agent, ...('task' in answer && { task: answer.task.id }) }
  } catch (error) {
    if (error instanceof A2AError) return { agent, error: error.reason }
    throw error
  }
}

/** An agent with its token becomes a member that gets what is said; anybody else is a name in the list. */
export async function enter(
  { row, by, agentName }: { row: ChannelRow; by: Caller | undefined; agentName: string | undefined },
  tools: RoomTools,
): Promise<{ agentName: string; verified: boolean }> {
  const agent = by && agentOf(by)
  if (agent !== undefined) {
    await tools.channels.join(row.name, { agent }, by as Caller)
    return { agentName: agent, verified: true }
  }
  const name = by?.id ?? agentName
  if (name === undefined) throw new A2AError('INVALID_PARAMS', 'agentName: who joins?')
  const joined = await joinChannel(
    tools.db,
    {
      tenant: row.tenant,
      channel: row.name,
      member: name,
      agent: false,
      filter: null,
      by: by?.id ?? `guest:${row.name}`,
    },
    {
      membersMax: LIMITS.channelMembersMax,
      note: {
        id: uuidv7(),
        actor: by?.id ?? `guest:${row.name}`,
        action: 'room.joined',
        subject: channelAddress(row.name),
      },
    },
  )
  if (joined.kind === 'not found') throw noChannel(row.name)
  if (joined.kind === 'full') throw new A2AError('CONFIG_LIMIT', 'the room is full, or the name is an agent’s')
  return { agentName: name, verified: by !== undefined }
}

export function showSaid(row: PostRow) {
  const message = (JSON.parse(row.body) as { task: Task }).task.history?.[0]
  return {
    id: row.seq,
    ...(message && { messageId: message.messageId }),
    sender: row.sender,
    verified: row.verified,
    content: message ? textOf(message.parts) : '',
    ...times({ timestamp: row.at }),
    task: row.taskId,
    recipients: row.recipients,
  }
}

export const showRoom = (row: ChannelRow, publicUrl: string) => {
  const url = `${publicUrl}/${isOpen(row) ? 'agent' : 'api'}/rooms/${row.name}`
  return {
    roomId: row.name,
    name: row.title ?? row.name,
    ...(row.description !== null && { description: row.description }),
    url,
    messagesUrl: `${url}/messages`,
    streamUrl: `${url}/stream`,
    address: `${channelAddress(row.name)}@${new URL(publicUrl).host}`,
    members: row.members,
    messages: row.lastSeq - row.clearedSeq,
    ...times({ createdAt: row.createdAt, expiresAt: row.expiresAt }),
  }
}
