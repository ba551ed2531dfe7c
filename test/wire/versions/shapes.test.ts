/** Cards in the shapes that are seen in the wild: fetched, understood, and shown in both presentations as the schemas want them. */
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AgentCard as SdkCard } from '@a2a-js/sdk'
import { fromJson, type JsonObject, toJson } from '@bufbuild/protobuf'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { AgentCard } from '../../../src/a2a/agentCard.ts'
import { type Agent, policyOf } from '../../../src/gateway/agents/agent.ts'
import { cleanCard } from '../../../src/gateway/agents/cards.ts'
import { createPresentCard, waysIn } from '../../../src/gateway/agents/present.ts'
import { parseRegistration } from '../../../src/gateway/agents/registration.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import type { Egress } from '../../../src/platform/egress.ts'
import { createFetchCard } from '../../../src/wire/bindings/card.ts'
import { AgentCardSchema } from '../../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { createSigner, generateSigningKey, type Signer } from '../../../src/wire/bindings/signing.ts'
import { decodeAnyCard, VERSIONS } from '../../../src/wire/versions/table.ts'
import { sdkAccepts } from '../../support/cardVerifiers.ts'
import { loopbackEgress } from '../bindings/peers.ts'

interface Shape {
  readonly file: string
  readonly shape: string
  /** Where it is served; default: agent-card.json. */
  readonly at?: string
  /** Binding and version of each interface that is understood. */
  readonly speaks: readonly string[]
  readonly skills?: number
  readonly extended?: boolean
  readonly schemes?: readonly string[]
  readonly extensions?: readonly string[]
  readonly card: Record<string, unknown>
}
const folder = new URL('../../fixtures/cards/shapes/', import.meta.url)
const SHAPES: Shape[] = readdirSync(folder).map((file) => ({
  file,
  ...(JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Omit<Shape, 'file'>),
}))

/** What the 0.3 specification requires of a card, in our words. */
const text = { type: 'string' }
const texts = { type: 'array', items: text }
const scheme = {
  type: 'object',
  required: ['type'],
  oneOf: [
    {
      properties: { type: { const: 'apiKey' }, in: { enum: ['header', 'query', 'cookie'] } },
      required: ['in', 'name'],
    },
    { properties: { type: { const: 'http' } }, required: ['scheme'] },
    { properties: { type: { const: 'oauth2' }, flows: { type: 'object' } }, required: ['flows'] },
    { properties: { type: { const: 'openIdConnect' } }, required: ['openIdConnectUrl'] },
    { properties: { type: { const: 'mutualTLS' } } },
  ],
}
const isOldCard = new Ajv({ allErrors: true, strict: false }).compile({
  type: 'object',
  required: [
    ...['name', 'description', 'url', 'version', 'protocolVersion', 'preferredTransport', 'capabilities'],
    ...['defaultInputModes', 'defaultOutputModes', 'skills'],
  ],
  properties: {
    ...{ name: text, description: text, version: text, iconUrl: text, documentationUrl: text },
    url: { type: 'string', pattern: '^https?://' },
    protocolVersion: { const: '0.3' },
    preferredTransport: { enum: ['JSONRPC', 'GRPC', 'HTTP+JSON'] },
    additionalInterfaces: {
      type: 'array',
      items: { type: 'object', required: ['url', 'transport'], properties: { url: text, transport: text } },
    },
    provider: { type: 'object', required: ['organization', 'url'] },
    capabilities: {
      type: 'object',
      properties: {
        streaming: { type: 'boolean' },
        pushNotifications: { type: 'boolean' },
        extensions: { type: 'array' },
      },
    },
    supportsAuthenticatedExtendedCard: { type: 'boolean' },
    securitySchemes: { type: 'object', additionalProperties: scheme },
    security: { type: 'array', items: { type: 'object', additionalProperties: texts } },
    ...{ defaultInputModes: texts, defaultOutputModes: texts },
    skills: {
      type: 'array',
      items: {
        type: 'object',
        required: ['id', 'name', 'description', 'tags'],
        properties: { id: text, name: text, description: text, tags: texts, examples: texts, inputModes: texts },
      },
    },
  },
})

/** Where a card says nothing: verifiers leave that out, and strict readers refuse it. Scopes may be none, and a provider may have no page. */
function emptyIn(value: unknown, path = ''): string[] {
  if (
    (value === '' && path !== '.provider.url') ||
    (Array.isArray(value) && value.length === 0 && !path.endsWith('.list'))
  )
    return [path]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) => emptyIn(inner, `${path}.${name}`))
}

