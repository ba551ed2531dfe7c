/** The line to one agent of the Agent Client Protocol, version 1: requests both ways, and what it says of its turns. */
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { TryAgain } from '../../client/mailbox.ts'
import { type Child, startChild } from './child.ts'
import type { RunnerSettings } from './settings.ts'

const PROTOCOL = 1
const START_MS = 60_000
/** Conversations whose session is remembered; the one begun longest ago starts anew. */
const SESSIONS_MAX = 1_000

const LINE = z.object({
  id: z.union([z.string(), z.number()]).optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
})
const INITIALIZED = z.object({ protocolVersion: z.number() })
const SESSION = z.object({ sessionId: z.string() })
const UPDATE = z.object({
  sessionId: z.string(),
  update: z.object({
    sessionUpdate: z.string(),
    content: z.object({ type: z.string(), text: z.string().optional() }).optional().catch(undefined),
    title: z.string().optional().catch(undefined),
  }),
})
const PERMISSION = z.object({
  sessionId: z.string(),
  toolCall: z.object({ title: z.string().nullish(), kind: z.string().nullish() }),
  options: z.array(z.object({ optionId: z.string(), name: z.string().optional(), kind: z.string() })),
})
/** `session/request_permission`. */
export type Permission = z.infer<typeof PERMISSION>
export type Outcome = { readonly outcome: 'cancelled' } | { readonly outcome: 'selected'; readonly optionId: string }

export interface Permissions {
  /** Kinds of tool calls (`read`, `edit`, `execute`, …) that it may do without asking anybody; `all`. */
  readonly kinds: ReadonlySet<string>
  /** What becomes of the others. */
  readonly otherwise: 'ask' | 'allow' | 'deny'
}

/** What one turn hears of. */
export interface Turn {
  says(text: string): void
  does(what: string): void
  /** Resolves with the sender's word. */
  asks(permission: Permission): Promise<Outcome>
}

export interface Connection {
  readonly child: Child
  /** By session. */
  readonly turns: Map<string, Turn>
  /** Rejects when it could not be begun. */
  readonly ready: Promise<unknown>
  readonly over: () => boolean
  /** Rejects with what it answers, and with TryAgain when it ends. */
  request(method: string, params: object): Promise<unknown>
  notify(method: string, params: object): void
  /** The session of a conversation; a new one if there is none. */
  session(conversation: string, cwd: string): Promise<string>
}

export function connect(settings: RunnerSettings, permissions: Permissions): Connection {
  const child = startChild(settings.command)
  const turns = new Map<string, Turn>()
  const sessions = new Map<string, string>()
  let isOver = false
  const send = (line: object) => void child.process.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...line })}\n`)
  const requests = createRequests(send, () => isOver)
  const { request } = requests
  const hear = (text: string) => {
    const line = lineOf(text)
    if (!line) return settings.onLine(`not understood: ${text.slice(0, 200)}`)
    if (line.method === undefined) return requests.answered(line)
    if (line.method === 'session/update') return follow(turns, line.params)
    if (line.id !== undefined) void answer(line.method, line.params, line.id)
  }
  const answer = async (method: string, params: unknown, id: string | number) => {
    const permission = method === 'session/request_permission' ? PERMISSION.safeParse(params).data : undefined
    if (permission) send({ id, result: { outcome: await decide(permission, permissions, turns) } })
    else send({ id, error: { code: -32601, message: `${method} is not offered` } })
  }
  createInterface({ input: child.process.stdout }).on('line', hear)
  createInterface({ input: child.process.stderr }).on('line', settings.onLine)
  const end = (why: string) => {
    isOver = true
    requests.drop(why)
  }
  child.ended.then(
    ({ code, signal }) => end(signal ?? `exit code ${code}`),
    (error: Error) => end(error.message),
  )
  return {
    ...{ child, turns, request, ready: initialize(request, child) },
    over: () => isOver,
    notify: (method, params) => send({ method, params }),
    async session(conversation, cwd) {
      const known = sessions.get(conversation)
      if (known !== undefined) return known
      const { sessionId } = SESSION.parse(await request('session/new', { cwd, mcpServers: [] }))
      if (sessions.size >= SESSIONS_MAX) sessions.delete(sessions.keys().next().value as string)
      sessions.set(conversation, sessionId)
      return sessionId
    },
  }
}

type Line = z.infer<typeof LINE>

function lineOf(text: string): Line | undefined {
  try {
    return LINE.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Ours to it, until they are answered. */
function createRequests(send: (line: object) => void, isOver: () => boolean) {
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  let asked = 0
  return {
    request: (method: string, params: object) =>
      new Promise<unknown>((resolve, reject) => {
        if (isOver()) return reject(new TryAgain('the program ended'))
        waiting.set(++asked, { resolve, reject })
        send({ id: asked, method, params })
      }),
    answered({ id, result, error }: Line) {
      const asker = waiting.get(Number(id))
      waiting.delete(Number(id))
      if (error) asker?.reject(new Error(error.message))
      else asker?.resolve(result)
    },
    drop(why: string) {
      for (const { reject } of waiting.values()) reject(new TryAgain(`the program ended: ${why}`))
    },
  }
}

function initialize(request: Connection['request'], child: Child): Promise<unknown> {
  const clientCapabilities = { fs: { readTextFile: false, writeTextFile: false }, terminal: false }
  const ready = request('initialize', { protocolVersion: PROTOCOL, clientCapabilities }).then((result) => {
    const { protocolVersion } = INITIALIZED.parse(result)
    if (protocolVersion !== PROTOCOL)
      throw new Error(`it speaks version ${protocolVersion} of the protocol, not ${PROTOCOL}`)
  })
  // Who does not begin is ended, and the task tried again.
  const timer = setTimeout(() => child.stop(), START_MS)
  ready.catch(() => {}).finally(() => clearTimeout(timer))
  return ready
}

function follow(turns: ReadonlyMap<string, Turn>, params: unknown): void {
  const said = UPDATE.safeParse(params).data
  const turn = said && turns.get(said.sessionId)
  if (!turn) return
  const { sessionUpdate, content, title } = said.update
  if (sessionUpdate === 'agent_message_chunk' && content?.text !== undefined) turn.says(content.text)
  if (sessionUpdate === 'tool_call' && title !== undefined) turn.does(title)
}

export const whatOf = ({ toolCall: { title, kind } }: Permission): string => title ?? kind ?? 'a tool'

async function decide(
  permission: Permission,
  { kinds, otherwise }: Permissions,
  turns: ReadonlyMap<string, Turn>,
): Promise<Outcome> {
  const turn = turns.get(permission.sessionId)
  const listed = kinds.has('all') || kinds.has(permission.toolCall.kind ?? 'other')
  if (!listed && otherwise === 'ask') return turn ? turn.asks(permission) : { outcome: 'cancelled' }
  const mayDo = listed || otherwise === 'allow'
  turn?.does(`${mayDo ? 'allowed' : 'not allowed'}: ${whatOf(permission)}`)
  return chosen(permission, mayDo ? ['allow_once', 'allow_always'] : ['reject_once', 'reject_always'])
}

/** The first of the kinds that there is an option of. */
export function chosen({ options }: Permission, kinds: readonly string[]): Outcome {
  const option = kinds.flatMap((kind) => options.filter((one) => one.kind === kind))[0]
  return option ? { outcome: 'selected', optionId: option.optionId } : { outcome: 'cancelled' }
}
