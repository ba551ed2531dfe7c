/** What an agent requires is required at the door, in every version and binding, whether its card or its registration says so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AgentCard } from '../../src/a2a/agentCard.ts'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { aWorld, type World } from '../support/world.ts'
import { ask, reasonOf, requestFor, SURFACES } from './surfaces.ts'

const URI = 'https://example.com/ext/trace/v1'
const required = [{ uri: URI, required: true }, { uri: 'urn:optional' }]

let world: World
let agent: ScriptedAgent
beforeAll(async () => {
  agent = await startAgent({
    card: (card) => ({ ...card, capabilities: { ...(card.capabilities as object), extensions: required } }),
  })
  world = await aWorld({
    cards: {
      push: { connector: { kind: 'a2a', url: agent.url } },
      box: { connector: { kind: 'mailbox' }, extensions: required },
    },
  })
  await fetch(`${world.gateway.url}/v1/agents/push/probe`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.gateway.adminKey}` },
  })
})
afterAll(async () => {
  await world?.stop()
  await agent?.stop()
})

describe.each(['push', 'box'])('an agent that requires an extension: %s', (name) => {
  test.each(
    SURFACES.flatMap((surface) =>
      (['SendMessage', 'SendStreamingMessage'] as const).map((op) => [surface, op] as const),
    ),
  )('%s %s without it is refused, and leaves nothing behind', async (surface, operation) => {
    const answer = await ask(world, name, requestFor(surface, operation, ''), world.gateway.adminKey)
    expect(reasonOf(answer)).toBe('EXTENSION_SUPPORT_REQUIRED')
    // 0.3 has no number of its own for it.
    const code = surface.endsWith('1.0') ? -32008 : -32004
    expect(answer.text).toContain(URI)
    if (surface.startsWith('JSON')) expect(answer.text).toContain(`"code":${code}`)
    else expect(answer.status).toBe(400)
    const { result } = await world.client(name).rpc('ListTasks', {})
    expect(result.totalSize).toBe(0)
  })

  test('its card says so, and who asks for it is served and told what is active', async () => {
    const base = `${world.gateway.url}/agents/${name}`
    const served = await fetch(`${base}/.well-known/agent-card.json`, { headers: { 'a2a-version': '1.0' } })
    const { capabilities } = (await served.json()) as AgentCard
    const extensions = capabilities.extensions ?? []
    expect(extensions.filter((extension) => extension.required).map(({ uri }) => uri)).toEqual([URI])
    const message = { messageId: crypto.randomUUID(), role: 'ROLE_USER', parts: [{ text: 'hello' }] }
    const response = await fetch(`${base}/message:send`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'a2a-version': '1.0',
        'a2a-extensions': `${URI}, urn:unknown`,
        authorization: `Bearer ${world.gateway.adminKey}`,
      },
      body: JSON.stringify({ message, configuration: { returnImmediately: true } }),
    })
    expect([response.status, response.headers.get('a2a-extensions')]).toEqual([200, URI])
  })
})

test('the agent is asked for it in the sender’s words', async () => {
  const { headers } = await agent.log.next(({ operation }) => /^Send/.test(operation))
  expect(headers['a2a-extensions']).toBe(`${URI}, urn:unknown`)
})
