/** Our own face on a real listener, over a real database, with what lies behind it replaced by lists of calls. */
import { randomBytes } from 'node:crypto'
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { createContacts } from '../../src/gateway/agents/contacts.ts'
import { createPresentCard } from '../../src/gateway/agents/present.ts'
import { createAgents } from '../../src/gateway/agents/registry.ts'
import { createApiKeys, newAgentKey } from '../../src/gateway/callers/apiKeys.ts'
import { createAuthenticate } from '../../src/gateway/callers/authenticate.ts'
import type { Happenings } from '../../src/happenings.ts'
import { createFace, type FaceTools } from '../../src/http/app.ts'
import { createHealth } from '../../src/http/health.ts'
import { createMetrics } from '../../src/http/metrics.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { createSeal } from '../../src/platform/seal.ts'
import { createSignals } from '../../src/platform/signals.ts'
import type { FetchedCard } from '../../src/ports.ts'
import type { Db } from '../../src/store/db.ts'

export const ADMIN = `wp_admin_${'a'.repeat(40)}`

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of many forms
  readonly json: any
}
export interface Ask {
  readonly method?: string
  readonly key?: string | null
  readonly body?: unknown
  readonly headers?: Record<string, string | string[]>
}

export interface FaceWorld {
  readonly port: number
  readonly signals: FaceTools['signals']
  readonly agents: FaceTools['agents']
  readonly keys: FaceTools['keys']
  readonly woken: string[]
  readonly replayed: string[]
  readonly stopping: AbortController
  readonly upstream: { answer: FetchedCard }
  /** With the operator's key unless another, or null, is given. */
  ask(path: string, ask?: Ask): Promise<Answer>
  close(): Promise<void>
}

const clock = systemClock
const unreachable: FetchedCard = {
  kind: 'failed',
  verdict: { kind: 'refused', reason: 'connection refused', code: 'UNREACHABLE', retry: true },
}

export async function openFace(db: Db, given: Partial<FaceTools> = {}): Promise<FaceWorld> {
  const signals = createSignals<Happenings>()
  const [woken, replayed]: [string[], string[]] = [[], []]
  const upstream = { answer: unreachable }
  const stopping = new AbortController()
  const seal = createSeal(randomBytes(32).toString('base64'))
  const agents = createAgents({
    db,
    seal,
    fetchCard: async () => upstream.answer,
    checkUrl: () => undefined,
    newAgentKey,
    clock,
    signals,
  })
  const openTenant = async (name: string) => {
    const agent = await agents.findOpen(name)
    return agent?.policy.access === 'anonymous' ? agent.tenant : undefined
  }
  const authenticate = createAuthenticate({ db, clock, signals, adminKey: ADMIN, auth: 'required', openTenant })
  const keys = createApiKeys({ db, onRevoked: authenticate.forget })
  const health = createHealth({ db, clock, version: '0.0.0', draining: () => stopping.signal.aborted })
  const metrics = createMetrics({ signals, db, version: '0.0.0', node: 'v0' })
  let port = 0
  const publicUrl = () => `http://localhost:${port}`
  const interfaces = [{ binding: 'JSONRPC', version: '1.0', path: '' }]
  const face = createFace({
    receivePush: () => false,
    db,
    clock,
    signals,
    agents,
    contacts: createContacts({ db, clock }),
    keys,
    authenticate,
    presentCard: createPresentCard({ find: agents.find, findOpen: agents.findOpen, publicUrl, interfaces }),
    health,
    metrics,
    jwks: () => ({ keys: [] }),
    signingKeys: { list: () => [], rotate: async () => [] },
    reseal: async () => ({}),
    replay: async (_, id, by) => {
      replayed.push(`${id} ${by}`)
      return { kind: 'replayed', taskId: id }
    },
    follow: () => () => {},
    wake: (_, destination) => void woken.push(destination),
    draining: stopping.signal,
    pageKey: randomBytes(32),
    publicUrl,
    bind: '127.0.0.1',
    enroll: 'loopback',
    ...given,
  })
  const server = createServer({ requireHostHeader: false }, face)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  return {
    port,
    signals,
    agents,
    keys,
    woken,
    replayed,
    stopping,
    upstream,
    ask: (path, ask = {}) => send(port, path, ask),
    async close() {
      metrics.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The first line that comes back to these bytes: what Node's client would not send. */
export function askRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.once('data', (chunk) => {
      resolve(chunk.toString('utf8').split('\r\n')[0] as string)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

/** Bare: the path and the headers go out as they are. */
function send(port: number, path: string, { method = 'GET', key = ADMIN, body, headers = {} }: Ask): Promise<Answer> {
  const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port,
      path,
      method,
      agent: false,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(payload !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(payload),
        }),
        ...headers,
      },
    })
    request.on('response', (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        const isJson = /json/.test(response.headers['content-type'] ?? '')
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: isJson && text !== '' ? JSON.parse(text) : undefined,
        })
      })
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(payload)
  })
}
