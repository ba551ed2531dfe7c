/**
 * The management routes with canned answers, and two real A2A agents: `echo` answers at once, `slow` works on a task
 * until somebody subscribes to it or cancels it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createDemoAgent, type DemoAgent } from '../../src/cli/demoAgent.ts'
import { type DemoServer, startDemoServer } from '../../src/cli/demoServer.ts'
import { type Clock, systemClock } from '../../src/platform/clock.ts'

export const KEY = 'wp_test_0123456789abcdef0123456789abcdef'
export const DELIVERY = '01900000-0000-7000-8000-00000000000d'
export const TASK_AT_GATEWAY = '01900000-0000-7000-8000-0000000000aa'

export interface FakeGateway {
  readonly url: string
  /** `POST /v1/agents` and what came with it, in order. */
  readonly asked: readonly {
    readonly what: string
    readonly body: unknown
    readonly authorization: string | undefined
  }[]
  readonly agent: DemoAgent
  readonly slow: DemoAgent
  /** Answers this instead of what is canned, once. */
  once(what: string, status: number, body: unknown): void
  close(): Promise<void>
}

const CANNED: Readonly<Record<string, unknown>> = {
  'GET /healthz': { status: 'ok', version: '0.1.0' },
  'GET /readyz': { ready: true, checks: [{ name: 'database', ok: true }] },
  'GET /v1/agents': {
    items: [
      {
        name: 'echo',
        state: 'online',
        connector: { kind: 'a2a', url: 'http://127.0.0.1:9100/' },
        queued: 0,
        running: 1,
      },
      {
        name: 'invoices',
        state: 'offline',
        connector: { kind: 'a2a' },
        queued: 14,
        running: 0,
        oldestAt: '2026-01-01T00:00:00.000Z',
      },
    ],
  },
  'GET /v1/agents/echo': { name: 'echo', state: 'online', queued: 3, reason: 'evil \u001b[31mred\u001b[0m' },
  'POST /v1/agents': { name: 'echo', url: 'http://gw/agents/echo' },
  'DELETE /v1/agents/echo': { name: 'echo', removed: true },
  'POST /v1/agents/echo/probe': { name: 'echo', state: 'online' },
  'POST /v1/agents/echo/pause': { name: 'echo', state: 'paused' },
  'POST /v1/agents/echo/resume': { name: 'echo', state: 'online' },
  'POST /v1/agents/echo/drain': { name: 'echo', state: 'draining' },
  'GET /v1/tasks': {
    items: [
      { id: TASK_AT_GATEWAY, agent: 'echo', state: 'TASK_STATE_SUBMITTED', delivery: { state: 'waiting', attempt: 2 } },
    ],
  },
  [`GET /v1/tasks/${TASK_AT_GATEWAY}/explain`]: {
    task: TASK_AT_GATEWAY,
    agent: 'invoices',
    state: 'TASK_STATE_SUBMITTED',
    why: ['agent "invoices" is offline (ECONNREFUSED)'],
    next: 'probe in 12 s',
    try: ['waypost agent probe invoices'],
  },
  'GET /v1/deliveries': {
    items: [
      {
        id: DELIVERY,
        kind: 'webhook',
        state: 'dead',
        task: TASK_AT_GATEWAY,
        url: 'http://hook/',
        attempt: 16,
        reason: 'HTTP 500',
      },
    ],
  },
  [`POST /v1/deliveries/${DELIVERY}/replay`]: { id: DELIVERY, state: 'waiting' },
  'POST /v1/deliveries/replay': { dryRun: false, matched: 1, more: false, replayed: 1, items: [] },
  'GET /v1/webhooks/attempts': {
    items: [{ delivery: DELIVERY, task: TASK_AT_GATEWAY, sequence: 2, attempt: 1, outcome: 'retry', status: 500 }],
  },
  'POST /v1/agents/echo/approve': { name: 'echo', state: 'online' },
  'POST /v1/agents/echo/rotate-key': { name: 'echo', token: 'wp_x' },
  'POST /v1/keys': { id: 'k1', key: 'wp_k1_secret', name: 'cli', permits: ['send'] },
  'GET /v1/export': [
    { kind: 'export' },
    { kind: 'task', id: TASK_AT_GATEWAY },
    { kind: 'cursor', after: TASK_AT_GATEWAY },
    { kind: 'end' },
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join(''),
  'POST /v1/erase': { done: true, tasks: 7, left: 0 },
  'GET /v1/keys': { items: [{ id: 'k1', name: 'cli', permits: ['send'] }] },
  'GET /v1/audit': { items: [{ id: 'a1', sequence: 1, actor: 'operator', action: 'key.created', subject: 'k1' }] },
  'GET /v1/audit/verify': { ok: true, checked: 1, last: { sequence: 1, hash: '0f' } },
  'GET /v1/signing-keys': { items: [{ id: 's1', state: 'current' }] },
  'POST /v1/signing-keys/rotate': {
    items: [
      { id: 's2', state: 'current' },
      { id: 's1', state: 'retiring' },
    ],
  },
  'POST /v1/master-key/reseal': { resealed: 3, changed: 0, lost: [] },
  'DELETE /v1/keys/k1': { id: 'k1', revoked: true },
  'POST /v1/match': {
    items: [
      { name: 'adder', score: 75, skill: 'sum', reasons: [{ what: 'skill', points: 60, text: 'has the skill sum' }] },
    ],
  },
}

export async function startFakeGateway(delayMs = 20): Promise<FakeGateway> {
  const asked: { what: string; body: unknown; authorization: string | undefined }[] = []
  const instead = new Map<string, { status: number; body: unknown }>()
  const agent = createDemoAgent({ name: 'echo', delayMs, asksBack: false, clock: systemClock })
  const held = holdingClock()
  const sleepy = createDemoAgent({ name: 'slow', delayMs: 1, asksBack: false, clock: held.clock })
  const slow: DemoAgent = {
    ...sleepy,
    accept(message) {
      const task = sleepy.accept(message)
      held.name(task.id)
      return task
    },
  }
  const upstreams = new Map<string, DemoServer>()
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const [name, behind] of [['echo', agent] as const, ['slow', slow] as const]) {
    upstreams.set(name, await startDemoServer(behind, { host: '127.0.0.1', port: 0 }))
  }

  async function serve(request: IncomingMessage, response: ServerResponse) {
    const { pathname } = new URL(request.url ?? '/', url)
    const what = `${request.method} ${pathname}`
    const text = await textOf(request)
    const body: unknown = text ? JSON.parse(text) : undefined
    const { authorization } = request.headers
    asked.push({ what, body, authorization })
    const answer = (status: number, json: unknown, type = 'application/json') =>
      void response
        .writeHead(status, { 'content-type': type })
        .end(typeof json === 'string' ? json : JSON.stringify(json))
    const forced = instead.get(what)
    instead.delete(what)
    if (forced) return answer(forced.status, forced.body, 'application/problem+json')
    const carded = /^GET \/agents\/(echo|slow|invoices)\/\.well-known/.exec(what)?.[1]
    if (carded) return answer(200, agent.card(`${url}/agents/${carded}`))
    if (pathname.startsWith('/v1/') && authorization !== `Bearer ${KEY}`)
      return answer(401, { code: 'UNAUTHENTICATED', detail: 'a key is needed' })
    const upstream = upstreams.get(/^POST \/agents\/(\w+)$/.exec(what)?.[1] ?? '')
    if (upstream) {
      const { method, params } = body as { method?: string; params?: { id?: string } }
      return forward(upstream.url, text, response, () => method === 'SubscribeToTask' && held.release(params?.id))
    }
    // Every task of the agent is known to the gateway.
    const taskId = /^GET \/v1\/tasks\/([^/]+)$/.exec(what)?.[1]
    if (taskId && agent.find(taskId)) return answer(200, { id: taskId, agent: 'echo' })
    const canned = CANNED[what]
    return canned
      ? answer(200, canned)
      : answer(
          404,
          { code: 'NOT_FOUND', detail: `there is nothing at ${what}`, hint: 'waypost agent list' },
          'application/problem+json',
        )
  }
  return {
    url,
    asked,
    agent,
    slow,
    once: (what, status, body) => void instead.set(what, { status, body }),
    close: async () => {
      for (const upstream of upstreams.values()) await upstream.close()
      await closed(server)
    },
  }
}

async function forward(target: string, body: string, response: ServerResponse, begun: () => unknown): Promise<void> {
  const answer = await fetch(target, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' })
  for await (const chunk of answer.body ?? []) {
    response.write(chunk)
    begun()
  }
  response.end()
}

interface HoldingClock {
  readonly clock: Clock
  /** Whoever fell asleep last is called this. */
  name(id: string): void
  release(id: string | undefined): void
}

/** Whoever sleeps by this clock wakes when called, or when its signal aborts. */
function holdingClock(): HoldingClock {
  const sleepers = new Map<string, () => void>()
  let last = () => {}
  const sleep: Clock['sleep'] = (_, signal) =>
    new Promise((resolve) => {
      last = resolve
      signal?.addEventListener('abort', () => resolve(), { once: true })
    })
  return {
    clock: { ...systemClock, sleep },
    name: (id) => void sleepers.set(id, last),
    release: (id) => sleepers.get(id ?? '')?.(),
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
