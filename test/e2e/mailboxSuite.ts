/** What agents without a server are promised, through real sockets and a real database. Run on both drivers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Task } from '../../src/a2a/tasks.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { aCollector } from '../support/collector.ts'
import { aWorld, type Client, type World } from '../support/world.ts'

const now = { returnImmediately: true }
const stateOf = (task: Task) => task.status.state
const textOf = (task: Task) =>
  (task.artifacts ?? []).flatMap(({ parts }) => parts.map((part) => part.text ?? '')).join('|')
const EXTENSION = 'urn:x-waypost:store-and-forward:1'
const withPriority = (priority: string | number) => ({ [EXTENSION]: { priority } })

export function mailboxSuite(driver: string, open: () => Promise<{ databaseUrl?: string; close: () => Promise<void> }>) {
  describe(`the mailbox on ${driver}`, () => {
    let world: World
    let database: Awaited<ReturnType<typeof open>>
    let made = 0
    /** An agent of the test's own, its client, and how to send it something. */
    const anAgent = async (more: Record<string, unknown> = {}) => {
      const agent = await aCollector(world, `m${++made}`, more)
      const client: Client = world.client(agent.name)
      const send = (text: string, sent: Parameters<Client['send']>[1] = {}) =>
        client.send(text, { configuration: now, ...sent })
      return { agent, client, send }
    }

    beforeAll(async () => {
      database = await open()
      world = await aWorld({
        ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
        env: { WAYPOST_BLOCK_SECONDS: '20' },
        limits: { leaseSecondsMin: 1, cancelGraceMs: 600 },
      })
    })
    afterAll(async () => {
      await world?.stop()
      await database?.close()
    })

    describe('work', () => {
      test('waits for an agent that never ran, is leased, completed, and comes home', async () => {
        const { agent, client, send } = await anAgent()
        const sent = await send('hello')
        expect(stateOf(sent)).toBe('TASK_STATE_SUBMITTED')
        const work = await agent.lease()
        expect(work).toMatchObject({
          attempt: 1,
          text: 'hello',
          from: 'operator',
          kind: 'task',
          priority: 'normal',
          skill: null,
          deadline: null,
          checkpoint: null,
          more: 0,
          message: { role: 'ROLE_USER', parts: [{ text: 'hello' }] },
          task: { id: sent.id, contextId: sent.contextId, status: { state: 'TASK_STATE_WORKING' } },
        })
        expect(stateOf(await client.get(sent.id))).toBe('TASK_STATE_WORKING')
        const done = await agent.say(work.lease, 'complete', { text: 'HELLO' })
        expect(done.json).toEqual({
          lease: work.lease,
          delivery: work.delivery,
          settled: 'complete',
          task: { id: sent.id, contextId: sent.contextId, status: { state: 'TASK_STATE_COMPLETED' } },
        })
        const ended = await client.get(sent.id)
        expect([stateOf(ended), textOf(ended)]).toEqual(['TASK_STATE_COMPLETED', 'HELLO'])
        expect(await agent.lease()).toBeUndefined()
      })

      test('wakes a waiting call, and a blocking sender gets the answer', async () => {
        const { agent, client } = await anAgent()
        const working = (async () => {
          const work = await agent.lease({}, 20)
          return agent.say(work.lease, 'complete', work.text.toUpperCase(), { type: 'text/plain' })
        })()
        const task = await client.send('shout')
        expect([stateOf(task), textOf(task)]).toEqual(['TASK_STATE_COMPLETED', 'SHOUT'])
        expect((await working).status).toBe(200)
      })
    })
  })
}
export { uuidv7, withPriority }
