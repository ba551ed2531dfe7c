/** The routes of rooms: `/agent/…` as IM-for-Agents' callers know them, `/api/rooms…` the same with our keys. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import { channelAddress } from '../../gateway/channels/channel.ts'
import type { HappeningSignals } from '../../happenings.ts'
import type { Limits } from '../../limits.ts'
import { LIMITS } from '../../limits.ts'
import { type Caller, DEFAULT_TENANT } from '../../ports.ts'
import { listMembers } from '../../store/channelMembers.ts'
import { readPosts } from '../../store/channelPosts.ts'
import { type Access, checked, type Face, type FaceContext, jsonBody, newFace, PAGE, pageOf } from '../face.ts'
import { enter, guestOf, Joining, NewRoom, type RoomTools, roomFor, Saying, say, showRoom, showSaid } from './room.ts'
import { streamTail, type TailTools } from './tail.ts'

export interface RoomRoutesTools extends RoomTools, TailTools {
  readonly access: Access
  readonly signals: HappeningSignals
  readonly limits: Limits
  readonly pageKey: Buffer
  readonly publicUrl: () => string
  /** Whoever comes by may open a room. */
  readonly demo: boolean
}

const position = z.coerce.number().int().min(0).max(2_147_483_647)
export const LIST = z.strictObject({ ...PAGE })
export const READ = z.object({
  after: position.optional(),
  cursor: position.optional(),
  since: z
    .union([z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)), z.coerce.number().int().min(0)])
    .optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})

export function roomRoutes(tools: RoomRoutesTools): Face {
  const { access, channels, publicUrl } = tools
  const face = newFace()

  face.post('/agent/demo/room', async (context) => {
    if (!tools.demo)
      throw new A2AError('METHOD_NOT_FOUND', 'rooms without a key are not switched on here', {
        metadata: { hint: 'WAYPOST_DEMO_ROOMS=on, or POST /api/rooms with a key' },
      })
    const { name, description } = checked(NewRoom, await jsonBody(context))
    const openedFrom = context.env.incoming.socket.remoteAddress ?? 'unknown'
    const document = {
      policy: { post: 'anyone', join: 'anyone' },
      visibility: 'members',
      ...(name && { title: name }),
      ...(description && { description }),
    } as const
    const row = await channels.create(
      document,
      { ...guestOf('demo'), tenant: DEFAULT_TENANT },
      {
        ...{ ttlSeconds: tools.limits.demoRoomSeconds, bytesMax: tools.limits.demoRoomBytesMax },
        ...{ openedFrom, owner: `guest:${openedFrom}` },
      },
    )
    return context.json(showRoom(row, publicUrl()), 201)
  })

  face.post('/api/rooms', async (context) => {
    const by = await access.require(context, 'send')
    const { name, description } = checked(NewRoom, await jsonBody(context))
    const document = {
      policy: { post: 'members', join: 'anyone' },
      visibility: 'tenant',
      ...(name && { title: name }),
      ...(description && { description }),
    } as const
    const row = await channels.create(document, by, {
      ttlSeconds: null,
      bytesMax: null,
      openedFrom: null,
      owner: by.id,
    })
    return context.json(showRoom(row, publicUrl()), 201)
  })
  face.get('/api/rooms', async (context) => {
    const by = await access.require(context)
    const query = checked(LIST, context.req.query())
    const page = pageOf<string>(query, tools.pageKey, ['rooms', by.tenant, by.id])
    const rows = await channels.list({ kind: 'room', after: page.after, limit: page.fetch }, by)
    return context.json(
      page.answer(
        rows,
        (row) => showRoom(row, publicUrl()),
        ({ name }) => name,
      ),
    )
  })
  for (const base of ['/agent/rooms/:id', '/api/rooms/:id']) addRoom(face, base, tools)
  return face
}

/** The caller; undefined: none was named. Rooms of others stay shut to it, open ones are open to all. */
async function who(context: FaceContext, { access }: RoomRoutesTools): Promise<Caller | undefined> {
  const { authorization, 'x-api-key': key } = context.env.incoming.headers
  return authorization === undefined && key === undefined ? undefined : access.require(context)
}