let server: Server
let base: string
let egress: Egress
let signer: Signer
let page: { path: string; body: string }
beforeAll(async () => {
  vi.spyOn(console, 'debug').mockImplementation(() => {})
  egress = loopbackEgress()
  signer = await createSigner({ keys: [await generateSigningKey()], issuer: () => 'https://gw.test' })
  server = createServer(({ url }, response) => {
    if (url !== page.path) return void response.writeHead(404).end()
    response.end(page.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await egress.close()
  server.close()
})

test('there are many of them, of all versions', () => {
  expect(SHAPES.length).toBeGreaterThanOrEqual(25)
  for (const version of ['0.2', '0.3', 'hybrid', '1.0'])
    expect(SHAPES.filter(({ file }) => file.startsWith(version)).length).toBeGreaterThan(1)
})

describe.each(SHAPES)('$file', ({ file: _, ...shape }) => {
  let card: AgentCard
  const fetched = async () => {
    page = {
      path: `/${shape.at ?? '.well-known/agent-card.json'}`,
      body: JSON.stringify(shape.card).replaceAll('BASE', base),
    }
    const target = { tenant: 't', name: 'a', url: `${base}/`, headers: {} }
    const answer = await createFetchCard({ egress, clock: systemClock })(target, AbortSignal.timeout(5_000))
    if (answer.kind === 'failed') throw new Error(JSON.stringify(answer.verdict))
    return cleanCard(answer.card)
  }
  const presented = async () => {
    const { registration } = parseRegistration({ name: 'a', connector: { kind: 'a2a', url: `${base}/` } })
    const agent: Agent = {
      ...{ tenant: 'default', name: 'a', owner: 'o', provisioned: false, destination: 'agent:a' },
      ...{ modifiedAt: new Date(0), createdAt: new Date(0) },
      ...{ connector: registration.connector, policy: policyOf(registration), registration, card },
    }
    const present = createPresentCard({
      find: async () => agent,
      findOpen: async () => agent,
      publicUrl: () => 'https://gw.test',
      interfaces: waysIn(['1.0', '0.3'], undefined),
      sign: signer.signatures,
    })
    return (await present('a', undefined))?.card as AgentCard
  }

  test('is fetched and understood', async () => {
    card = await fetched()
    expect(AgentCard.parse(card)).toEqual(card)
    const { supportedInterfaces, capabilities, securitySchemes = {}, skills } = card
    expect(supportedInterfaces.map((one) => `${one.protocolBinding} ${one.protocolVersion}`)).toEqual(shape.speaks)
    for (const { url } of supportedInterfaces) expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+|^127\.0\.0\.1:50051$/)
    expect(skills).toHaveLength(shape.skills ?? 1)
    expect(capabilities.extendedAgentCard ?? false).toBe(shape.extended ?? false)
    if (shape.schemes) expect(Object.keys(securitySchemes).sort()).toEqual(shape.schemes)
    expect((capabilities.extensions ?? []).map(({ uri }) => uri)).toEqual(shape.extensions ?? [])
  })

  test('is shown pure, as the proto has it, signed for the official verifier', async () => {
    const pure = VERSIONS['1.0']?.encodeCard(await presented()) as JsonObject & { signatures: object[] }
    // Strict: a member that the proto does not know is an error.
    const message = fromJson(AgentCardSchema, pure)
    expect(fromJson(AgentCardSchema, toJson(AgentCardSchema, message))).toEqual(message)
    expect(AgentCard.parse(pure)).toEqual(pure)
    expect(decodeAnyCard(pure)).toEqual(pure)
    expect(await sdkAccepts(pure as object, signer.jwks() as never)).toBe(true)
    expect(emptyIn({ ...pure, capabilities: {} })).toEqual([])
    expect(JSON.stringify(pure)).not.toMatch(/127\.0\.0\.1|javascript:|\u202e/)
  })

  test('is shown as a hybrid that both versions read', async () => {
    const ours = await presented()
    const hybrid = VERSIONS['0.3']?.encodeCard(ours) as Record<string, unknown>
    expect([isOldCard(hybrid), isOldCard.errors]).toEqual([true, null])
    expect(hybrid).toMatchObject({ url: 'https://gw.test/agents/a/', preferredTransport: 'JSONRPC' })
    const asNew = SdkCard.fromJSON(hybrid)
    const { signatures: _, ...unsigned } = ours
    expect(SdkCard.toJSON(asNew)).toEqual(SdkCard.toJSON(SdkCard.fromJSON(unsigned)))
    const old = VERSIONS['0.3']?.decodeCard(hybrid)
    expect(old?.skills).toEqual(ours.skills)
    expect(Object.keys(old?.securitySchemes ?? {})).toEqual(Object.keys(ours.securitySchemes ?? {}))
  })
})
