/**
 * Our own face: everything on the HTTP listener that is not A2A. Management routes, health, metrics, well-known documents;
 * the console and the pages are mounted by whoever has them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { A2AError } from '../a2a/errors.ts'
import type { Contacts } from '../gateway/agents/contacts.ts'
import type { Agents } from '../gateway/agents/registry.ts'
import type { ApiKeys } from '../gateway/callers/apiKeys.ts'
import type { NoteDenial } from '../gateway/callers/denials.ts'
import { denied } from '../gateway/callers/permits.ts'
import type { HappeningSignals } from '../happenings.ts'
import type { Clock } from '../platform/clock.ts'
import { failpoint } from '../platform/failpoints.ts'
import { type Authenticate, DEFAULT_TENANT, type PresentCard } from '../ports.ts'
import type { Db } from '../store/db.ts'
import { ClientGone } from '../wire/bindings/body.ts'
import { agentRoutes } from './admin/agents.ts'
import { auditRoutes } from './admin/audit.ts'
import { deliveryRoutes, type Replay } from './admin/deliveries.ts'
import type { Follow } from './admin/events.ts'
import { keyRoutes } from './admin/keys.ts'
import { matchRoutes } from './admin/match.ts'
import { type SigningKeyRoutesTools, signingKeyRoutes } from './admin/signingKeys.ts'
import { taskRoutes } from './admin/tasks.ts'
import { webhookRoutes } from './admin/webhooks.ts'
import { demandAll } from './demands.ts'
import { type Access, createAccess, type Face, type FaceContext, isFromHere, newFace } from './face.ts'
import type { Health } from './health.ts'
import { createHostCheck, isLoopbackBind } from './hosts.ts'
import type { Metrics } from './metrics.ts'
import { pageRoutes } from './openapi/routes.ts'
import { PROBLEM_TYPE, problem, problemOf, problemText, traceIdOf, writeProblem } from './problem.ts'
import { SAFE_HEADERS } from './safeHeaders.ts'
import { upstreamRoutes } from './upstream.ts'
import { type WellKnownTools, wellKnownRoutes } from './wellKnown.ts'

export interface FaceTools {
  readonly db: Db
  readonly clock: Clock
  readonly signals: HappeningSignals
  readonly agents: Agents
  readonly contacts: Contacts
  readonly keys: ApiKeys
  readonly authenticate: Authenticate
  readonly presentCard: PresentCard
  readonly health: Health
  readonly metrics: Metrics
  readonly jwks: () => object
  readonly signingKeys: SigningKeyRoutesTools['signingKeys']
  readonly reseal: SigningKeyRoutesTools['reseal']
  readonly noteDenial?: NoteDenial
  readonly refreshIssuers?: NonNullable<SigningKeyRoutesTools['refreshIssuers']>
  readonly metadataOf?: NonNullable<WellKnownTools['metadataOf']>
  readonly replay: Replay
  readonly follow: Follow
  readonly wake: (tenant: string, destination: string) => void
  /** An agent pushed to us; false: the token is not that of the task. */
  readonly receivePush: (taskId: string, token: string) => boolean
  /** Aborted when the gateway begins to stop: open streams are cut. */
  readonly draining: AbortSignal
  /** For cursors; the same on every replica. 32 bytes. */
  readonly pageKey: Buffer
  /** Without a trailing slash. */
  readonly publicUrl: () => string
  /** The address that is listened on. */
  readonly bind: string
  readonly enroll: 'loopback' | 'off'
  /** Routes of other folders. */
  readonly mounts?: readonly Face[]
}

export function createFace(tools: FaceTools): (request: IncomingMessage, response: ServerResponse) => void {
  const checkHost = createHostCheck(tools)
  const app = assemble(tools)
  const listen = getRequestListener(app.fetch as never, { overrideGlobalObjects: false })
  return (request, response) => {
    for (const [name, value] of Object.entries(SAFE_HEADERS)) response.setHeader(name, value)
    const refused = checkHost(request) ?? targetRefusal(request)
    if (refused)
      return writeProblem(response, problem(refused.status, refused.code, refused.detail, traceIdOf(request)))
    void listen(request, response)
  }
}

