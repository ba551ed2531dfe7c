/**
 * What every route of our own face demands of who asks (SR-20): enforced before the route is run, so that one that forgets
 * to ask lets nobody in that it should not; and one that stands in no row here keeps the gateway from starting.
 */
import type { MiddlewareHandler } from 'hono'
import type { Permit } from '../ports.ts'
import type { Access, Face, FaceEnv } from './face.ts'

/**
 * `anyone`: no credential, or one that is no caller's. `own`: any caller; what of it is whose, only the route can tell.
 * `here`: a caller, or somebody on this machine without a credential: the route tells. Else one of these permits.
 */
export type Demand = 'anyone' | 'own' | 'here' | readonly [Permit, ...Permit[]]

const operator: Demand = ['operator']
const admin: Demand = ['admin']
const looks: Demand = ['admin', 'observe']
const follows: Demand = ['read', 'observe']

/** By method and path as the routes are written. */
export const DEMANDS: Readonly<Record<string, Demand>> = {
  'GET /healthz': 'anyone',
  'GET /livez': 'anyone',
  'GET /readyz': 'anyone',
  'GET /metrics': 'here',
  'GET /.well-known/oauth-protected-resource': 'anyone',
  'GET /.well-known/oauth-protected-resource/mcp': 'anyone',
  'GET /.well-known/jwks.json': 'anyone',
  'GET /.well-known/ai-catalog.json': 'anyone',
  'GET /openapi.json': 'anyone',
  'GET /docs': 'anyone',
  'GET /schemas': 'anyone',
  'GET /schemas/': 'anyone',
  'GET /schemas/:name': 'anyone',
  'GET /schemas/a2a/:version/:name': 'anyone',
  'POST /v1/agents': 'here',
  'GET /v1/agents': ['card'],
  'GET /v1/agents/:agent': ['card'],
  'PATCH /v1/agents/:agent': 'own',
  'DELETE /v1/agents/:agent': 'own',
  'POST /v1/agents/:agent/probe': 'own',
  'POST /v1/agents/:agent/pause': 'own',
  'POST /v1/agents/:agent/resume': 'own',
  'POST /v1/agents/:agent/approve': admin,
  'POST /v1/agents/:agent/drain': 'own',
  'POST /v1/agents/:agent/rotate-key': 'own',
  'POST /v1/match': ['card'],
  'POST /v1/keys': admin,
  'GET /v1/keys': admin,
  'DELETE /v1/keys/:id': admin,
  'GET /v1/signing-keys': operator,
  'POST /v1/signing-keys/rotate': operator,
  'POST /v1/issuers/refresh': operator,
  'POST /v1/master-key/reseal': operator,
  'GET /v1/tasks': follows,
  'GET /v1/tasks/:id': follows,
  'GET /v1/tasks/:id/explain': follows,
  'GET /v1/tasks/:id/receipts': follows,
  'GET /v1/tasks/:id/events': ['read'],
  'GET /v1/deliveries': looks,
  'POST /v1/deliveries/replay': admin,
  'POST /v1/deliveries/:id/replay': admin,
  'GET /v1/webhooks': follows,
  'GET /v1/webhooks/attempts': follows,
  'GET /v1/audit': looks,
  'GET /v1/audit/verify': looks,
  'GET /v1/export': admin,
  'POST /v1/erase': admin,
  'POST /v1/channels': ['send'],
  'GET /v1/channels': ['read'],
  'GET /v1/channels/:name': ['read'],
  'PATCH /v1/channels/:name': ['send'],
  'DELETE /v1/channels/:name': ['send'],
  'GET /v1/channels/:name/posts': ['read'],
  'GET /v1/channels/:name/members': ['read'],
  'POST /v1/channels/:name/members': ['send'],
  'DELETE /v1/channels/:name/members': ['send'],
  'DELETE /v1/channels/:name/members/:agent': ['send'],
  'GET /v1/search': ['read'],
  'GET /v1/conversations': ['read'],
  'GET /v1/conversations/:id': ['read'],
  'GET /v1/conversations/:id/events': ['read'],
  // Rooms that were opened for everybody are open to all; who names a caller is asked who it is, and may enter its own.
  'POST /agent/demo/room': 'anyone',
  'POST /api/rooms': ['send'],
  'GET /api/rooms': 'own',
  'GET /agent/rooms/:id': 'anyone',
  'POST /agent/rooms/:id/join': 'anyone',
  'POST /agent/rooms/:id/messages': 'anyone',
  'GET /agent/rooms/:id/messages': 'anyone',
  'GET /agent/rooms/:id/history': 'anyone',
  'GET /agent/rooms/:id/stream': 'anyone',
  'DELETE /agent/rooms/:id/messages': 'own',
  'GET /api/rooms/:id': 'anyone',
  'POST /api/rooms/:id/join': 'anyone',
  'POST /api/rooms/:id/messages': 'anyone',
  'GET /api/rooms/:id/messages': 'anyone',
  'GET /api/rooms/:id/history': 'anyone',
  'GET /api/rooms/:id/stream': 'anyone',
  'DELETE /api/rooms/:id/messages': 'own',
  // By the token that the agent was given for this one task.
  'POST /v1/upstream/:task': 'anyone',
  'GET /v1/contacts': 'own',
  'PUT /v1/contacts/:contact': 'own',
  'DELETE /v1/contacts/:contact': 'own',
  'GET /v1/inbox': 'own',
  'POST /v1/inbox/lease': 'own',
  'GET /v1/inbox/events': 'own',
  'POST /v1/inbox/read': 'own',
  'POST /v1/leases/:lease/renew': 'own',
  'POST /v1/leases/:lease/update': 'own',
  'POST /v1/leases/:lease/complete': 'own',
  'POST /v1/leases/:lease/fail': 'own',
  'POST /v1/leases/:lease/reject': 'own',
  'POST /v1/leases/:lease/ask': 'own',
  'POST /v1/leases/:lease/auth': 'own',
  'POST /v1/leases/:lease/release': 'own',
  'GET /mcp': 'own',
  'POST /mcp': 'own',
  'DELETE /mcp': 'own',
}

/** Puts the demand of each of these routes before it. Throws a TypeError for one without: the gateway does not start. */
export function demandAll(app: Face, faces: readonly Face[], access: Access): void {
  for (const { method, path } of faces.flatMap((face) => face.routes)) {
    const name = `${method} ${path}`
    if (!Object.hasOwn(DEMANDS, name)) throw new TypeError(`the route ${name} does not say what it demands`)
    const demand = DEMANDS[name] as Demand
    if (demand === 'anyone' || demand === 'here') continue
    const permits = demand === 'own' ? [] : demand
    const guard: MiddlewareHandler<FaceEnv> = async (context, next) => {
      await access.require(context, ...permits)
      await next()
    }
    app.on(method, path, guard)
  }
}
