/** The gateway itself: its health, its keys, what it publishes, and these pages. */
import { z } from 'zod'
import { ROTATE } from '../../admin/signingKeys.ts'
import * as shown from '../answers.ts'
import { type Entry, type Group, pageOf } from '../entry.ts'

const document = z.looseObject({})
const KNOWN = { 'If-None-Match': 'the `ETag` of what is known: 304 if that is still so' }
const page = (summary: string, answer: Entry['answers'][number]): Entry => ({
  summary,
  headers: KNOWN,
  answers: { 200: answer, 304: 'as it was' },
})
const schema = (summary: string): Entry => ({
  ...page(summary, { media: 'application/schema+json', about: 'JSON Schema 2020-12', schema: document }),
  codes: ['METHOD_NOT_FOUND'],
})
const readiness: Entry = { summary: 'The process is alive', answers: { 200: shown.Live } }
const metadata: Entry = {
  summary: 'Who issues tokens that are taken here (RFC 9728)',
  answers: { 200: document },
  codes: ['METHOD_NOT_FOUND'],
}

export const GATEWAY: Group = {
  name: 'The gateway',
  about: 'Health, metrics, the keys that it signs with.',
  entries: {
    'GET /healthz': readiness,
    'GET /livez': readiness,
    'GET /readyz': {
      summary: 'It can serve: database, schema, not stopping',
      about: 'With `?verbose` each check by its name.',
      query: z.object({ verbose: z.string().optional() }),
      answers: { 200: shown.Ready, 503: shown.Ready },
    },
    'GET /metrics': {
      summary: 'Metrics for Prometheus',
      about: 'On a loopback listener without a credential for who is on this machine.',
      answers: { 200: { media: 'text/plain', about: 'in the text form' } },
      codes: ['PERMISSION_DENIED'],
    },
    'GET /v1/signing-keys': {
      summary: 'The keys that sign cards and webhooks',
      answers: { 200: pageOf(shown.SigningKey) },
    },
    'POST /v1/signing-keys/rotate': {
      summary: 'Sign with a new key',
      about: 'Older ones stay published for `graceSeconds`; 0: they end at once.',
      body: ROTATE,
      answers: { 200: pageOf(shown.SigningKey) },
    },
    'POST /v1/issuers/refresh': {
      summary: 'Ask the issuers of tokens for their keys now',
      answers: { 200: pageOf(shown.Issuer) },
    },
    'POST /v1/master-key/reseal': {
      summary: 'Seal all stored secrets anew under the present master key',
      answers: { 200: shown.Resealed },
    },
  },
}

export const PUBLISHED: Group = {
  name: 'Published documents',
  about: 'What everybody may read.',
  entries: {
    'GET /.well-known/jwks.json': page('Public keys for card signatures and webhook tokens', {
      ...{ media: 'application/jwk-set+json', about: 'RFC 7517', schema: z.object({ keys: z.array(document) }) },
    }),
    'GET /.well-known/ai-catalog.json': {
      summary: 'The public agents as a catalogue',
      answers: {
        200: {
          ...{ media: 'application/ai-catalog+json', about: 'AI Catalog' },
          schema: z.looseObject({ specVersion: z.string(), entries: z.array(document) }),
        },
      },
    },
    'GET /.well-known/oauth-protected-resource': metadata,
    'GET /.well-known/oauth-protected-resource/mcp': metadata,
    'GET /openapi.json': page('This interface as OpenAPI 3.1', z.looseObject({ openapi: z.string() })),
    'GET /docs': page('This interface as a page for people', { media: 'text/html', about: 'it loads nothing else' }),
    'GET /schemas': page('Which JSON Schemas there are', shown.SchemaIndex),
    'GET /schemas/': page('Which JSON Schemas there are', shown.SchemaIndex),
    'GET /schemas/:name': schema('The JSON Schema of settings, or of registrations'),
    'GET /schemas/a2a/:version/:name': schema('The JSON Schemas of A2A’s documents, of one version'),
  },
}

const mcp = (summary: string, more: Partial<Entry> = {}): Entry => ({
  summary,
  answers: { 200: { media: 'application/json', about: 'a JSON-RPC message of MCP; or a stream of them' } },
  codes: ['ORIGIN_REFUSED', 'RATE_LIMITED'],
  ...more,
})
export const MCP: Group = {
  name: 'MCP',
  about: 'Nine tools for hosts that speak MCP, over Streamable HTTP in the revisions of 2025 and 2026. No sessions.',
  entries: {
    'POST /mcp': mcp('One message of MCP', {
      body: z.looseObject({ jsonrpc: z.string() }),
      example: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
      answers: {
        200: { media: 'application/json', about: 'a JSON-RPC message of MCP; or a stream of them' },
        202: 'a notification was taken',
      },
      codes: ['ORIGIN_REFUSED', 'RATE_LIMITED', 'INVALID_REQUEST'],
    }),
    'GET /mcp': mcp('What MCP has no use for here', { answers: { 405: 'there are no sessions to listen to' } }),
    'DELETE /mcp': mcp('What MCP has no use for here', { answers: { 405: 'there are no sessions to end' } }),
  },
}
