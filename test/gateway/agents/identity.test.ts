/** What may change in a card without anybody looking, and what may not. */
import { expect, test } from 'vitest'
import type { AgentCard } from '../../../src/a2a/agentCard.ts'
import {
  approvedAs,
  changesBetween,
  following,
  type Identity,
  identityOf,
  pendingOf,
} from '../../../src/gateway/agents/identity.ts'
import type { CardSignatures } from '../../../src/ports.ts'

const HOME = 'https://agent.example/a2a'
const signatures = (verified: string[], claimed: string[] = verified): CardSignatures => ({
  state: verified.length > 0 ? 'verified' : claimed.length > 0 ? 'unverified' : 'unsigned',
  verified,
  claimed,
})
const card = (urls: string[], more: Partial<AgentCard> = {}): AgentCard => ({
  name: 'a',
  description: 'd',
  version: '1',
  capabilities: {},
  defaultInputModes: [],
  defaultOutputModes: [],
  skills: [],
  supportedInterfaces: urls.map((url) => ({ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' })),
  ...more,
})
const grpc = (url: string): Identity =>
  identityOf(card([], { supportedInterfaces: [{ url, protocolBinding: 'GRPC', protocolVersion: '1.0' }] }), {
    rules: 'r',
  })
const identity = (urls: string[], more: Partial<AgentCard> = {}, by: CardSignatures = signatures([])): Identity =>
  identityOf(card(urls, more), { signatures: by, rules: 'r' })
const what = (known: Identity | undefined, now: Identity) =>
  changesBetween(known, now, HOME).map((change) => change.what)

const bearer = { b: { httpAuthSecurityScheme: { scheme: 'Bearer' } } }

test('the first card is taken as it is, if it leads where the agent was registered', () => {
  expect(what(undefined, identity([HOME], { securitySchemes: bearer }, signatures(['k'])))).toEqual([])
  expect(what(undefined, identity([HOME, 'https://other.example/']))).toEqual([])
  const [change] = changesBetween(undefined, identity(['https://other.example/x']), HOME)
  expect(change).toEqual({ what: 'origin', from: ['https://agent.example'], to: ['https://other.example'] })
})

test.each<[string, string[], string[]]>([
  ['another path', ['https://agent.example/v2'], []],
  ['the default port, written out', ['https://agent.example:443/a2a'], []],
  ['another port', ['https://agent.example:8443/a2a'], ['origin']],
  ['no longer https', ['http://agent.example/a2a'], ['origin']],
  ['a subdomain', ['https://api.agent.example/'], ['origin']],
  ['one more, elsewhere', [HOME, 'https://other.example/'], ['origin']],
  ['gRPC, as host and port', [HOME, 'agent.example:50051'], ['origin']],
])('origin: %s', (_, urls, expected) => expect(what(identity([HOME]), identity(urls))).toEqual(expected))

test('gRPC may have a port of its own at the same host, and keeps it', () => {
  expect(what(undefined, grpc('agent.example:50051'))).toEqual([])
  expect(what(undefined, grpc('https://agent.example:50051'))).toEqual([])
  expect(what(undefined, grpc('other.example:50051'))).toEqual(['origin'])
  expect(what(grpc('agent.example:50051'), grpc('https://agent.example:50051/'))).toEqual([])
  expect(what(grpc('agent.example:50051'), grpc('agent.example:50052'))).toEqual(['origin'])
})

test('an origin that was there from the beginning is no change, but not spoken to either', () => {
  const known = identity([HOME, 'https://other.example/'])
  expect(what(known, identity([HOME]))).toEqual([])
  expect(what(known, identity(['https://other.example/']))).toEqual(['origin'])
  expect(following(known, identity([HOME])).origins).toEqual(['https://agent.example', 'https://other.example'])
})

test('what was approved stays approved', () => {
  const approved = approvedAs(identity(['https://other.example/x']))
  expect(approved.approved).toEqual(['https://other.example'])
  expect(what(approved, identity(['https://other.example/y']))).toEqual([])
  expect(what(approved, identity(['https://third.example/']))).toEqual(['origin'])
  expect(following(approved, identity([HOME])).approved).toEqual(['https://other.example'])
})

test.each<[string, Partial<AgentCard>, string[]]>([
  ['the same', { securitySchemes: bearer }, []],
  [
    'another description',
    { securitySchemes: { b: { httpAuthSecurityScheme: { scheme: 'Bearer', description: 'x' } } } },
    [],
  ],
  ['gone', {}, ['auth']],
  ['another kind', { securitySchemes: { b: { mtlsSecurityScheme: {} } } }, ['auth']],
  ['one more', { securitySchemes: { ...bearer, c: { mtlsSecurityScheme: {} } } }, ['auth']],
  ['required', { securitySchemes: bearer, securityRequirements: [{ schemes: { b: { list: [] } } }] }, ['auth']],
])('authentication: %s', (_, more, expected) =>
  expect(what(identity([HOME], { securitySchemes: bearer }), identity([HOME], more))).toEqual(expected),
)

test.each<[string, CardSignatures, CardSignatures, string[]]>([
  ['never signed', signatures([]), signatures([]), []],
  ['signed now', signatures([]), signatures(['a']), []],
  ['the same key', signatures(['a']), signatures(['a']), []],
  ['a second one beside it', signatures(['a']), signatures(['a', 'b']), []],
  ['another one', signatures(['a']), signatures(['b']), ['key']],
  ['no longer signed', signatures(['a']), signatures([]), ['key']],
  ['no longer verified, by the same name', signatures(['a'], ['k']), signatures([], ['k']), ['key']],
  ['another name, nobody verifies', signatures([], ['k']), signatures([], ['l']), ['key']],
  ['the same name, nobody verifies', signatures([], ['k']), signatures([], ['k']), []],
])('signer: %s', (_, before, after, expected) =>
  expect(what(identity([HOME], {}, before), identity([HOME], {}, after))).toEqual(expected),
)

test('all that has changed is told, old and new, and the change has a name of its own', () => {
  const known = identity([HOME], { securitySchemes: bearer }, signatures(['a']))
  const now = identity(['https://evil.example/'], {}, signatures(['b']))
  const changes = changesBetween(known, now, HOME)
  expect(changes).toEqual([
    { what: 'origin', from: ['https://agent.example'], to: ['https://evil.example'] },
    { what: 'auth', from: ['b: {"httpAuthSecurityScheme":{"scheme":"Bearer"}}'], to: [] },
    { what: 'key', from: ['a (verified)'], to: ['b (verified)'] },
  ])
  const at = new Date(5)
  const { change } = pendingOf(now, changes, at)
  expect(pendingOf(now, changes, new Date(6)).change).toBe(change)
  expect(pendingOf(identity([HOME]), [], at).change).not.toBe(change)
})

test('a scheme of a hundred kilobytes is known by its digest', () => {
  const big = (text: string) => ({ b: { openIdConnectSecurityScheme: { openIdConnectUrl: text } } })
  const [one, other] = ['x'.repeat(100_000), `${'x'.repeat(99_999)}y`].map((text) =>
    identity([HOME], { securitySchemes: big(text) }),
  ) as [Identity, Identity]
  expect(JSON.stringify(one.auth).length).toBeLessThan(500)
  expect(what(one, other)).toEqual(['auth'])
})