function addRoom(face: Face, base: string, tools: RoomRoutesTools): void {
  const found = async (context: FaceContext) => {
    const by = await who(context, tools)
    return { by, row: await roomFor(context.req.param('id') ?? '', by, tools) }
  }

  face.get(base, async (context) => {
    const { row } = await found(context)
    const members = await listMembers(tools.db, row.tenant, row.name, LIMITS.channelMembersMax)
    const shown = members.map(({ member, agent }) => ({ agentName: member, agent }))
    return context.json({ ...showRoom(row, tools.publicUrl()), participants: shown })
  })

  face.post(`${base}/join`, async (context) => {
    const by = await who(context, tools)
    const { agentName } = checked(Joining, await jsonBody(context))
    const row = await roomToEnter(context.req.param('id') ?? '', by, tools)
    return context.json({ roomId: row.name, ...(await enter({ row, by, agentName }, tools)) })
  })

  face.post(`${base}/messages`, async (context) => {
    const { row, by } = await found(context)
    const { sender, content, messageId } = checked(Saying, await jsonBody(context))
    const { opened, mentions } = await say({ row, by, sender, content, messageId }, tools)
    const [post] = await readPosts(tools.db, {
      tenant: row.tenant,
      channel: row.name,
      after: 0,
      taskId: opened.id,
      limit: 1,
    })
    return context.json(
      { roomId: row.name, ...(post && showSaid(post)), ...(mentions.length > 0 && { mentions }) },
      201,
    )
  })

  const list = async (context: FaceContext) => {
    const { row } = await found(context)
    const { after, cursor, since, limit } = checked(READ, context.req.query())
    const query = { tenant: row.tenant, channel: row.name, after: after ?? cursor ?? 0, limit: limit + 1 }
    const posts = await readPosts(tools.db, { ...query, ...(since !== undefined && { since }) })
    const messages = posts.slice(0, limit).map(showSaid)
    const last = messages.at(-1)?.id ?? query.after
    return context.json({ roomId: row.name, messages, cursor: last, more: posts.length > limit })
  }
  face.get(`${base}/messages`, list)
  face.get(`${base}/history`, list)

  face.get(`${base}/stream`, async (context) => {
    const { row } = await found(context)
    const { after, cursor } = checked(READ, context.req.query())
    const given = Number(
      context.req.header('last-event-id') ?? context.req.query('lastEventId') ?? after ?? cursor ?? 0,
    )
    // A position that the room does not have begins anew, and never loops.
    const from = Number.isInteger(given) && given >= 0 && given <= row.lastSeq ? given : 0
    streamTail(context.env.outgoing, tailOf(row, from, tools), tools)
    return RESPONSE_ALREADY_SENT
  })

  face.delete(`${base}/messages`, async (context) => {
    const by = await tools.access.require(context)
    const row = await roomFor(context.req.param('id') ?? '', by, tools)
    await tools.channels.clear(row.name, by)
    return context.json({ roomId: row.name, cleared: true })
  })
}

function tailOf(row: { tenant: string; name: string }, from: number, { db }: RoomRoutesTools) {
  return {
    place: { tenant: row.tenant, place: channelAddress(row.name) },
    after: String(from),
    event: 'message',
    read: async (after: string) =>
      (
        await readPosts(db, {
          tenant: row.tenant,
          channel: row.name,
          after: Number(after),
          limit: LIMITS.followPageEvents,
        })
      ).map((post) => ({
        id: String(post.seq),
        data: showSaid(post),
      })),
  }
}

/** To come in, it is enough to know the room: it is unguessable. */
async function roomToEnter(id: string, by: Caller | undefined, tools: RoomRoutesTools) {
  if (!by) return roomFor(id, by, tools)
  const row = await tools.channels.look(id.toLowerCase(), by).catch(() => roomFor(id, by, tools))
  if (row.kind !== 'room') throw new A2AError('AGENT_NOT_FOUND', 'there is no such room')
  return row
}
