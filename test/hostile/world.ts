/** One running gateway with all its bindings open, what the rows name in it, and how to send it anything. */
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { revokeKey, makeKey as theKey } from '../e2e/surfaces.ts'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { AUDIENCE, type LocalIssuer, startIssuer } from '../support/issuer.ts'
import type { World } from '../support/world.ts'
import { aGrpcWorld, ask as askGrpc, type GrpcWorld, text as textOf } from '../wire/bindings/grpc/world.ts'
import { type Fields, type Operation, type Surface, toGrpc, toRest, toRpc, versionOf } from './speech.ts'

export const CANARY = 'canary-51c2e7'

/** Tasks and keys that rows name. */
export interface Fixtures {
  /** At `echo`: one that has ended, one that asks, and the context of the former. */
  readonly ended: string
  readonly asked: string
  readonly context: string
  /** At `box`, the caller's and another caller's. */
  readonly waiting: string
  readonly foreign: string
  readonly foreignContext: string
  /** `owner` is who asks by default. */
  readonly keys: Readonly<Record<string, string>>
  readonly url: string
  readonly port: number
}

export interface Heard {
  /** HTTP status; gRPC: 200. */
  readonly status: number
  readonly code: number | string | undefined
  readonly reason: string | undefined
  readonly headers: IncomingHttpHeaders
  /** All that came back, as text. */
  readonly text: string
  readonly ms: number
  /** The result, where it is JSON; gRPC: the first message's bytes. */
  readonly result: unknown
}

export interface Sent {
  readonly agent?: string
  readonly key?: string | null
  readonly headers?: Readonly<Record<string, string>>
}
export interface HttpSent extends Sent {
  readonly method?: string
  /** From the root. */
  readonly path: string
  readonly body?: string | Buffer
}

/** How to say anything to a gateway, by the names of its keys. */
export interface Speech {
  say(surface: Surface, operation: Operation, params: Fields, sent?: Sent): Promise<Heard>
  http(sent: HttpSent): Promise<Heard>
  grpc(service: string, rpc: string, bytes: Uint8Array, sent?: Sent): Promise<Heard>
  close(): void
}

export interface HostileWorld extends Omit<Speech, 'close'> {
  readonly world: World
  readonly fixtures: Fixtures
  /** Whose tokens are taken. */
  readonly issuer: LocalIssuer
  /** Who is behind `echo`. */
  readonly agent: ScriptedAgent
  /** Bytes as they are; what came back until the connection ended. */
  raw(bytes: string | Buffer, options?: RawOptions): Promise<{ text: string; ms: number }>
  /** Rows of everything that a request may leave behind. */
  stored(): Promise<Readonly<Record<string, number>>>
  /** Slowest answer and 99th percentile of the event loop's lag as the gateway's metrics tell it, in milliseconds. */
  lagP99Ms(): Promise<number>
  stop(): Promise<void>
}
export interface RawOptions {
  readonly end?: boolean
  readonly heard?: (socket: Socket, text: string) => void
  /** Pieces in which the bytes go out. */
  readonly pieces?: readonly Buffer[]
}

/** How long a blocking send waits for an agent that says nothing. */
export const BLOCK_SECONDS = 1

/** Few, so that a row can exceed them. */
export const LEASE_CALLS_PER_SECOND = 20

/** Configured, and nobody is there. */
export const NO_ISSUER = 'http://127.0.0.1:9'

const TABLES = ['tasks', 'task_events', 'submissions', 'deliveries', 'push_configs', 'agents', 'api_keys']
const now = { returnImmediately: true }

