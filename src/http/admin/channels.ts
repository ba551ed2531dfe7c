/** /v1/channels: opened, changed, joined, left, read. What is posted goes to the channel's A2A address. */
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import { isTerminal, type Task } from '../../a2a/tasks.ts'
import {
  ChannelChanges,
  ChannelDocument,
  channelAddress,
  collectOf,
  MemberName,
  manages,
} from '../../gateway/channels/channel.ts'
import type { Channels } from '../../gateway/channels/channels.ts'
import { PostFilter } from '../../gateway/channels/filter.ts'
import { textOf } from '../../gateway/mailbox/tools.ts'
import { LIMITS } from '../../limits.ts'
import type { Caller } from '../../ports.ts'
import type { MemberRow } from '../../store/channelMembers.ts'
import { type PostRow, readPosts } from '../../store/channelPosts.ts'
import type { ChannelRow } from '../../store/channels.ts'
import type { Db } from '../../store/db.ts'
import { stateOf } from '../../store/tasks.ts'
import { type Access, checked, type Face, jsonBody, newFace, PAGE, pageOf, present, times } from '../face.ts'
import { placesOf } from './agentView.ts'

export interface ChannelRoutesTools {
  readonly access: Access
  readonly channels: Channels
  readonly db: Db
  readonly pageKey: Buffer
  readonly publicUrl: () => string
}

const From = z
  .union(
    [
      z.enum(['now', 'beginning']),
      z
        .int()
        .min(0)
        .transform((after) => ({ after })),
      z
        .string()
        .regex(/^\d{1,9}$/)
        .transform((text) => ({ after: Number(text) })),
      z
        .string()
        .regex(/^last:\d{1,4}$/)
        .transform((text) => ({ last: Number(text.slice('last:'.length)) })),
    ],
    { error: 'now, beginning, the number of a post, or last:<number>' },
  )
  .optional()
export const JOIN = z.strictObject({ agent: MemberName.optional(), from: From, filter: PostFilter.optional() })
const flag = z.enum(['', 'true', 'false', '1', '0']).transform((value) => value !== 'false' && value !== '0')
export const LIST = z.strictObject({ ...PAGE })
export const REMOVE = z.strictObject({ force: flag.optional() })
export const LEAVE = z.object({ agent: z.string().optional() })
export const POSTS = z.strictObject({
  after: z.coerce.number().int().min(0).max(2_147_483_647).default(0),
  since: z.iso.datetime({ offset: true }).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})

export function channelRoutes(tools: ChannelRoutesTools): Face {
  const { access, channels, db } = tools
  const face = newFace()
  const shown = (row: ChannelRow, by: Caller) => show(row, by, tools.publicUrl())

  face.post('/v1/channels', async (context) => {
    const by = await access.require(context, 'send')
    const row = await channels.create(checked(ChannelDocument, await jsonBody(context)), by)
    return context.json(shown(row, by), 201, { Location: `/v1/channels/${row.name}` })
  })

  face.get('/v1/channels', async (context) => {
    const by = await access.require(context, 'read')
    const query = checked(LIST, context.req.query())
    const page = pageOf<string>(query, tools.pageKey, ['channels', by.tenant, by.id])
    const rows = await channels.list({ kind: 'channel', after: page.after, limit: page.fetch }, by)
    return context.json(
      page.answer(
        rows,
        (row) => shown(row, by),
        ({ name }) => name,
      ),
    )
  })

  face.get('/v1/channels/:name', async (context) => {
    const by = await access.require(context, 'read')
    return context.json(shown(await channels.look(nameIn(context.req.param('name')), by), by))
  })

  face.patch('/v1/channels/:name', async (context) => {
    const by = await access.require(context, 'send')
    const changes = checked(ChannelChanges, await jsonBody(context))
    return context.json(shown(await channels.change(nameIn(context.req.param('name')), changes, by), by))
  })

  face.delete('/v1/channels/:name', async (context) => {
    const by = await access.require(context, 'send')
    const { force = false } = checked(REMOVE, context.req.query())
    const name = nameIn(context.req.param('name'))
    await channels.remove(name, by, { force })
    return context.json({ name, removed: true })
  })

  face.get('/v1/channels/:name/posts', async (context) => {
    const by = await access.require(context, 'read')
    const { after, since, limit } = checked(POSTS, context.req.query())
    const row = await channels.read(nameIn(context.req.param('name')), by)
    const query = { tenant: row.tenant, channel: row.name, after, limit: limit + 1 }
    const posts = await readPosts(db, { ...query, ...(since !== undefined && { since: Date.parse(since) }) })
    const items = posts.slice(0, limit).map(showPost)
    return context.json({ items, ...(posts.length > limit && { next: items.at(-1)?.seq }) })
  })

  addMembers(face, tools)
  return face
}

