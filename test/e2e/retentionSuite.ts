/** What has ended long ago is no more; what is one caller's, or a tenant's, can be taken along and erased. Run on both drivers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Task } from '../../src/a2a/tasks.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import { aCollector } from '../support/collector.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { aWorld, type World } from '../support/world.ts'
import { now, type OpenDatabase, stateOf } from './mailboxWorld.ts'
import { ask, makeKey, requestFor, SURFACES, TASK_OPERATIONS, type TaskOperation } from './surfaces.ts'

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of many forms
type Json = any

export function retentionSuite(driver: string, open: OpenDatabase) {
  describe(`retention, export and erase on ${driver}`, () => {
    let world: World
    let database: Awaited<ReturnType<OpenDatabase>>
    let echo: ScriptedAgent
    let receiver: Receiver

    beforeAll(async () => {
      database = await open()
      ;[echo, receiver] = await Promise.all([startAgent({}), startReceiver()])
      world = await aWorld({
        ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
        env: {
          WAYPOST_RETENTION_DAYS: '1',
          WAYPOST_BLOCK_SECONDS: '10',
          WAYPOST_WEBHOOK_PROOF: 'off',
          WAYPOST_EGRESS_HTTPS: 'optional',
        },
        limits: { purgeEveryMs: 50, cancelGraceMs: 200 },
        cards: {
          echo: { connector: { kind: 'a2a', url: echo.url }, redelivery: 'atLeastOnce' },
          box: { connector: { kind: 'mailbox' } },
        },
      })
    })
    afterAll(async () => {
      await world?.stop()
      await Promise.all([echo?.stop(), receiver?.stop(), database?.close()])
    })

    const sql = <Row = Json>(text: string, values: (string | number)[] = []) =>
      world.gateway.db.query<Row>({ name: 'test', write: true, text }, values)
    async function api(method: string, path: string, body?: unknown, key = world.gateway.adminKey, tenant?: string) {
      const response = await fetch(world.gateway.url + path, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(tenant && { 'x-waypost-tenant': tenant }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return {
        status: response.status,
        text,
        json: (text.startsWith('{"') ? JSON.parse(text.split('\n')[0]!) : undefined) as Json,
      }
    }
    /** The same task as it would be had it come forty days ago. */
    async function aged(task: Task): Promise<string> {
      const old = `${(Date.now() - 40 * 86_400_000)
        .toString(16)
        .padStart(12, '0')
        .replace(/^(.{8})(.{4})$/, '$1-$2')}${uuidv7().slice(13)}`
      const tables = ['task_events', 'submissions', 'attempts', 'push_configs', 'parents', 'channel_posts']
      for (const table of tables)
        await sql(`update ${table} set task_id = $2::uuid where task_id = $1::uuid`, [task.id, old])
      await sql(
        `update deliveries set task_id = $2::uuid, id = case when id = task_id then $2::uuid else id end where task_id = $1::uuid`,
        [task.id, old],
      )
      await sql(`update tasks set id = $2::uuid, status_at = now() - interval '40 days' where id = $1::uuid`, [
        task.id,
        old,
      ])
      return old
    }

    test('what ended long ago is no more, and its id is as any that never was, whatever is asked', async () => {
      const caller = 'past'
      const { key } = await makeKey(world, { caller, permits: ['send', 'read', 'cancel', 'push'] })
      const client = world.client('echo', key)
      const messageId = uuidv7()
      const task = await client.send('complete', { message: { messageId } })
      expect(stateOf(task)).toBe('TASK_STATE_COMPLETED')
      const young = await client.send('complete')
      const gone = world.next('tasks.purged')
      const id = await aged(task)
      expect(await gone).toMatchObject({ tenant: 'default', tasks: 1 })
      const unknown = uuidv7()
      const bare = (answer: Json, asked: string) =>
        JSON.parse(
          JSON.stringify(answer)
            .replaceAll(asked, 'ID')
            .replace(/[0-9a-f]{32}/g, 'TRACE'),
        )
      for (const surface of SURFACES)
        for (const name of Object.keys(TASK_OPERATIONS) as TaskOperation[]) {
          const [one, other] = await Promise.all(
            [id, unknown].map(async (asked) =>
              bare(await ask(world, 'echo', requestFor(surface, name, asked), key), asked),
            ),
          )
          expect(one, `${surface} ${name}`).toEqual(other)
          expect(JSON.stringify(one), `${surface} ${name}`).toMatch(/TASK_NOT_FOUND|TaskNotFound|-32001|not found/i)
        }
      for (const path of ['', '/explain', '/receipts', '/events']) {
        const [one, other] = await Promise.all(
          [id, unknown].map((asked) => api('GET', `/v1/tasks/${asked}${path}`, undefined, key)),
        )
        expect([one?.status, one?.json.code], path).toEqual([404, 'TASK_NOT_FOUND'])
        expect(other?.status).toBe(404)
      }
      expect((await api('GET', `/v1/deliveries?task=${id}`)).json.items).toEqual([])
      const { result } = await client.rpc('ListTasks', {})
      expect(result.tasks.map((one: Task) => one.id)).toEqual([young.id])
      // The same message again is a new one.
      const again = await client.send('complete', { message: { messageId } })
      expect(again.id).not.toBe(id)
      const metrics = await (await fetch(`${world.gateway.url}/metrics`)).text()
      expect(metrics).toMatch(/^waypost_tasks_purged_total [1-9]/m)
      expect(metrics).toMatch(/^waypost_oldest_task_seconds \d/m)
    })

    test('a stream of what is no more is cut', async () => {
      const { key } = await makeKey(world, { caller: 'watcher', permits: ['send', 'read'] })
      const client = world.client('box', key)
      const task = await client.send('hello', { configuration: now })
      const stream = client.stream('SubscribeToTask', { id: task.id })
      expect((await stream.next()).value).toMatchObject({ id: 1 })
      const ended = stream.next()
      // As another replica would have it that has not told this one: there is no event of its end.
      await sql(`update tasks set state = 3 where id = $1::uuid`, [task.id])
      expect((await api('POST', '/v1/erase', { caller: 'watcher' })).json).toMatchObject({ done: true, tasks: 1 })
      expect(await ended).toEqual({ value: undefined, done: true })
    })

    test('posts whose tasks are gone leave the channel readable, and numbered on', async () => {
      const member = await aCollector(world, `m-${driver}`.toLowerCase())
      const { key } = await makeKey(world, { caller: 'poster', permits: ['send', 'read'] })
      await api('POST', '/v1/channels', { name: 'news', members: [member.name] }, key)
      const client = world.client('channels/news', key)
      const first = await client.send('one', { configuration: now })
      await member.say((await member.lease({}, 5)).lease, 'complete', { text: 'read' })
      const walked = world.next('tasks.purged')
      await aged(first)
      await walked
      await client.send('two', { configuration: now })
      const { json } = await api('GET', '/v1/channels/news/posts', undefined, key)
      expect(json.items.map((post: Json) => post.sequence ?? post.seq)).toEqual([2])
    })

    describe('everything of one caller', () => {
      const CANARY = `canary-${uuidv7()}`
      const tables = async () =>
        (
          await sql<{ t: string }>(
            `select table_name as t from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
          )
        ).map(({ t }) => t)
      /** Where a text stands in the database, beside the audit. */
      async function found(text: string): Promise<string[]> {
        const places = []
        for (const table of await tables()) {
          if (table === 'audit' || table === 'audit_heads') continue
          const [row] = await sql<{ n: number }>(
            `select count(*)::int as n from ${table} t where strpos(to_jsonb(t)::text, $1) > 0`,
            [text],
          )
          if (row!.n > 0) places.push(`${table} ${row!.n}`)
        }
        return places
      }
      async function settle(caller: string, tenant?: string) {
        const { key } = await makeKey(world, {
          caller,
          permits: ['send', 'read', 'cancel', 'push', 'agent'],
          ...(tenant && { tenant }),
        })
        return key
      }
      /** One of everything that a caller can leave. */
      async function leave(key: string, name: string) {
        const hook = { url: `${receiver.url}${CANARY}`, token: CANARY }
        await world.client('echo', key).send(`echo ${CANARY}`, { configuration: { taskPushNotificationConfig: hook } })
        await receiver.next(({ path, body }) => path.includes(CANARY) && body.includes('COMPLETED'))
        const waiting = await world
          .client('box', key)
          .send(`wait ${CANARY}`, { configuration: now, metadata: { note: CANARY } })
        const working = await world.client('echo', key).send(`delay ${CANARY}`, { configuration: now })
        expect(
          (
            await api(
              'POST',
              '/v1/agents',
              { name, description: CANARY, connector: { kind: 'a2a', url: echo.url } },
              key,
            )
          ).status,
        ).toBe(201)
        expect((await api('POST', '/v1/channels', { name, title: CANARY }, key)).status).toBe(201)
        await world.client(`channels/${name}`, key).send(`post ${CANARY}`, { configuration: now })
        return { waiting, working }
      }

      test('is refused while something is open, erased with force, and is nowhere afterwards', async () => {
        const key = await settle(CANARY)
        const bystander = await world.client('echo', await settle('bystander')).send('complete')
        const { waiting } = await leave(key, 'left')
        expect((await found(CANARY)).length).toBeGreaterThan(6)

        const dry = await api('POST', '/v1/erase', { caller: CANARY, dryRun: true })
        expect(dry.json).toEqual({ dryRun: true, tasks: 4, open: 2 })
        const refused = await api('POST', '/v1/erase', { caller: CANARY })
        expect([refused.status, refused.json.code]).toEqual([409, 'CONFLICT'])
        expect((await api('GET', `/v1/tasks/${waiting.id}`, undefined, key)).json.state).toBe('TASK_STATE_SUBMITTED')

        let erased = (await api('POST', '/v1/erase', { caller: CANARY, force: true })).json
        while (!erased.done)
          erased = (await api('POST', '/v1/erase', { caller: CANARY, force: true, resumed: true })).json
        expect(erased).toMatchObject({ done: true, left: 0 })
        expect(await found(CANARY)).toEqual([])
        expect((await api('GET', '/v1/agents', undefined, key)).status).toBe(401)
        expect((await api('GET', '/v1/agents/left')).status).toBe(404)
        // Again: nothing is left to do, and nothing goes wrong.
        expect((await api('POST', '/v1/erase', { caller: CANARY })).json).toEqual({ done: true, tasks: 0, left: 0 })
        expect((await api('GET', `/v1/tasks/${bystander.id}`)).json.state).toBe('TASK_STATE_COMPLETED')
        const noted = (await api('GET', `/v1/audit?subject=${CANARY}`)).json.items.map((row: Json) => row.action)
        expect(noted).toEqual(['data.erased', 'data.erasing', 'data.erased', 'data.erasing'])
        expect((await api('GET', '/v1/audit/verify')).json.ok).toBe(true)
        // What it had asked for was withdrawn: the agent that worked on it heard so.
        expect(echo.log.entries.some(({ operation }) => operation === 'CancelTask')).toBe(true)
      })

      test('of a tenant: all of it, and nothing of another', async () => {
        const other = await settle('elsewhere')
        const kept = await world.client('box', other).send('stays', { configuration: now })
        const admin = (await makeKey(world, { tenant: 'acme', caller: `admin-${CANARY}`, permits: ['admin'] })).key
        const { json: sender } = await api(
          'POST',
          '/v1/keys',
          { caller: CANARY, permits: ['send', 'read', 'agent'] },
          admin,
        )
        expect((await api('POST', '/v1/agents', { name: 'acme-box', description: CANARY }, admin)).status).toBe(201)
        const client = world.client('acme-box', sender.key)
        await Promise.all(Array.from({ length: 3 }, (_, n) => client.send(`${CANARY} ${n}`, { configuration: now })))
        // Somebody may ask for his own tenant only.
        expect((await api('POST', '/v1/erase', { all: true, force: true }, admin, 'default')).status).toBe(403)
        let erased: Json
        do
          erased = (await api('POST', '/v1/erase', { all: true, force: true, resumed: erased !== undefined }, admin))
            .json
        while (!erased.done)
        expect(await found(CANARY)).toEqual([])
        expect(await sql(`select 1 from tasks where tenant = 'acme'`)).toEqual([])
        expect((await api('GET', `/v1/tasks/${kept.id}`)).json.state).toBe('TASK_STATE_SUBMITTED')
        expect(
          await sql(`select action from audit where tenant = 'acme' and action like 'data.%' order by seq`),
        ).toEqual([{ action: 'data.erasing' }, { action: 'data.erased' }])
      })

      test.each([[{}], [{ caller: 'a', all: true }], [{ all: false }], [{ caller: '' }], [{ caller: 'a', more: 1 }]])(
        'an order that is none is refused: %j',
        async (body) => {
          expect((await api('POST', '/v1/erase', body)).status).toBe(400)
        },
      )

      test('is exported as JSON lines, goes on from a cursor, and has no secrets', async () => {
        const caller = `exporter-${driver}`
        const { key } = await makeKey(world, { caller, permits: ['send', 'read', 'push', 'agent'] })
        const client = world.client('echo', key)
        const hook = {
          url: `${receiver.url}exported`,
          token: `secret-${CANARY}`,
          authentication: { scheme: 'Bearer', credentials: `secret-${CANARY}` },
        }
        const hooked = await client.send('chunks:2', { configuration: { taskPushNotificationConfig: hook } })
        await receiver.next(({ path, body }) => path.includes('exported') && body.includes('COMPLETED'))
        const ids = [hooked.id]
        for (let n = 0; n < 51; n++) ids.push((await client.send('complete')).id)
        const lines = async (query: string) => {
          const { status, text } = await api('GET', `/v1/export?caller=${caller}${query}`)
          expect([status, text.endsWith('\n')]).toEqual([200, true])
          return text
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Json)
        }
        const all = await lines('')
        const of = (kind: string, rows = all) => rows.filter((row) => row.kind === kind)
        expect([all[0].kind, all.at(-1)]).toEqual(['export', { kind: 'end', tasks: 52 }])
        expect(of('task').map(({ id }) => id)).toEqual(ids)
        expect(of('key')).toMatchObject([{ caller }])
        const log = of('event').filter(({ task }) => task === hooked.id)
        const { json: kept } = await api('GET', `/v1/tasks/${hooked.id}/events`, undefined, key)
        expect(log.map(({ sequence, event }) => ({ sequence, event }))).toEqual(kept.items)
        expect(of('pushConfig')).toMatchObject([{ task: hooked.id, url: hook.url, scheme: 'Bearer' }])
        expect(of('delivery').filter(({ task }) => task === hooked.id)).toHaveLength(log.length)
        expect(JSON.stringify(all)).not.toContain(`secret-${CANARY}`)
        expect(JSON.stringify(all)).not.toContain('bystander')
        const [cursor] = of('cursor')
        expect(cursor.after).toBe(ids[49])
        const rest = await lines(`&after=${cursor.after}`)
        expect(of('task', rest).map(({ id }) => id)).toEqual(ids.slice(50))
        expect(of('key', rest)).toEqual([])
        const noted = (await api('GET', '/v1/audit?action=data.exported')).json.items
        expect(noted[0]).toMatchObject({ actor: 'operator', subject: caller })
      })
    })
  })
}
