/** Channels: opened and changed by their owners, joined and left by agents, looked at by those who may. */
import { A2AError } from '../../a2a/errors.ts'
import type { Limits } from '../../limits.ts'
import { secret, uuidv7 } from '../../platform/ids.ts'
import { type Caller, isAdmin } from '../../ports.ts'
import type { AuditNote } from '../../store/audit.ts'
import * as roster from '../../store/channelMembers.ts'
import * as store from '../../store/channels.ts'
import type { Db } from '../../store/db.ts'
import { takeBackPosts } from '../../store/dealing.ts'
import { type Agent, destinationOf } from '../agents/agent.ts'
import { isVisible } from '../agents/present.ts'
import { authorizeSend } from '../callers/permits.ts'
import { agentOf, type ChannelDocument, channelAddress, channelLane, manages, noChannel, ruleOf } from './channel.ts'
import { TAKERS } from './dealer.ts'
import type { PostFilter } from './filter.ts'
import { type ReplayFrom, type ReplayTools, replayPosts } from './replay.ts'
import { type WithdrawTools, withdrawPosts } from './withdraw.ts'

export interface Channels {
  /** Throws CONFLICT (the name is taken), CONFIG_LIMIT, PERMISSION_DENIED, AGENT_NOT_FOUND (of a member). */
  create(document: ChannelDocument, by: Caller, as?: RoomTerms): Promise<store.ChannelRow>
  change(
    name: string,
    changes: Omit<ChannelDocument, 'name' | 'mode' | 'members'>,
    by: Caller,
  ): Promise<store.ChannelRow>
  /** Throws CONFLICT when something waits there that nobody has taken, unless `force`. */
  remove(name: string, by: Caller, options: { force: boolean }): Promise<void>
  /** Hides what was posted so far. */
  clear(name: string, by: Caller): Promise<void>
  /** Throws AGENT_NOT_FOUND for what is not there as for what this caller may not see. */
  look(name: string, by: Caller): Promise<store.ChannelRow>
  /** The same for those who may read what is said there: members, its owner, operators. */
  read(name: string, by: Caller): Promise<store.ChannelRow>
  members(row: store.ChannelRow): Promise<roster.MemberRow[]>
  list(query: Pick<store.ChannelQuery, 'kind' | 'after' | 'limit'>, by: Caller): Promise<store.ChannelRow[]>
  join(name: string, joining: JoinRequest, by: Caller): Promise<{ member: string; joined: boolean; replayed: number }>
  /** false: it was no member. */
  leave(name: string, member: string | undefined, by: Caller): Promise<boolean>
  /** Whether this caller may post there. Throws AGENT_NOT_FOUND, PERMISSION_DENIED. */
  admit(name: string, by: Caller): Promise<store.ChannelRow>
}

export interface JoinRequest {
  /** Default: the agent whose token this is. */
  readonly agent?: string | undefined
  readonly from?: ReplayFrom | undefined
  readonly filter?: PostFilter | undefined
}

/** A room's terms, which its owner does not choose. */
export interface RoomTerms {
  readonly ttlSeconds: number | null
  readonly bytesMax: number | null
  readonly openedFrom: string | null
  readonly owner: string
}

export interface ChannelsTools extends ReplayTools, WithdrawTools {
  readonly db: Db
  readonly limits: Limits
  readonly findAgent: (tenant: string, name: string) => Promise<Agent | undefined>
  /** What is remembered of it is old. */
  readonly changed: (tenant: string, name: string) => void
}

const note = (by: string, action: string, subject: string, detail?: object): AuditNote => ({
  ...{ id: uuidv7(), actor: by, action, subject },
  ...(detail && { detail }),
})