function assemble(tools: FaceTools): Face {
  const { signals, clock } = tools
  const app = newFace()
  const access = createAccess(tools.authenticate, tools.noteDenial)
  const faces = routesOf(tools, access)
  const known = faces.flatMap(patternsOf)
  app.use(async (context, next) => {
    const began = clock.elapsed()
    context.set('traceId', traceIdOf(context.env.incoming))
    await next()
    if (failpoint('face.reply')) context.env.outgoing.destroy()
    const method = context.req.method === 'HEAD' ? 'GET' : context.req.method
    const route = known.find((route) => route.method === method && route.pattern.test(context.req.path))
    const operation = route ? `${route.method} ${route.path}` : 'other'
    const { status } = context.res
    signals.emit('request.served', {
      binding: 'HTTP',
      operation,
      code: status < 400 ? 'OK' : `HTTP_${status}`,
      ms: clock.elapsed() - began,
    })
  })
  app.onError((error, context) => {
    const refused = problemOf(error, context.get('traceId'))
    if (refused.code === 'INTERNAL' && !(error instanceof ClientGone))
      signals.emit('service.failed', { service: 'http', error: `${refused.traceId}: ${error.stack ?? error.message}` })
    return context.body(problemText(refused), refused.status as never, {
      ...refused.headers,
      'Content-Type': PROBLEM_TYPE,
    })
  })
  demandAll(app, faces, access)
  for (const face of faces) app.route('/', face)
  app.notFound((context) => {
    const allow = [
      ...new Set(known.filter(({ pattern }) => pattern.test(context.req.path)).map(({ method }) => method)),
    ]
    const error =
      allow.length > 0
        ? new A2AError('METHOD_NOT_ALLOWED', `this path takes ${allow.join(', ')}`, {
            metadata: { allow: allow.join(', ') },
          })
        : new A2AError('METHOD_NOT_FOUND', 'there is nothing at this path', {
            metadata: { hint: 'all routes: /openapi.json' },
          })
    const refused = problemOf(error, context.get('traceId'))
    return context.body(problemText(refused), refused.status as never, {
      ...refused.headers,
      'Content-Type': PROBLEM_TYPE,
    })
  })
  return app
}

function routesOf(tools: FaceTools, access: Access): Face[] {
  const shared = { ...tools, access }
  const enrolls = tools.enroll === 'loopback' && isLoopbackBind(tools.bind)
  return [
    healthRoutes(tools.health),
    metricsRoutes(tools.metrics, async (context) => {
      if (isFromHere(context) && isLoopbackBind(tools.bind)) return
      // They are of the whole gateway.
      const { tenant } = await access.require(context, 'operator', 'observe')
      if (tenant !== DEFAULT_TENANT) throw denied('operator')
    }),
    wellKnownRoutes(tools),
    pageRoutes({ version: tools.health.alive().version, publicUrl: tools.publicUrl }),
    agentRoutes({ ...shared, enrolls }),
    matchRoutes(shared),
    keyRoutes(shared),
    signingKeyRoutes(shared),
    taskRoutes(shared),
    deliveryRoutes(shared),
    webhookRoutes(shared),
    auditRoutes(shared),
    upstreamRoutes(tools),
    ...(tools.mounts ?? []),
  ]
}

function healthRoutes(health: Health): Face {
  const face = newFace()
  face.get('/healthz', (context) => context.json(health.alive()))
  face.get('/livez', (context) => context.json(health.alive()))
  face.get('/readyz', async (context) => {
    const { ready, checks } = await health.ready()
    const verbose = context.req.query('verbose') !== undefined
    return context.json({ status: ready ? 'ready' : 'not ready', ...(verbose && { checks }) }, ready ? 200 : 503)
  })
  return face
}

function metricsRoutes(metrics: Metrics, permit: (context: FaceContext) => Promise<void>): Face {
  const face = newFace()
  face.get('/metrics', async (context) => {
    await permit(context)
    return context.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType })
  })
  return face
}

interface Route {
  readonly method: string
  readonly path: string
  readonly pattern: RegExp
}

/** Every route with its path as a pattern: tells a path that is not there from a method that it does not take. */
const patternsOf = (app: Face): Route[] =>
  app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => {
      const escaped = path.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      return { method, path, pattern: new RegExp(`^${escaped.replace(/:[a-zA-Z]+/g, '[^/]+').replaceAll('*', '.*')}$`) }
    })

const DOTS = /(^|\/)(\.|%2e){1,2}(\/|$)/i
/** Paths that routers read differently are refused before there is a router (SR-56). */
function targetRefusal({ url = '' }: IncomingMessage): { status: number; code: string; detail: string } | undefined {
  const path = url.replace(/[?#].*$/s, '')
  const bad =
    !path.startsWith('/') || path.includes('\\') || DOTS.test(path) || /%(?![0-9a-f]{2})|%2f|%5c|%00/i.test(path)
  return bad || !isUtf8(path)
    ? { status: 400, code: 'INVALID_REQUEST', detail: 'the path is not in a plain form' }
    : undefined
}

function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}