export async function aHostileWorld(): Promise<HostileWorld> {
  const agent = await startAgent({ dedupe: true })
  const issuer = await startIssuer()
  const issuers = [
    { issuer: issuer.url, audience: AUDIENCE, name: 'here' },
    { issuer: NO_ISSUER, audience: AUDIENCE, name: 'gone' },
  ]
  const world = await aGrpcWorld({
    env: {
      WAYPOST_BLOCK_SECONDS: String(BLOCK_SECONDS),
      WAYPOST_EGRESS_HTTPS: 'required',
      WAYPOST_OIDC_ISSUERS: JSON.stringify(issuers),
    },
    limits: {
      authFailuresPerMinute: 1_000_000,
      leaseCallsPerSecond: LEASE_CALLS_PER_SECOND,
      credentialCacheMs: 500,
      // One caller says everything that is generated.
      mailboxPerSenderMax: 1_000_000,
    },
    cards: {
      echo: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce' },
      box: { connector: { kind: 'mailbox' } },
      texts: { connector: { kind: 'mailbox' }, defaultInputModes: ['text/plain'] },
      strict: { connector: { kind: 'mailbox' }, extensions: [{ uri: 'urn:x-needed', required: true }] },
      hidden: { connector: { kind: 'mailbox' }, visibility: 'private' },
    },
  })
  if (world.gateway.cardProblems.length > 0) throw new Error(world.gateway.cardProblems.join())
  return speaking(world, await prepare(world), agent, issuer)
}

async function prepare(world: World): Promise<Fixtures> {
  const { url, port, adminKey } = world.gateway
  const owner = await theKey(world, { caller: 'owner' })
  const other = await theKey(world, { caller: `other-${CANARY}` })
  const reader = await theKey(world, { caller: 'owner', permits: ['read'] })
  const elsewhere = await theKey(world, { caller: 'owner', agents: ['echo'] })
  const revoked = await theKey(world, { caller: 'owner' })
  await revokeKey(world, revoked.id)
  const echo = world.client('echo', owner.key)
  const ended = await echo.send('complete')
  const asked = await echo.send('input')
  const waiting = await world.client('box', owner.key).send('x', { configuration: now })
  const foreign = await world.client('box', other.key).send(CANARY, { configuration: now, metadata: { s: CANARY } })
  const keys = {
    operator: adminKey,
    owner: owner.key,
    other: other.key,
    reader: reader.key,
    elsewhere: elsewhere.key,
    revoked: revoked.key,
  }
  const tasks = { ended: ended.id, context: ended.contextId as string, asked: asked.id, waiting: waiting.id }
  return { ...tasks, foreign: foreign.id, foreignContext: foreign.contextId as string, keys, url, port }
}

export function speech(
  world: GrpcWorld,
  keys: Fixtures['keys'] | Readonly<Record<string, string | undefined>>,
): Speech {
  const sockets = new Agent({ keepAlive: true, maxSockets: 8 })
  const http = (sent: HttpSent) => overHttp(world.gateway.port, sockets, sent, keys)
  const grpc: Speech['grpc'] = (service, rpc, bytes, sent = {}) =>
    overGrpc(world.address, service, rpc, bytes, sent, keys)
  return {
    http,
    grpc,
    say(surface, operation, params, sent = {}) {
      if (surface.startsWith('gRPC')) {
        const { service, rpc, bytes } = toGrpc(surface, operation, params)
        return grpc(service, rpc, bytes, sent)
      }
      const make = surface.startsWith('JSON-RPC') ? toRpc : toRest
      const { method, path, body } = make(surface, operation, params)
      const headers = { 'a2a-version': versionOf(surface), ...sent.headers }
      const told = body === undefined ? {} : { body: JSON.stringify(body) }
      return http({ ...sent, headers, method, path: `/agents/${sent.agent ?? 'box'}${path}`, ...told })
    },
    close: () => sockets.destroy(),
  }
}

function speaking(world: GrpcWorld, fixtures: Fixtures, agent: ScriptedAgent, issuer: LocalIssuer): HostileWorld {
  const { port, db } = world.gateway
  const { close, ...said } = speech(world, fixtures.keys)
  return {
    ...said,
    world,
    fixtures,
    issuer,
    agent,
    raw: (bytes, options) => overSocket(port, bytes, options),
    async stored() {
      const text = `select ${TABLES.map((table) => `(select count(*) from ${table})::int as ${table}`).join(', ')}`
      return (await db.query<Record<string, number>>({ name: 'count', text, write: false }, []))[0] ?? {}
    },
    async lagP99Ms() {
      const { text } = await said.http({ method: 'GET', path: '/metrics', key: 'operator' })
      return Number(/^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(text)?.[1]) * 1_000
    },
    async stop() {
      close()
      await world.stop()
      await agent.stop()
      await issuer.stop()
    },
  }
}

