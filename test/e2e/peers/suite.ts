/** What an unmodified client of an official SDK does with a gateway, operation by operation. Run on both drivers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { type ScriptedAgent, startAgent } from '../../support/agent.ts'
import { freePort } from '../../support/databases.ts'
import { startReceiver } from '../../support/receiver.ts'
import { aWorld, type World } from '../../support/world.ts'
import { byHand } from './byHand.ts'
import { type Access, ANYBODY, all, mustBeTask, type PeerClient, type PeerKind, withKey } from './client.ts'
import { modern } from './modern.ts'
import { old } from './old.ts'

export const CLIENTS: readonly PeerKind[] = [
  modern('JSONRPC', '1.0'),
  modern('HTTP+JSON', '1.0'),
  modern('GRPC', '1.0'),
  modern('JSONRPC', '0.3'),
  modern('HTTP+JSON', '0.3'),
  modern('GRPC', '0.3'),
  old('JSONRPC'),
  old('HTTP+JSON'),
  old('GRPC'),
  byHand,
]

export const nameOf = ({ sdk, version, binding }: PeerKind): string => `${sdk} as ${version} over ${binding}`

export type OpenDatabase = () => Promise<{ databaseUrl?: string; close: () => Promise<void> }>

export function clientSuite(driver: string, open: OpenDatabase): void {
  describe(`official clients on ${driver}`, () => {
    let world: World
    let agent: ScriptedAgent
    let database: Awaited<ReturnType<OpenDatabase>>

    beforeAll(async () => {
      database = await open()
      agent = await startAgent({ dedupe: true })
      const nobody = `http://127.0.0.1:${await freePort()}/`
      world = await aWorld({
        ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
        env: { GRPC_PORT: String(await freePort()) },
        webhooks: { attemptsMax: 3, firstMs: 20, longestMs: 60 },
        cards: {
          echo: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce' },
          open: { connector: { kind: 'a2a', url: agent.url }, access: 'anonymous' },
          away: { connector: { kind: 'a2a', url: nobody } },
        },
      })
      expect(world.gateway.cardProblems).toEqual([])
    })
    afterAll(async () => {
      await world?.stop()
      await Promise.all([agent?.stop(), database?.close()])
    })

    describe.each(CLIENTS.map((kind) => [nameOf(kind), kind] as const))('%s', (_name, kind) => {
      let client: PeerClient
      const connect = (name: string, access: Access = withKey(world.gateway.adminKey)) =>
        kind.connect(`${world.gateway.url}/agents/${name}/`, access)
      beforeAll(async () => {
        client = await connect('echo')
      })

      test('reads the card', async () => {
        expect(await client.cardName()).not.toBe('')
      })

      test('sends and gets the ended task', async () => {
        const task = mustBeTask(await client.send('artifact please'))
        expect([task.state, task.made]).toEqual(['COMPLETED', ['Generated text content']])
        expect(task.history[0]).toBe('USER artifact please')
        expect(await client.get(task.id)).toEqual(task)
      })

      test('sends and does not wait', async () => {
        const messageId = uuidv7()
        const working = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
        const task = mustBeTask(await client.send('delay', { now: true, messageId }))
        expect(task.state).toMatch(/SUBMITTED|WORKING/)
        await working
        expect((await client.get(task.id)).state).toBe('WORKING')
        const finished = world.next('task.finished', (fact) => fact.task === task.id)
        agent.release(messageId)
        await finished
        expect(await client.get(task.id)).toMatchObject({ state: 'COMPLETED', made: ['released'] })
      })

      test('gets a Message where the agent answers with one', async () => {
        expect(await client.send('message')).toEqual({ kind: 'message', text: 'Direct message response' })
      })

      test('streams from the first event to the last', async () => {
        const events = await all(client.stream('chunks:3'))
        expect(events[0]?.glance).toBe('task SUBMITTED')
        const [, ...rest] = events.map(({ glance }) => glance)
        // Reading the proto form of 0.3, both SDKs drop `append`; it is on the wire.
        const mark = kind.version === '0.3' && kind.binding !== 'JSONRPC' ? '' : '+'
        expect(rest).toEqual(['WORKING', 'c1 ', `${mark}c2 `, `${mark}c3 `, 'COMPLETED'])
        expect(new Set(events.map(({ taskId }) => taskId)).size).toBe(1)
        expect(await client.get(events[0]!.taskId)).toMatchObject({ state: 'COMPLETED', made: ['c1 c2 c3 '] })
      })

      test('streams until the agent asks back', async () => {
        const events = await all(client.stream('input'))
        expect(events.at(-1)?.glance).toBe('INPUT_REQUIRED')
        const { taskId, contextId } = events[0]!
        const more = await all(client.stream('artifact', { taskId, contextId }))
        expect(more.at(-1)).toEqual({ glance: 'COMPLETED', taskId, contextId })
      })

      test('loses its stream, subscribes again and sees the end', async () => {
        const messageId = uuidv7()
        const gone = new AbortController()
        const first = client.stream('delay', { messageId, signal: gone.signal })
        const { taskId } = (await first.next()).value!
        expect((await first.next()).value?.glance).toBe('WORKING')
        gone.abort()
        await first.next().catch(() => undefined)
        const again = client.subscribe(taskId)
        expect((await again.next()).value).toMatchObject({ glance: 'task WORKING', taskId })
        agent.release(messageId)
        expect((await all(again)).map(({ glance }) => glance)).toEqual(['released', 'COMPLETED'])
      })

      test('is asked back and answers', async () => {
        const asked = mustBeTask(await client.send('input'))
        expect([asked.state, asked.said]).toEqual(['INPUT_REQUIRED', 'what else?'])
        const { id: taskId, contextId } = asked
        const task = mustBeTask(await client.send('artifact', { taskId, contextId }))
        expect([task.id, task.state, task.made]).toEqual([taskId, 'COMPLETED', ['Generated text content']])
        expect(task.history).toEqual(['USER input', 'AGENT what else?', 'USER artifact'])
      })

      test('cancels what works, and what waits', async () => {
        const working = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
        const task = mustBeTask(await client.send('delay', { now: true }))
        await working
        expect((await client.cancel(task.id)).state).toBe('CANCELED')
        expect((await client.get(task.id)).state).toBe('CANCELED')
        const away = await connect('away')
        const waiting = mustBeTask(await away.send('x', { now: true }))
        const finished = world.next('task.finished', (fact) => fact.task === waiting.id)
        // Asked for while somebody just dials the agent, it is done when that is over.
        await away.cancel(waiting.id)
        await finished
        expect((await away.get(waiting.id)).state).toBe('CANCELED')
      })

      test('is told what cannot be', async () => {
        const ended = mustBeTask(await client.send('complete'))
        await expect(client.cancel(ended.id)).rejects.toThrow(/ended|cancel/i)
        await expect(client.get(uuidv7())).rejects.toThrow(/not found/i)
        await expect(all(client.subscribe(ended.id))).rejects.toThrow(/ended|not supported/i)
        await expect(client.send('more', { taskId: ended.id })).rejects.toThrow(/ended|not supported/i)
      })

      test('lists its tasks, page by page', async (context) => {
        const contextId = uuidv7()
        const sent: string[] = []
        for (let n = 0; n < 3; n++) sent.push(mustBeTask(await client.send('complete', { contextId })).id)
        if (!client.list) return context.skip(`${kind.version} has no such operation`)
        expect(new Set(await client.list(contextId))).toEqual(new Set(sent))
      })

      test('keeps push notification configurations', async () => {
        const { id: taskId } = mustBeTask(await client.send('complete'))
        const url = 'http://127.0.0.1:8123/hook'
        const made = await client.push.create(taskId, { id: 'mine', url, token: 't', bearer: 'secret-1' })
        expect(made).toMatchObject({ id: 'mine', url })
        expect(await client.push.get(taskId, 'mine')).toMatchObject({ id: 'mine', url })
        expect((await client.push.list(taskId)).map(({ id }) => id)).toEqual(['mine'])
        await client.push.delete(taskId, 'mine')
        expect(await client.push.list(taskId)).toEqual([])
      })

      test('is pushed what happens, from a send and to a task that works', async () => {
        const receiver = await startReceiver()
        await client.send('artifact', { push: { url: `${receiver.url}one`, token: 't0k', bearer: 'abc' } })
        const last = await receiver.next(({ path, body }) => path === '/one' && /COMPLETED|"completed"/.test(body))
        expect(last.headers).toMatchObject({ authorization: 'Bearer abc', 'x-a2a-notification-token': 't0k' })
        const messageId = uuidv7()
        const working = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
        const { id } = mustBeTask(await client.send('delay', { now: true, messageId }))
        await working
        await client.push.create(id, { url: `${receiver.url}two` })
        agent.release(messageId)
        const told = await receiver.next(({ path, body }) => path === '/two' && /COMPLETED|"completed"/.test(body))
        expect(told.body).toContain(id)
        await receiver.stop()
      })

      test('needs a key, and none where the agent takes anybody', async () => {
        const stranger = await connect('echo', ANYBODY)
        await expect(stranger.send('complete')).rejects.toThrow()
        const anybody = await connect('open', ANYBODY)
        expect(mustBeTask(await anybody.send('complete')).state).toBe('COMPLETED')
      })
    })
  })
}
