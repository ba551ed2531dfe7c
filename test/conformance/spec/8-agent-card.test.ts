/** A2A 1.0 §8: the card is found, cached, and signed by somebody whose keys can be had. */
import { createRemoteJWKSet, decodeProtectedHeader, flattenedVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../../src/platform/canonicalJson.ts'
import type { Loose } from '../../cli/compliance/loose.ts'
import { section } from './section.ts'
import { canonical } from './ways.ts'

section('8 agent card', (at) => {
  const get = (path = '/.well-known/agent-card.json', headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${at().world.gateway.url}/agents/open${path}`, { method, headers })
  const of = (version: string) => ({ 'a2a-version': version })

  test('8.2 under its well-known path, for anybody, by the schema and no member more', async () => {
    const response = await get(undefined, of('1.0'))
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json'])
    const card = (await response.json()) as Loose
    // Defaults may be left out or not; nothing else may differ.
    expect(card).toMatchObject(canonical('GetExtendedAgentCard', card))
    // The path that older clients know is the same card.
    expect(await (await get('/.well-known/agent.json', of('1.0'))).json()).toEqual(card)
  })

  test('8.3 every interface that it lists answers, the version that it says', async () => {
    const card = (await (await get(undefined, of('1.0'))).json()) as Loose
    const kinds = card.supportedInterfaces.map(
      ({ protocolBinding, protocolVersion }: Loose) => `${protocolBinding} ${protocolVersion}`,
    )
    expect(kinds).toEqual(
      expect.arrayContaining(['JSONRPC 1.0', 'HTTP+JSON 1.0', 'GRPC 1.0', 'JSONRPC 0.3', 'HTTP+JSON 0.3']),
    )
    for (const { url, protocolBinding, protocolVersion } of card.supportedInterfaces) {
      if (protocolBinding !== 'JSONRPC') continue
      const method = protocolVersion === '1.0' ? 'GetTask' : 'tasks/get'
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { id: 'nobody' } })
      const response = await fetch(url, {
        method: 'POST',
        body,
        headers: { ...of(protocolVersion), 'content-type': 'application/json' },
      })
      expect(((await response.json()) as Loose).error.code).toBe(-32001)
    }
  })

  describe('8.6 caching', () => {
    test.each([['1.0'], ['0.3']])('what a reader of %s knows already is not sent again', async (version) => {
      const first = await get(undefined, of(version))
      const [etag, modified] = [first.headers.get('etag') as string, first.headers.get('last-modified') as string]
      expect(first.headers.get('cache-control')).toMatch(/max-age=\d+/)
      expect(first.headers.get('vary')).toContain('A2A-Version')
      for (const known of [
        { 'if-none-match': etag },
        { 'if-none-match': `"other", ${etag}` },
        { 'if-none-match': '*' },
        { 'if-modified-since': modified },
      ]) {
        const response = await get(undefined, { ...of(version), ...known })
        expect([response.status, await response.text(), response.headers.get('etag')]).toEqual([304, '', etag])
      }
      expect((await get(undefined, { ...of(version), 'if-none-match': '"another"' })).status).toBe(200)
      // If-None-Match decides alone.
      const both = { 'if-none-match': '"another"', 'if-modified-since': modified }
      expect((await get(undefined, { ...of(version), ...both })).status).toBe(200)
    })

    test('the two forms of it have two tags, and a HEAD has those of a GET', async () => {
      const [pure, hybrid, head] = await Promise.all([
        get(undefined, of('1.0')),
        get(),
        get(undefined, of('1.0'), 'HEAD'),
      ])
      expect(pure.headers.get('etag')).not.toBe(hybrid.headers.get('etag'))
      expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, pure.headers.get('etag'), ''])
      const asked = await get(undefined, { 'if-none-match': pure.headers.get('etag') as string })
      expect(asked.status).toBe(200)
    })
  })

  describe('8.4 signature', () => {
    const signed = async () => (await (await get(undefined, of('1.0'))).json()) as Loose
    const verify = async ({ signatures, ...card }: Loose) => {
      const payload = Buffer.from(canonicalJson(card)).toString('base64url')
      const good = await Promise.all(
        signatures.map(({ protected: header, signature }: Loose) => {
          const { jku } = decodeProtectedHeader({ protected: header }) as { jku: string }
          const keys = createRemoteJWKSet(new URL(jku))
          return flattenedVerify({ protected: header, signature, payload }, keys).then(
            () => true,
            () => false,
          )
        }),
      )
      return good.includes(true)
    }

    test('is by the keys that it names, over the canonical form, with the header that it must have', async () => {
      const card = await signed()
      for (const { protected: header } of card.signatures)
        expect(decodeProtectedHeader({ protected: header })).toMatchObject({
          ...{ alg: 'ES256', typ: 'JOSE', kid: expect.any(String) },
          jku: `${at().world.gateway.url}/.well-known/jwks.json`,
        })
      expect(await verify(card)).toBe(true)
      expect(await verify({ ...card, description: `${card.description}.` })).toBe(false)
    })
  })
})
