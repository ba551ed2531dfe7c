/** `room create|list|members|join|post|read|tail|clear`: one route each; what is being said comes as events, from the last one on. */
import { setTimeout as sleep } from 'node:timers/promises'
import { problem, readJson } from '../client.ts'
import { CliError, usage } from '../errors.ts'
import { readEvents } from '../eventStream.ts'
import type { Invocation, Run } from '../invocation.ts'
import { readAll } from '../records.ts'

interface RoomRecord {
  readonly roomId: string
  readonly name: string
  readonly description?: string
  readonly address: string
  readonly url: string
  readonly members: number
  readonly messages: number
  readonly participants?: readonly { readonly agentName: string; readonly agent: boolean }[]
}
interface SaidRecord {
  readonly id: number
  readonly sender: string
  readonly verified: boolean
  readonly content: string
  readonly timestamp?: string
}
interface SaidPage {
  readonly messages: readonly SaidRecord[]
  readonly cursor: number
  readonly more: boolean
}

const path = (room: string | undefined): string =>
  `/api/rooms/${encodeURIComponent((room ?? '').replace(/^@?#?/, '').toLowerCase())}`

export const create: Run = async (call) => {
  const description = call.option('description')
  const name = call.args[0]
  const document = { ...(name !== undefined && { name }), ...(description !== undefined && { description }) }
  return told((await call.gateway.send('POST', '/api/rooms', document)) as RoomRecord, call)
}

export const list: Run = async (call) => {
  const items = await readAll<RoomRecord>(call.gateway, '/api/rooms')
  if (call.out.json) call.out.document({ items })
  else
    call.out.table(
      ['ROOM', 'MEMBERS', 'MESSAGES', 'NAME'],
      items.map(({ roomId, members, messages, name }) => [roomId, String(members), String(messages), name]),
    )
  return 0
}

export const members: Run = async (call) => {
  const room = (await call.gateway.get(path(call.args[0]))) as RoomRecord
  told(room, call)
  if (!call.out.json)
    call.out.table(
      ['MEMBER', 'KIND'],
      (room.participants ?? []).map(({ agentName, agent }) => [agentName, agent ? 'agent' : 'guest']),
    )
  return 0
}

export const join: Run = async (call) => {
  const answer = (await call.gateway.send('POST', `${path(call.args[0])}/join`, {})) as {
    roomId: string
    agentName: string
  }
  if (call.out.json) call.out.document(answer)
  else
    call.out.fields([
      ['Room', answer.roomId],
      ['Member', answer.agentName],
    ])
  return 0
}

export const post: Run = async (call) => {
  const content = call.args.slice(1).join(' ')
  if (content === '') throw usage('what do you say?', `${call.program} room post ROOM "…"`)
  const said = (await call.gateway.send('POST', `${path(call.args[0])}/messages`, { content })) as SaidRecord & {
    mentions?: readonly { agent: string; task?: string; error?: string }[]
  }
  if (call.out.json) call.out.document(said)
  else {
    call.out.fields([
      ['Number', said.id],
      ['Sender', said.sender],
    ])
    for (const { agent, task, error } of said.mentions ?? []) call.out.fields([[`Given to ${agent}`, task ?? error]])
  }
  return 0
}

export const read: Run = async (call) => {
  const after = numberOf(call, 'after') ?? 0
  const limit = numberOf(call, 'limit') ?? 100
  const page = await pageOf(call, after, limit)
  show(page, call)
  return call.has('follow') ? follow(call, page.cursor) : 0
}

export const tail: Run = async (call) => {
  const lines = numberOf(call, 'lines') ?? 10
  const room = (await call.gateway.get(path(call.args[0]))) as RoomRecord
  // A room that was cleared goes on counting: what is shown of it is found from its end.
  let page: SaidPage = { messages: [], cursor: 0, more: true }
  let last: SaidRecord[] = []
  for (let after = 0; page.more; after = page.cursor) {
    page = await pageOf(call, after === 0 ? Math.max(0, room.messages - lines) : after, 500)
    last = [...last, ...page.messages].slice(-lines)
  }
  show({ ...page, messages: last }, call)
  return call.has('follow') ? follow(call, page.cursor) : 0
}

export const clear: Run = async (call) => {
  if (!call.has('yes'))
    throw usage('what was said would be gone; say that you mean it', `${call.program} room clear ROOM --yes`)
  const answer = (await call.gateway.send('DELETE', `${path(call.args[0])}/messages`)) as { roomId: string }
  if (call.out.json) call.out.document(answer)
  else call.out.fields([['Cleared', answer.roomId]])
  return 0
}

function numberOf(call: Invocation, option: string): number | undefined {
  const text = call.option(option)
  if (text === undefined) return undefined
  if (!/^\d{1,9}$/.test(text)) throw usage(`--${option}: ${text} is no number`, `--${option} 10`)
  return Number(text)
}

const pageOf = async (call: Invocation, after: number, limit: number): Promise<SaidPage> =>
  (await call.gateway.get(`${path(call.args[0])}/messages`, { after, limit })) as SaidPage

function show({ messages, cursor }: SaidPage, call: Invocation): void {
  if (call.has('follow')) for (const said of messages) showOne(said, call)
  else if (call.out.json) call.out.document({ messages, cursor })
  else for (const said of messages) showOne(said, call)
}

/** A name that nobody has proved is shown as what it is: somebody's word. */
function showOne(said: SaidRecord, { out }: Invocation): void {
  if (out.json) out.line(said)
  else out.text(`${said.id}  ${said.verified ? said.sender : `${said.sender} (unverified)`}: ${said.content}`)
}

const AGAIN_MS = 1_000

/** Until Ctrl-C. A connection that ends is taken up again after the last that was told. */
async function follow(call: Invocation, from: number): Promise<number> {
  let after = from
  while (!call.signal.aborted) {
    try {
      const answer = await call.gateway.raw(`${path(call.args[0])}/stream?after=${after}`)
      if (!answer.ok) throw problem(answer.status, await readJson(answer), call.gateway.key !== undefined)
      for await (const { id, data } of readEvents(answer)) {
        showOne(JSON.parse(data) as SaidRecord, call)
        after = Number(id ?? after)
      }
    } catch (error) {
      if (call.signal.aborted) break
      const isLine = !(error instanceof CliError) || error.code === 'A2ACLI_ERR_UNREACHABLE'
      if (!isLine) throw error
      call.out.note('the connection was lost; going on when the gateway is back')
    }
    await sleep(AGAIN_MS, undefined, { signal: call.signal }).catch(() => {})
  }
  return 0
}

function told(room: RoomRecord, { out }: Invocation): number {
  if (out.json) out.document(room)
  else
    out.fields([
      ['Room', room.roomId],
      ['Name', room.name],
      ['Description', room.description],
      ['Address', room.address],
      ['URL', room.url],
      ['Members', room.members],
      ['Messages', room.messages],
    ])
  return 0
}