function addMembers(face: Face, { access, channels }: ChannelRoutesTools): void {
  face.get('/v1/channels/:name/members', async (context) => {
    const by = await access.require(context, 'read')
    const rows = await channels.members(await channels.read(nameIn(context.req.param('name')), by))
    return context.json({ items: rows.map(showMember) })
  })
  face.post('/v1/channels/:name/members', async (context) => {
    const by = await access.require(context, 'send')
    const request = checked(JOIN, await jsonBody(context))
    const joined = await channels.join(nameIn(context.req.param('name')), request, by)
    return context.json(joined, joined.joined ? 201 : 200)
  })
  const leave = async (name: string, member: string | undefined, by: Caller) => {
    const gone = await channels.leave(name, member === undefined ? undefined : checked(MemberName, member), by)
    if (!gone) throw new A2AError('AGENT_NOT_FOUND', `it is no member of #${name}`)
    return { channel: channelAddress(name), left: true }
  }
  face.delete('/v1/channels/:name/members', async (context) => {
    const by = await access.require(context, 'send')
    const { agent } = checked(LEAVE, context.req.query())
    return context.json(await leave(nameIn(context.req.param('name')), agent, by))
  })
  face.delete('/v1/channels/:name/members/:agent', async (context) => {
    const by = await access.require(context, 'send')
    return context.json(await leave(nameIn(context.req.param('name')), context.req.param('agent'), by))
  })
}

const nameIn = (text: string): string => text.toLowerCase().replace(/^#/, '').slice(0, LIMITS.echoCharsMax)

function show(row: ChannelRow, by: Caller, publicUrl: string): object {
  const address = channelAddress(row.name)
  return {
    name: row.name,
    ...placesOf({ name: address }, publicUrl),
    ...present({ title: row.title, description: row.description, collectSeconds: row.collectSeconds }),
    mode: row.mode,
    collect: collectOf(row),
    policy: { post: row.posting, join: row.joining },
    visibility: row.visibility,
    members: row.members,
    posts: row.lastSeq,
    ...(manages(row, by) && { owner: row.owner }),
    ...times({ createdAt: row.createdAt, modifiedAt: row.modifiedAt, expiresAt: row.expiresAt }),
  }
}

const showMember = ({ member, agent, filter, joinedAt, joinedSeq }: MemberRow) => ({
  agent: member,
  ...(agent ? {} : { verified: false }),
  ...(filter !== null && { filter: JSON.parse(filter) as unknown }),
  joinedAfter: joinedSeq,
  ...times({ joinedAt }),
})

/** What was said, by whom, and the task that tells who has got it. */
export function showPost(row: PostRow) {
  const message = (JSON.parse(row.body) as { task: Task }).task.history?.[0]
  const state = stateOf(row.state)
  return {
    seq: row.seq,
    ...times({ at: row.at }),
    sender: row.sender,
    verified: row.verified,
    text: message ? textOf(message.parts) : '',
    ...(message && { messageId: message.messageId, parts: message.parts }),
    task: row.taskId,
    contextId: row.contextId,
    recipients: row.recipients,
    ...(isTerminal(state) ? {} : { state }),
  }
}
