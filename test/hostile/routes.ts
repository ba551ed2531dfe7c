/**
 * Who may call which route of our own face, written down by hand from the interface's pages: the product's own table is
 * compared with it, and a route that is in one of them only fails the matrix.
 */
import type { Principal } from './principals.ts'

/** Those who get further than the door; what they find there is another matter. */
type Who = readonly Principal[]

const ANYONE = 'anyone'
const CALLERS: Who = [
  ...(['other tenant', 'other tenant’s admin', 'other owner', 'owner', 'reader', 'observer', 'only cards'] as const),
  ...(['for another agent', 'agent', 'other agent', 'admin', 'operator'] as const),
]
const without = (...names: readonly Principal[]): Who => CALLERS.filter((one) => !names.includes(one))
/** The words of what they may: `read` is tasks and cards. */
const CARDS: Who = without('reader', 'observer')
const READS: Who = without('observer', 'only cards')
const FOLLOWS: Who = without('only cards')
const SENDS: Who = without('reader', 'observer', 'only cards')
const ADMINS: Who = ['other tenant’s admin', 'admin', 'operator']
const LOOKS: Who = [...ADMINS, 'observer']
const OPERATORS: Who = ['operator']
const COLLECTS: Who = ['agent', 'other agent']

export const ROUTES: Readonly<Record<string, Who | typeof ANYONE>> = {
  'GET /healthz': ANYONE,
  'GET /livez': ANYONE,
  'GET /readyz': ANYONE,
  // On a loopback listener to whoever is on this machine.
  'GET /metrics': ANYONE,
  'GET /.well-known/oauth-protected-resource': ANYONE,
  'GET /.well-known/oauth-protected-resource/mcp': ANYONE,
  'GET /.well-known/jwks.json': ANYONE,
  'GET /.well-known/ai-catalog.json': ANYONE,
  'GET /openapi.json': ANYONE,
  'GET /docs': ANYONE,
  'GET /schemas': ANYONE,
  'GET /schemas/': ANYONE,
  'GET /schemas/:name': ANYONE,
  'GET /schemas/a2a/:version/:name': ANYONE,
  // Whoever is on this machine may register a mailbox; a wrong credential is refused all the same.
  'POST /v1/agents': ANYONE,
  'GET /v1/agents': CARDS,
  'GET /v1/agents/:agent': CARDS,
  'PATCH /v1/agents/:agent': CALLERS,
  'DELETE /v1/agents/:agent': CALLERS,
  'POST /v1/agents/:agent/probe': CALLERS,
  'POST /v1/agents/:agent/pause': CALLERS,
  'POST /v1/agents/:agent/resume': CALLERS,
  'POST /v1/agents/:agent/approve': ADMINS,
  'POST /v1/agents/:agent/drain': CALLERS,
  'POST /v1/agents/:agent/rotate-key': CALLERS,
  'POST /v1/match': CARDS,
  'POST /v1/keys': ADMINS,
  'GET /v1/keys': ADMINS,
  'DELETE /v1/keys/:id': ADMINS,
  'GET /v1/signing-keys': OPERATORS,
  'POST /v1/signing-keys/rotate': OPERATORS,
  'POST /v1/issuers/refresh': OPERATORS,
  'POST /v1/master-key/reseal': OPERATORS,
  'GET /v1/tasks': FOLLOWS,
  'GET /v1/tasks/:id': FOLLOWS,
  'GET /v1/tasks/:id/explain': FOLLOWS,
  'GET /v1/tasks/:id/receipts': FOLLOWS,
  'GET /v1/tasks/:id/events': READS,
  'GET /v1/deliveries': LOOKS,
  'POST /v1/deliveries/replay': ADMINS,
  'POST /v1/deliveries/:id/replay': ADMINS,
  'GET /v1/webhooks': FOLLOWS,
  'GET /v1/webhooks/attempts': FOLLOWS,
  'GET /v1/audit': LOOKS,
  'GET /v1/audit/verify': LOOKS,
  'GET /v1/export': ADMINS,
  'POST /v1/erase': ADMINS,
  'POST /v1/channels': SENDS,
  'GET /v1/channels': READS,
  'GET /v1/channels/:name': READS,
  'PATCH /v1/channels/:name': SENDS,
  'DELETE /v1/channels/:name': SENDS,
  'GET /v1/channels/:name/posts': READS,
  'GET /v1/channels/:name/members': READS,
  'POST /v1/channels/:name/members': SENDS,
  'DELETE /v1/channels/:name/members': SENDS,
  'DELETE /v1/channels/:name/members/:agent': SENDS,
  'GET /v1/search': READS,
  'GET /v1/conversations': READS,
  'GET /v1/conversations/:id': READS,
  'GET /v1/conversations/:id/events': READS,
  'POST /agent/demo/room': ANYONE,
  'POST /api/rooms': SENDS,
  'GET /api/rooms': CALLERS,
  'GET /agent/rooms/:id': ANYONE,
  'POST /agent/rooms/:id/join': ANYONE,
  'POST /agent/rooms/:id/messages': ANYONE,
  'GET /agent/rooms/:id/messages': ANYONE,
  'GET /agent/rooms/:id/history': ANYONE,
  'GET /agent/rooms/:id/stream': ANYONE,
  'DELETE /agent/rooms/:id/messages': CALLERS,
  'GET /api/rooms/:id': ANYONE,
  'POST /api/rooms/:id/join': ANYONE,
  'POST /api/rooms/:id/messages': ANYONE,
  'GET /api/rooms/:id/messages': ANYONE,
  'GET /api/rooms/:id/history': ANYONE,
  'GET /api/rooms/:id/stream': ANYONE,
  'DELETE /api/rooms/:id/messages': CALLERS,
  'POST /v1/upstream/:task': ANYONE,
  // An agent its own; others name one with `?agent=`, and without find none that is theirs.
  'GET /v1/contacts': COLLECTS,
  'PUT /v1/contacts/:contact': COLLECTS,
  'DELETE /v1/contacts/:contact': COLLECTS,
  'GET /v1/inbox': COLLECTS,
  'POST /v1/inbox/lease': COLLECTS,
  'GET /v1/inbox/events': COLLECTS,
  'POST /v1/inbox/read': COLLECTS,
  'POST /v1/leases/:lease/renew': COLLECTS,
  'POST /v1/leases/:lease/update': COLLECTS,
  'POST /v1/leases/:lease/complete': COLLECTS,
  'POST /v1/leases/:lease/fail': COLLECTS,
  'POST /v1/leases/:lease/reject': COLLECTS,
  'POST /v1/leases/:lease/ask': COLLECTS,
  'POST /v1/leases/:lease/auth': COLLECTS,
  'POST /v1/leases/:lease/release': COLLECTS,
  'GET /mcp': CALLERS,
  'POST /mcp': CALLERS,
  'DELETE /mcp': CALLERS,
}