export function createChannels(tools: ChannelsTools): Channels {
  const { db, changed } = tools

  async function look(name: string, by: Caller): Promise<store.ChannelRow> {
    const row = await store.findChannel(db, by.tenant, name)
    if (!row || !(await sees(db, row, by))) throw noChannel(name)
    return row
  }
  async function managed(name: string, by: Caller): Promise<store.ChannelRow> {
    const row = await look(name, by)
    if (!manages(row, by)) throw denied(name, 'it is another owner’s')
    return row
  }
  const join: Channels['join'] = async (name, request, by) => joinAs(await look(name, by), request, by, tools)

  return {
    look,
    join,
    async create(document, by, terms) {
      const row = await create(document, by, terms, tools)
      const { members = [] } = document
      changed(row.tenant, row.name)
      return members.length === 0 ? row : ((await store.findChannel(db, row.tenant, row.name)) ?? row)
    },
    async change(name, changes, by) {
      const saved = await changeRow(await managed(name, by), changes, by, tools)
      changed(saved.tenant, saved.name)
      return saved
    },
    async remove(name, by, { force }) {
      const row = await managed(name, by)
      const told = note(by.id, 'channel.removed', channelAddress(row.name))
      const gone = await store.removeChannel(db, { tenant: row.tenant, name: row.name, force }, told)
      if (!gone)
        throw new A2AError('CONFLICT', `messages wait in #${name} that nobody has taken; force removes it anyway`)
      changed(row.tenant, row.name)
    },
    async clear(name, by) {
      const row = await managed(name, by)
      await store.clearChannel(db, row.tenant, row.name, note(by.id, 'channel.cleared', channelAddress(row.name)))
    },
    async read(name, by) {
      const row = await look(name, by)
      if (observes(row, by) || manages(row, by) || (await isOwnMember(db, row, by))) return row
      throw denied(name, 'only its members read what is said there')
    },
    members: (row) => roster.listMembers(db, row.tenant, row.name, tools.limits.channelMembersMax),
    list: (query, by) =>
      store.listChannels(db, {
        ...query,
        tenant: by.tenant,
        seenBy: isAdmin(by) || by.permits.has('observe') ? null : { owner: by.id, agent: agentOf(by) ?? null },
      }),
    leave: async (name, member, by) => leaveAs(await look(name, by), member, by, tools),
    async admit(name, by) {
      const row = await look(name, by)
      if (row.posting === 'anyone' || manages(row, by)) return row
      if (row.posting === 'members' && (await isOwnMember(db, row, by))) return row
      throw denied(name, row.posting === 'owner' ? 'only its owner posts there' : 'only its members post there')
    },
  }
}

const denied = (name: string, why: string): A2AError =>
  new A2AError('PERMISSION_DENIED', `#${name}: ${why}`, { metadata: { channel: `#${name}` } })

const isOwnMember = (db: Db, row: store.ChannelRow, by: Caller): Promise<boolean> =>
  roster.isMember(db, row, { agent: agentOf(by), caller: by.id })

/** One that has to be watched and no more; a key for certain agents is for those channels only. */
const observes = (row: store.ChannelRow, by: Caller): boolean =>
  by.permits.has('observe') && (by.agents === undefined || by.agents.has(channelAddress(row.name)))

export async function sees(db: Db, row: store.ChannelRow, by: Caller): Promise<boolean> {
  if (by.kind === 'anonymous' && !(row.kind === 'room' && row.owner.startsWith('guest:'))) return false
  if (row.kind === 'room' && row.owner.startsWith('guest:')) return true
  if (row.visibility === 'tenant' || observes(row, by) || manages(row, by)) return true
  return isOwnMember(db, row, by)
}

async function changeRow(
  row: store.ChannelRow,
  { title, description, collect, collectSeconds, policy, visibility }: Parameters<Channels['change']>[1],
  by: Caller,
  { db }: ChannelsTools,
): Promise<store.ChannelRow> {
  if (row.mode === 'one' && (collect ?? 'none') !== 'none')
    throw new A2AError('INVALID_PARAMS', 'collect: where any one member takes a post there is nothing to collect')
  const saved = await store.changeChannel(
    db,
    row,
    {
      title: title ?? row.title,
      description: description ?? row.description,
      ...(collect === undefined ? { rule: row.rule, needed: row.needed } : ruleOf(collect)),
      collectSeconds: collectSeconds ?? row.collectSeconds,
      posting: policy?.post ?? row.posting,
      joining: policy?.join ?? row.joining,
      visibility: visibility ?? row.visibility,
    },
    note(by.id, 'channel.changed', channelAddress(row.name)),
  )
  if (!saved) throw noChannel(row.name)
  return saved
}

const UNNAMED_CHARS = 6

async function create(
  document: ChannelDocument,
  by: Caller,
  terms: RoomTerms | undefined,
  tools: ChannelsTools,
): Promise<store.ChannelRow> {
  const { db, limits } = tools
  const { title = null, description = null, mode = 'all', collect = 'none', collectSeconds = null, policy } = document
  const name =
    document.name ??
    (terms ? secret(18).toLowerCase().replace(/^[-_]/, 'r') : `channel-${secret(UNNAMED_CHARS).toLowerCase()}`)
  const members = [...new Set(document.members)]
  const place = { tenant: by.tenant, name, mode, owner: by.id, joining: 'anyone' } as const
  // All are looked at before anything is written.
  for (const member of members) await memberFor(place, member, by, tools)
  const created = await store.createChannel(
    db,
    {
      tenant: by.tenant,
      members,
      ...{ name, title, description, mode, collectSeconds },
      ...ruleOf(collect),
      kind: terms ? 'room' : 'channel',
      owner: terms?.owner ?? by.id,
      posting: policy?.post ?? 'members',
      joining: policy?.join ?? 'anyone',
      visibility: document.visibility ?? 'tenant',
      bytesMax: terms?.bytesMax ?? null,
      openedFrom: terms?.openedFrom ?? null,
      ttlSeconds: terms?.ttlSeconds ?? null,
    },
    {
      channelsMax: limits.channelsPerTenantMax,
      openedFromMax: limits.demoRoomsPerAddressMax,
      note: note(by.id, terms ? 'room.created' : 'channel.created', channelAddress(name), { mode, collect, members }),
    },
  )
  if (created) return created
  if (await store.findChannel(db, by.tenant, name))
    throw new A2AError('CONFLICT', `there is a channel "#${name}" already`)
  throw new A2AError(
    'CONFIG_LIMIT',
    terms?.openedFrom
      ? 'as many rooms are open from here as may be'
      : `there is room for ${limits.channelsPerTenantMax} channels, and they are all there`,
  )
}

