import { expect, test } from 'vitest'
import { aCollector } from '../support/collector.ts'
import { aWorld } from '../support/world.ts'
import { mailboxSuites } from './mailboxSuites.ts'

for (const suite of mailboxSuites) suite('the embedded database', async () => ({ close: async () => {} }))

test('a lease outlives the gateway: its holder settles with the next one', async () => {
  const first = await aWorld()
  const agent = await aCollector(first, 'shout')
  const asker = await aCollector(first, 'asker')
  const sent = await first.client('shout', asker.token).send('hello', { configuration: { returnImmediately: true } })
  const { lease } = await agent.lease()
  // A call that waits is let go with an empty answer.
  const waiting = agent.lease({}, 50)
  await expect.poll(async () => (await agent.say(lease, 'renew')).status).toBe(200)
  await first.stop({ keep: true })
  expect(await waiting).toBeUndefined()
  const second = await aWorld({ directory: first.directory })
  const settled = await fetch(`${second.gateway.url}/v1/leases/${lease}/complete`, {
    method: 'POST',
    headers: { authorization: `Bearer ${agent.token}`, 'content-type': 'text/plain' },
    body: 'HELLO',
  })
  expect(settled.status).toBe(200)
  expect((await second.client('shout', asker.token).get(sent.id)).status.state).toBe('TASK_STATE_COMPLETED')
  // Who asked was gone all the while, and finds it in its own mailbox.
  const home = await fetch(`${second.gateway.url}/v1/inbox/lease`, {
    method: 'POST',
    headers: { authorization: `Bearer ${asker.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ kind: 'result' }),
  })
  expect(await home.json()).toMatchObject({ kind: 'result', text: 'HELLO', task: { id: sent.id } })
  await second.stop()
})
