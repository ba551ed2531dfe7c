import { generateAgentCardSignature, AgentCard as SdkCard, verifyAgentCardSignature } from '@a2a-js/sdk'
import { describe, expect, test } from 'vitest'
import type { AgentCard, AgentCardSignature } from '../../../src/a2a/agentCard.ts'
import { verifyCard } from '../../../src/wire/bindings/cardTrust.ts'
import { createSigner, generateSigningKey } from '../../../src/wire/bindings/signing.ts'

const origin = 'https://gateway.example'
const issuer = () => origin
const card: AgentCard = {
  name: 'ä agent',
  description: 'signs',
  version: '1.0.0',
  capabilities: { streaming: true },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 's', name: 'S', description: 'd', tags: ['t'] }],
  supportedInterfaces: [{ url: `${origin}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
}

describe('a signed card', () => {
  test('is verified by its key, also after rotation, and by no other', async () => {
    const [first, second, foreign] = [
      await generateSigningKey(),
      await generateSigningKey(),
      await generateSigningKey(),
    ]
    const before = await createSigner({ keys: [first], issuer })
    const signed = { ...card, signatures: await before.signatures(card) }
    const after = await createSigner({ keys: [second, first], issuer })
    expect(after.jwks().keys.map(({ kid }) => kid)).toEqual([second.kid, first.kid])
    expect(await verifyCard(signed, before.jwks())).toBe('verified')
    expect(await verifyCard(signed, after.jwks())).toBe('verified')
    expect(await verifyCard(signed, (await createSigner({ keys: [foreign], issuer })).jwks())).toBe('invalid')
    expect(await verifyCard(card, after.jwks())).toBe('unsigned')
  })

  test('is invalid once a letter is changed, whatever the order of its members', async () => {
    const signer = await createSigner({
      keys: [await generateSigningKey()],
      issuer,
      jwksUrl: () => `${origin}/jwks.json`,
    })
    const [signature] = (await signer.signatures(card)) as [AgentCardSignature]
    const turned = Object.fromEntries(Object.entries(card).reverse()) as AgentCard
    expect(await verifyCard({ ...turned, signatures: [signature] }, signer.jwks())).toBe('verified')
    expect(await verifyCard({ ...card, name: 'a agent', signatures: [signature] }, signer.jwks())).toBe('invalid')
    const header = JSON.parse(Buffer.from(signature.protected, 'base64url').toString())
    expect(header).toEqual({ alg: 'ES256', kid: signer.jwks().keys[0]?.kid, typ: 'JOSE', jku: `${origin}/jwks.json` })
  })

  test('by algorithm none, or with the public key as a shared secret, is invalid', async () => {
    const signer = await createSigner({ keys: [await generateSigningKey()], issuer })
    const kid = signer.jwks().keys[0]?.kid
    for (const alg of ['none', 'HS256']) {
      const header = Buffer.from(JSON.stringify({ alg, kid })).toString('base64url')
      expect(await verifyCard({ ...card, signatures: [{ protected: header, signature: '' }] }, signer.jwks())).toBe(
        'invalid',
      )
    }
  })

  test('is verified by the official SDK', async () => {
    const signer = await createSigner({ keys: [await generateSigningKey()], issuer })
    const verify = verifyAgentCardSignature(async (kid) => {
      const key = signer.jwks().keys.find((one) => one.kid === kid)
      if (!key) throw new Error('unknown key')
      return key
    })
    // Members that equal their default are where implementations differ.
    const plain: AgentCard = {
      ...card,
      capabilities: { streaming: false, pushNotifications: false, extensions: [{ uri: 'urn:x', required: false }] },
      skills: [{ id: 's', name: 'S', description: 'd', tags: ['t'], examples: [] }],
      securityRequirements: [],
    }
    for (const one of [card, plain]) await verify({ ...one, signatures: await signer.signatures(one) } as never)
    const signed = { ...card, signatures: await signer.signatures(card) }
    await expect(verify({ ...signed, name: 'other' } as never)).rejects.toThrow()
  })
})

test('what the official SDK signs is verified, empty members and all', async () => {
  const key = await generateSigningKey()
  const sign = generateAgentCardSignature(key as never, { alg: 'ES256', kid: key.kid as string, typ: 'JOSE' })
  const plain = { ...card, description: '', skills: [], capabilities: { extensions: [] } }
  const jwks = (await createSigner({ keys: [key], issuer })).jwks()
  for (const one of [card, plain]) {
    const { signatures } = await sign(SdkCard.fromJSON(one))
    const signed = {
      ...one,
      signatures: signatures.map(({ protected: header, signature }) => ({ protected: header, signature })),
    }
    expect(await verifyCard(signed, jwks)).toBe('verified')
    expect(await verifyCard({ ...signed, version: '2' }, jwks)).toBe('invalid')
  }
})

test('a signer wants ES256 private keys', async () => {
  await expect(createSigner({ keys: [], issuer })).rejects.toThrow(TypeError)
  const { d: _, ...open } = await generateSigningKey()
  await expect(createSigner({ keys: [open], issuer })).rejects.toThrow(TypeError)
})
