/** `channel create|list|show|join|leave|post|remove`: one route each; a post goes to the channel like any send. */
import { usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { readAll } from '../records.ts'
import { send } from './send.ts'

interface ChannelRecord {
  readonly name: string
  readonly address: string
  readonly url: string
  readonly title?: string
  readonly mode: string
  readonly collect: string
  readonly policy: { readonly post: string; readonly join: string }
  readonly visibility: string
  readonly members: number
  readonly posts: number
}
interface MemberRecord {
  readonly agent: string
  readonly joinedAfter: number
  readonly filter?: unknown
}

const nameOf = (text: string | undefined): string => (text ?? '').replace(/^@?#?/, '').toLowerCase()
const path = (name: string | undefined): string => `/v1/channels/${encodeURIComponent(nameOf(name))}`

/** Options that are given, by the names that the route knows. */
function chosen(call: Invocation, names: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(names).flatMap(([option, member]) => {
      const value = call.option(option)
      return value === undefined ? [] : [[member, value]]
    }),
  )
}

export const create: Run = async (call) => {
  const seconds = call.option('collect-seconds')
  const policy = chosen(call, { post: 'post', join: 'join' })
  const document = {
    ...(call.args[0] !== undefined && { name: nameOf(call.args[0]) }),
    ...chosen(call, { title: 'title', mode: 'mode', collect: 'collect', visibility: 'visibility' }),
    ...(seconds !== undefined && { collectSeconds: Number(seconds) }),
    ...(Object.keys(policy).length > 0 && { policy }),
    ...(call.option('members') !== undefined && { members: (call.option('members') ?? '').split(',').filter(Boolean) }),
  }
  return told((await call.gateway.send('POST', '/v1/channels', document)) as ChannelRecord, call)
}

export const list: Run = async (call) => {
  const items = await readAll<ChannelRecord>(call.gateway, '/v1/channels')
  if (call.out.json) call.out.document({ items })
  else
    call.out.table(
      ['CHANNEL', 'MODE', 'COLLECT', 'MEMBERS', 'POSTS', 'TITLE'],
      items.map((row) => [
        `#${row.name}`,
        row.mode,
        row.collect,
        String(row.members),
        String(row.posts),
        row.title ?? '',
      ]),
    )
  return 0
}

export const show: Run = async (call) => {
  const row = (await call.gateway.get(path(call.args[0]))) as ChannelRecord
  const members = (await call.gateway.get(`${path(call.args[0])}/members`)) as { items: readonly MemberRecord[] }
  if (call.out.json) call.out.document({ ...row, roster: members.items })
  else {
    fields(row, call)
    call.out.table(
      ['MEMBER', 'SINCE POST', 'FILTER'],
      members.items.map(({ agent, joinedAfter, filter }) => [
        agent,
        String(joinedAfter),
        filter ? JSON.stringify(filter) : '',
      ]),
    )
  }
  return 0
}

export const join: Run = async (call) => {
  const request = {
    ...chosen(call, { from: 'from' }),
    ...(call.args[1] !== undefined && { agent: call.args[1].replace(/^@/, '') }),
  }
  const answer = (await call.gateway.send('POST', `${path(call.args[0])}/members`, request)) as {
    member: string
    joined: boolean
    replayed: number
  }
  if (call.out.json) call.out.document(answer)
  else
    call.out.fields([
      ['Channel', `#${nameOf(call.args[0])}`],
      ['Member', answer.member],
      ['Joined', answer.joined ? 'now' : 'before'],
      ['Earlier posts', answer.replayed],
    ])
  return 0
}

export const leave: Run = async (call) => {
  const agent = call.args[1]?.replace(/^@/, '')
  const query = agent === undefined ? '' : `?agent=${encodeURIComponent(agent)}`
  const answer = await call.gateway.send('DELETE', `${path(call.args[0])}/members${query}`)
  if (call.out.json) call.out.document(answer)
  else call.out.fields([['Left', `#${nameOf(call.args[0])}`]])
  return 0
}

/** `send`, with the channel's address for the agent. */
export const post: Run = async (call) => {
  const [channel, ...words] = call.args
  return send({ ...call, args: words, agent: () => call.agentAt(`#${nameOf(channel)}`) })
}

export const remove: Run = async (call) => {
  const name = nameOf(call.args[0])
  if (!call.has('yes'))
    throw usage(
      `#${name}, its members and its history would be gone; say that you mean it`,
      `${call.program} channel remove ${name} --yes`,
    )
  const answer = await call.gateway.send('DELETE', `${path(name)}${call.has('force') ? '?force=true' : ''}`)
  if (call.out.json) call.out.document(answer)
  else call.out.fields([['Removed', `#${name}`]])
  return 0
}

/** A message that wants somebody to answer at once. */
export const ring: Run = async (call) => {
  const [agent, ...words] = call.args
  const seconds = call.option('ring')
  const wishes = {
    kind: 'call',
    ...(seconds !== undefined && { ringSeconds: Number(seconds) }),
    ...chosen(call, { 'no-answer': 'noAnswer' }),
  }
  const ref = agent?.startsWith('@') || agent?.includes(':') ? agent : `@${agent}`
  return send({ ...call, args: words, agent: () => call.agentAt(ref as string) }, wishes)
}

function told(row: ChannelRecord, call: Invocation): number {
  if (call.out.json) call.out.document(row)
  else fields(row, call)
  return 0
}

function fields(row: ChannelRecord, { out }: Invocation): void {
  out.fields([
    ['Channel', `#${row.name}`],
    ['Title', row.title],
    ['Address', row.address],
    ['URL', row.url],
    ['Mode', row.mode],
    ['Collect', row.collect],
    ['Post', row.policy.post],
    ['Join', row.policy.join],
    ['Seen by', row.visibility],
    ['Members', row.members],
    ['Posts', row.posts],
  ])
}