/** An agent that may be let into this channel by this caller. Throws AGENT_NOT_FOUND, PERMISSION_DENIED, INVALID_PARAMS. */
async function memberFor(
  row: Pick<store.ChannelRow, 'tenant' | 'name' | 'mode' | 'owner' | 'joining'>,
  member: string,
  by: Caller,
  tools: ChannelsTools,
): Promise<Agent> {
  const agent = await tools.findAgent(row.tenant, member)
  if (!agent || agent.name.startsWith('#') || !isVisible(agent, by))
    throw new A2AError('AGENT_NOT_FOUND', `there is no agent "${member}"`)
  const own = agentOf(by) === member || agent.owner === by.id
  if (!manages(row, by) && !(own && row.joining === 'anyone')) throw denied(row.name, 'you may not let this agent join')
  if (!own) authorizeSend(by, agent, [])
  if (row.mode === 'one' && !TAKERS.has(agent.connector.kind))
    throw new A2AError('INVALID_PARAMS', `agent: ${member} cannot share ${channelAddress(row.name)}`)
  return agent
}

/** Agents join by themselves, by their owner's hand, or by that of the channel's owner, who could send to them as well. */
async function joinAs(
  row: store.ChannelRow,
  { agent: named, from, filter }: JoinRequest,
  by: Caller,
  tools: ChannelsTools,
): Promise<{ member: string; joined: boolean; replayed: number }> {
  const member = named ?? agentOf(by)
  if (member === undefined)
    throw new A2AError('INVALID_PARAMS', 'agent: which one joins?', {
      violations: [{ field: 'agent', description: 'needed, unless an agent joins by its own token' }],
    })
  const agent = await memberFor(row, member, by, tools)
  const { tenant, name: channel } = row
  const joined = await roster.joinChannel(
    tools.db,
    { tenant, channel, member, agent: true, filter: filter ? JSON.stringify(filter) : null, by: by.id },
    {
      membersMax: tools.limits.channelMembersMax,
      note: note(by.id, 'channel.joined', channelAddress(channel), { member }),
    },
  )
  if (joined.kind === 'not found') throw noChannel(channel)
  if (joined.kind === 'full')
    throw new A2AError('CONFIG_LIMIT', `#${channel} has as many members as it may: ${tools.limits.channelMembersMax}`)
  tools.changed(tenant, channel)
  // What waits there may be for the one who has just come.
  if (row.mode === 'one') tools.wake(tenant, channelLane(channel))
  const place = { tenant, channel, upTo: joined.joinedSeq }
  const replayed = row.mode === 'one' ? 0 : await replayPosts(place, agent, from, filter, tools)
  return { member, joined: joined.fresh, replayed }
}

async function leaveAs(
  row: store.ChannelRow,
  named: string | undefined,
  by: Caller,
  tools: ChannelsTools,
): Promise<boolean> {
  const member = named ?? agentOf(by)
  if (member === undefined) throw new A2AError('INVALID_PARAMS', 'agent: which one leaves?')
  const agent = await tools.findAgent(row.tenant, member)
  if (!manages(row, by) && agentOf(by) !== member && agent?.owner !== by.id)
    throw denied(row.name, 'this is another owner’s agent')
  const { tenant, name: channel } = row
  const told = note(by.id, 'channel.left', channelAddress(channel), { member })
  const gone = await roster.leaveChannel(tools.db, { tenant, channel, member }, told)
  tools.changed(tenant, channel)
  if (gone) await withdrawPosts({ tenant, member, channel }, tools)
  const lane = channelLane(channel)
  if (row.mode === 'one' && (await takeBackPosts(tools.db, { tenant, name: channel }, [destinationOf(member)])) > 0)
    tools.wake(tenant, lane)
  return gone
}