type Keys = Readonly<Record<string, string | undefined>>
/** Undefined: nobody's. */
const keyOf = (key: string | null | undefined, keys: Keys): string | undefined =>
  key === null ? undefined : (keys[key ?? 'owner'] ?? key)

function overHttp(port: number, agent: Agent, sent: HttpSent, keys: Keys): Promise<Heard> {
  const { method = 'POST', path, body } = sent
  const key = keyOf(sent.key, keys)
  const given = Object.fromEntries(
    Object.entries(sent.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  const headers = {
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    ...given,
  }
  const kept = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''))
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', method, path, agent, headers: kept })
    request.on('error', reject)
    request.on('response', (response) => {
      const ms = performance.now() - began
      const streams = response.headers['content-type']?.includes('event-stream') ?? false
      let text = ''
      const settle = () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, ms, ...readHttp(text, streams) })
      }
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (!streams || !text.includes('\n\n')) return
        settle()
        request.destroy()
      })
      response.on('error', () => {})
      response.on('end', settle)
    })
    request.end(body)
  })
}

function readHttp(text: string, streams: boolean): Pick<Heard, 'code' | 'reason' | 'result'> {
  const json = jsonIn(streams ? (/^data: ?(.*)$/m.exec(text)?.[1] ?? '') : text) as Fields | undefined
  const error = json?.error as { code?: number } | undefined
  return {
    code: error?.code,
    reason: /"reason":"([A-Z_]+)"/.exec(text)?.[1] ?? (json?.traceId ? (json.code as string) : undefined),
    result: json?.result ?? json,
  }
}
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Bytes as the text that they may hold. */
const asText = (_: string, value: unknown): unknown =>
  (value as { type?: string } | null)?.type === 'Buffer'
    ? Buffer.from((value as { data: number[] }).data).toString()
    : value

async function overGrpc(
  address: string,
  service: string,
  rpc: string,
  bytes: Uint8Array,
  sent: Sent,
  keys: Keys,
): Promise<Heard> {
  const key = keyOf(sent.key, keys)
  const own = { 'x-waypost-agent': sent.agent ?? 'box', ...(key !== undefined && { authorization: `Bearer ${key}` }) }
  const metadata = Object.fromEntries(
    Object.entries({ ...own, ...sent.headers }).filter(([name, value]) => value !== '' && name !== 'accept'),
  )
  const began = performance.now()
  const answer = await askGrpc(address, rpc, bytes, { service, metadata, deadlineMs: 20_000, onReply: () => false })
  const ms = performance.now() - began
  // The first message is all that is wanted of a stream.
  const code = answer.replies.length > 0 ? 'OK' : answer.code
  const { date: _, ...headers } = answer.headers
  const text = JSON.stringify({ ...answer, headers, replies: answer.replies.map(String) }, asText)
  return {
    status: 200,
    code: code === 'OK' ? undefined : code,
    reason: textOf(answer.details.ErrorInfo, 1) || undefined,
    headers: {},
    text,
    ms,
    result: answer.replies[0],
  }
}

function overSocket(
  port: number,
  bytes: string | Buffer,
  { end = false, heard = () => {}, pieces }: RawOptions = {},
): Promise<{ text: string; ms: number }> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }, async () => {
      for (const piece of pieces ?? [bytes]) {
        if (socket.destroyed) return
        socket.write(piece)
        if (pieces) await new Promise((next) => setImmediate(next))
      }
      if (end) socket.end()
    })
    let text = ''
    const settle = () => resolve({ text, ms: performance.now() - began })
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
      heard(socket, text)
    })
    socket.on('end', () => socket.end())
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? settle() : reject(error),
    )
    socket.on('close', settle)
  })
}
