/** The management routes as a script sees them, on both drivers. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Follow } from '../../src/http/admin/events.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { claim, createSettle, deliveryState } from '../../src/store/deliveries.ts'
import { createAppend } from '../../src/store/events.ts'
import { createOpen, type NewTask } from '../../src/store/tasks.ts'
import { aChange, aNewTask } from '../store/suite.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'
import { type FaceWorld, openFace } from './world.ts'

const tenant = 'default'

onBothDrivers('management', (db) => {
  let world: FaceWorld
  let follow: Follow = () => () => {}
  beforeAll(async () => {
    world = await openFace(db(), { follow: (request, follower) => follow(request, follower) })
  })
  afterAll(() => world.close())

  const open = async (given: Partial<NewTask> = {}) => {
    const task = aNewTask({ tenant, ...given })
    await createOpen(db()).submit(task)
    return task
  }
  const post = (path: string, body: unknown = {}, key?: string | null) =>
    world.ask(path, { method: 'POST', body, ...(key !== undefined && { key }) })
  const keyFor = async (caller: string, permits = ['send', 'read']) =>
    (await post('/v1/keys', { name: caller, caller, permits })).json.key as string

  async function giveUp(agent: string, count = 10) {
    const destination = `agent:${agent}`
    const leased = await claim(db(), { tenant, destination, watermark: 0, count, owner: uuidv7() })
    for (const { id, lease, taskId, attempt } of leased) {
      const end = {
        state: deliveryState('dead'),
        waitMs: 0,
        counts: true,
        code: 'REJECTED',
        reason: 'said no',
        durationMs: 5,
        outcome: 'dead',
        status: 400,
      }
      await createSettle(db()).submit({ tenant, id, lease, taskId, destination, attempt, ...end })
    }
    return leased
  }

  test('hello world: a mailbox without a key, its token, its own record', async () => {
    const first = await post('/v1/agents', { name: 'Shout' }, null)
    expect(first.status).toBe(201)
    expect(first.headers.location).toBe('/v1/agents/shout')
    const base = `http://localhost:${world.port}/agents/shout/`
    expect(first.json).toEqual({
      name: 'shout',
      address: `shout@localhost:${world.port}`,
      url: base,
      card: `${base}.well-known/agent-card.json`,
      created: true,
      token: expect.stringMatching(/^wp_/),
    })
    const again = await post('/v1/agents', { name: 'shout' }, null)
    expect(again).toMatchObject({ status: 200, json: { created: false } })
    expect(again.json.token).toBeUndefined()
    expect(world.woken).toContain('agent:shout')
    const own = await world.ask('/v1/agents/shout', { key: first.json.token })
    expect(own.json).toMatchObject({
      name: 'shout',
      state: 'unknown',
      connector: { kind: 'mailbox' },
      queued: 0,
      policy: { maxAttempts: 5 },
    })
    const env = await world.ask('/v1/agents?format=env', { method: 'POST', body: { name: 'loud' }, key: null })
    expect(env.text).toMatch(/^GW_AGENT=loud\nGW_URL=http\S+\nGW_TOKEN=wp_\S+\n$/)
    const rotated = await post('/v1/agents/shout/rotate-key', {}, first.json.token)
    expect(rotated.json.token).not.toBe(first.json.token)
    const standing = async (key: string) => (await world.ask('/v1/agents/shout', { key })).status
    expect([await standing(first.json.token), await standing(rotated.json.token)]).toEqual([401, 200])
    const beside = await post('/v1/agents/shout/rotate-key', { graceSeconds: 3_600 }, rotated.json.token)
    expect([await standing(rotated.json.token), await standing(beside.json.token)]).toEqual([200, 200])
    expect((await post('/v1/agents/shout/rotate-key', {}, beside.json.token)).status).toBe(200)
    expect((await post('/v1/agents/shout/rotate-key', { graceSeconds: -1 })).status).toBe(400)
  })

  test('enrolling is for this machine, for mailboxes, not for web pages, and can be off', async () => {
    const a2a = { name: 'e1', connector: { kind: 'a2a', url: 'http://127.0.0.1:9/' } }
    expect(await post('/v1/agents', a2a, null)).toMatchObject({ status: 403 })
    const page = { method: 'POST', body: { name: 'e2' }, key: null, headers: { origin: 'http://evil.test' } }
    expect((await world.ask('/v1/agents', page)).status).toBe(401)
    const plain = { ...page, headers: { 'content-type': 'text/plain' } }
    expect((await world.ask('/v1/agents', plain)).status).toBe(415)
    const relayed = { ...page, headers: { 'x-forwarded-for': '203.0.113.1' } }
    expect((await world.ask('/v1/agents', relayed)).status).toBe(401)
    for (const closed of [{ enroll: 'off' }, { bind: '0.0.0.0' }] as const) {
      const other = await openFace(db(), closed)
      expect((await other.ask('/v1/agents', { method: 'POST', body: { name: 'e3' }, key: null })).status).toBe(401)
      await other.close()
    }
  })

  test('with auth off this machine registers what it likes', async () => {
    const other = await openFace(db(), {
      authenticate: async () => ({ tenant, id: 'operator', kind: 'local', permits: new Set(['operator']) }),
    })
    const body = { name: 'free', connector: { kind: 'a2a', url: 'http://127.0.0.1:9/' } }
    expect(await other.ask('/v1/agents', { method: 'POST', body, key: null })).toMatchObject({ status: 201 })
    await other.close()
  })

  test('a need is matched with the agents that the caller may see, with reasons', async () => {
    const skills = [{ id: 'matching', name: 'Matching', tags: ['rare'] }]
    for (const name of ['fitting', 'fitting-too'])
      await post('/v1/agents', { name, connector: { kind: 'a2a', url: 'http://127.0.0.1:9/' }, skills })
    const { json } = await post('/v1/match', { skills: ['matching'], tags: ['rare'] })
    expect(json.items.map(({ name }: { name: string }) => name)).toEqual(['fitting', 'fitting-too'])
    expect(json.items[0]).toMatchObject({ skill: 'matching', url: expect.stringContaining('/agents/fitting/') })
    expect(json.items[0].reasons.map(({ what }: { what: string }) => what)).toEqual(['skill', 'tag', 'presence'])
    expect((await post('/v1/match', { tags: ['rare'], limit: 1 })).json.items).toHaveLength(1)
    const only = (await post('/v1/keys', { name: 'one', permits: ['read'], agents: ['fitting-too'] })).json
      .key as string
    const seen = await world.ask('/v1/match', { method: 'POST', body: { tags: ['rare'] }, key: only })
    expect(seen.json.items.map(({ name }: { name: string }) => name)).toEqual(['fitting-too'])
    for (const body of [{}, { text: '' }, { tags: [] }, { skills: ['x'], limit: 51 }, { nonsense: true }])
      expect((await post('/v1/match', body)).status).toBe(400)
    expect((await world.ask('/v1/match', { method: 'POST', body: { text: 'x' }, key: null })).status).toBe(401)
  })

  test('agents: searched, shown, changed, paused, removed; secrets never come back', async () => {
    const skills = [{ id: 'sum', name: 'Sums', tags: ['math'] }]
    const document = {
      name: 'adder',
      connector: { kind: 'a2a', url: 'http://127.0.0.1:9/' },
      skills,
      credentials: { scheme: 'Bearer', token: 's3cret' },
    }
    expect((await post('/v1/agents', document)).json.token).toBeUndefined()
    const found = await world.ask('/v1/agents?skill=sum&limit=1')
    expect(found.json).toEqual({
      items: [
        expect.objectContaining({
          name: 'adder',
          state: 'unknown',
          skills: [{ id: 'sum', name: 'Sums', tags: ['math'] }],
        }),
      ],
    })
    expect((await world.ask('/v1/agents?skill=sum&available=true')).json.items).toEqual([])
    const shown = await world.ask('/v1/agents/ADDER')
    expect(shown.json).toMatchObject({
      hasCredentials: true,
      registration: { skills },
      connector: { url: 'http://127.0.0.1:9/' },
    })
    const patched = await world.ask('/v1/agents/adder', {
      method: 'PATCH',
      body: { maxInflight: 2, description: 'adds' },
    })
    expect(patched.json).toMatchObject({ description: 'adds', policy: { maxInflight: 2 }, hasCredentials: true })
    expect((await post('/v1/agents/adder/pause', { reason: 'lunch' })).json).toMatchObject({
      state: 'paused',
      reason: 'lunch',
    })
    expect((await post('/v1/agents/adder/resume')).json.state).toBe('unknown')
    expect(await post('/v1/agents', { ...document, maxInFlight: 1 })).toMatchObject({
      status: 400,
      json: { violations: [{ field: 'maxInFlight', description: 'unknown; did you mean "maxInflight"?' }] },
    })
    const key = await keyFor('reader', ['read'])
    const stranger = await world.ask('/v1/agents/adder', { key })
    expect(stranger.json.connector).toEqual({ kind: 'a2a' })
    expect(stranger.json.registration ?? stranger.json.owner).toBeUndefined()
    expect(await world.ask('/v1/agents/adder', { method: 'DELETE', key })).toMatchObject({ status: 403 })
    const all = [found, shown, patched, stranger, await world.ask('/v1/audit?limit=100')]
    for (const { text } of all) expect(text).not.toContain('s3cret')
    await open({ agent: 'adder' })
    expect(await world.ask('/v1/agents/adder', { method: 'DELETE' })).toMatchObject({
      status: 409,
      json: { code: 'CONFLICT' },
    })
    expect((await world.ask('/v1/agents/adder?force=true', { method: 'DELETE' })).json).toEqual({
      name: 'adder',
      removed: true,
    })
    expect(await world.ask('/v1/agents/adder')).toMatchObject({ status: 404, json: { code: 'AGENT_NOT_FOUND' } })
  })

  test('probe tells what it found; drain pauses and waits for what is in hand', async () => {
    await post('/v1/agents', { name: 'far', connector: { kind: 'a2a', url: 'http://127.0.0.1:9/' } })
    world.woken.length = 0
    expect((await post('/v1/agents/far/probe')).json).toMatchObject({
      name: 'far',
      probe: { ok: false, code: 'UNREACHABLE', reason: 'connection refused' },
    })
    expect(world.woken).toEqual([])
    await open({ agent: 'far' })
    const [leased] = await claim(db(), { tenant, destination: 'agent:far', watermark: 0, count: 1, owner: uuidv7() })
    expect((await post('/v1/agents/far/drain', { waitSeconds: 0 })).json).toMatchObject({
      state: 'paused',
      reason: 'draining',
      running: 1,
      drained: false,
    })
    const draining = post('/v1/agents/far/drain', { waitSeconds: 20 })
    await createAppend(db(), { webhookAgeSeconds: 60, newId: uuidv7, onOwed: () => {} }).submit(
      aChange({ ...leased!, tenant }, { settle: deliveryState('done') }),
    )
    expect((await draining).json).toMatchObject({ running: 0, drained: true })
  })

  test('pages: one after the other, each once; a cursor is good for its own list and caller', async () => {
    for (const name of ['p1', 'p2', 'p3']) await post('/v1/agents', { name, skills: [{ id: 'paged' }] })
    const names: string[] = []
    let cursor: string | undefined
    do {
      const { json } = await world.ask(`/v1/agents?skill=paged&limit=2${cursor ? `&cursor=${cursor}` : ''}`)
      names.push(...json.items.map(({ name }: { name: string }) => name))
      cursor = json.next
    } while (cursor)
    expect(names).toEqual(['p1', 'p2', 'p3'])
    const { json } = await world.ask('/v1/agents?skill=paged&limit=1')
    const stolen = [
      `/v1/agents?limit=1&cursor=${json.next}`,
      `/v1/audit?cursor=${json.next}`,
      '/v1/agents?cursor=x.y',
      '/v1/agents?limit=0',
      '/v1/agents?limit=101',
      '/v1/agents?nme=x',
    ]
    for (const path of stolen) expect((await world.ask(path)).status, path).toBe(400)
    const key = await keyFor('pager', ['read'])
    expect((await world.ask(`/v1/agents?skill=paged&limit=1&cursor=${json.next}`, { key })).status).toBe(400)
  })

  test('keys: shown once, bounded in what they may, dead when revoked', async () => {
    const made = await post('/v1/keys', { name: 'ci', permits: ['read', 'read'], agents: ['Echo'], ttlSeconds: 60 })
    expect(made).toMatchObject({
      status: 201,
      json: {
        name: 'ci',
        permits: ['read'],
        agents: ['echo'],
        expiresAt: expect.any(String),
        key: expect.stringMatching(/^wp_/),
      },
    })
    const { id, key } = made.json
    expect((await world.ask('/v1/tasks', { key })).status).toBe(200)
    const listed = await world.ask('/v1/keys?limit=100')
    expect(listed.json.items.find((row: { id: string }) => row.id === id)).toMatchObject({
      name: 'ci',
      createdBy: 'operator',
    })
    expect(listed.text).not.toMatch(/wp_|hash/)
    expect((await world.ask(`/v1/keys/${id}`, { method: 'DELETE' })).json).toEqual({ id, revoked: true })
    expect((await world.ask('/v1/tasks', { key })).status).toBe(401)
    expect(await world.ask(`/v1/keys/${id}`, { method: 'DELETE' })).toMatchObject({
      status: 404,
      json: { code: 'KEY_NOT_FOUND' },
    })
    for (const bad of [
      { caller: 'operator' },
      { caller: 'agent:x' },
      { permits: ['root'] },
      { permits: [] },
      { ttlSeconds: 0 },
    ])
      expect((await post('/v1/keys', bad)).status, JSON.stringify(bad)).toBe(400)
  })

  test('tasks: one’s own, or for an operator all; a foreign one looks like none', async () => {
    const mine = await open({ caller: 'tess', agent: 'quiet' })
    const other = await open({ caller: 'someone', agent: 'quiet' })
    const key = await keyFor('tess')
    const listed = await world.ask('/v1/tasks?agent=quiet', { key })
    expect(listed.json).toMatchObject({
      total: 1,
      items: [
        {
          id: mine.id,
          agent: 'quiet',
          caller: 'tess',
          state: 'TASK_STATE_SUBMITTED',
          delivery: { state: 'waiting', attempt: 0 },
        },
      ],
    })
    expect((await world.ask('/v1/tasks?agent=quiet&state=submitted&pageSize=5')).json.items).toHaveLength(2)
    expect((await world.ask('/v1/tasks?agent=quiet&state=working')).json.items).toEqual([])
    expect((await world.ask('/v1/tasks?caller=someone', { key })).json.items).toHaveLength(1)
    expect((await world.ask(`/v1/tasks/${mine.id}`, { key })).json).toMatchObject({
      id: mine.id,
      deliveries: [{ task: mine.id, agent: 'quiet', state: 'waiting' }],
      attempts: [],
    })
    const answers = await Promise.all([other.id, uuidv7(), 'x'].map((id) => world.ask(`/v1/tasks/${id}`, { key })))
    for (const { status, json } of answers)
      expect({ status, ...json, traceId: '' }).toEqual({ ...answers[0]!.json, status: 404, traceId: '' })
    for (const view of ['explain', 'events', 'receipts'])
      expect((await world.ask(`/v1/tasks/${other.id}/${view}`, { key })).status).toBe(404)
  })

  test('explain and receipts tell the story of a task that failed', async () => {
    await post('/v1/agents', { name: 'grumpy', connector: { kind: 'a2a', url: 'http://127.0.0.1:9/' } })
    const task = await open({ agent: 'grumpy' })
    const waiting = await world.ask(`/v1/tasks/${task.id}/explain`)
    expect(waiting.json).toMatchObject({
      task: task.id,
      agent: 'grumpy',
      delivery: 'waiting',
      reasons: [{ code: 'IN_LINE' }],
      next: expect.any(String),
      expiresAt: expect.any(String),
    })
    await giveUp('grumpy')
    const dead = await world.ask(`/v1/tasks/${task.id}/explain`)
    expect(dead.json).toMatchObject({
      delivery: 'dead',
      why: ['it was given up after 1 attempt: said no'],
      try: [`waypost dlq replay ${task.id}`],
    })
    const { json } = await world.ask(`/v1/tasks/${task.id}/receipts`)
    expect(json.items.map(({ what }: { what: string }) => what)).toEqual(['accepted', 'attempted', 'dead'])
    expect(json.items[1]).toMatchObject({ attempt: 1, outcome: 'dead', status: 400, code: 'REJECTED' })
  })

  test('events: as a list by page, noted when it is not one’s own', async () => {
    const task = await open({ caller: 'evan' })
    const key = await keyFor('evan')
    const { json } = await world.ask(`/v1/tasks/${task.id}/events`, { key })
    expect(json).toEqual({ items: [{ sequence: 1, event: JSON.parse(task.body) }] })
    expect((await world.ask(`/v1/tasks/${task.id}/events?after=1`, { key })).json.items).toEqual([])
    const notes = async () => (await world.ask(`/v1/audit?action=task.read&subject=${task.id}`)).json.items
    expect(await notes()).toEqual([])
    await world.ask(`/v1/tasks/${task.id}/events`)
    expect(await notes()).toMatchObject([{ actor: 'operator', action: 'task.read', subject: task.id }])
  })

  test('events: as a stream that begins after the last id and ends with the task', async () => {
    const task = await open({ caller: 'evan' })
    const asked: number[] = []
    follow = ({ after }, follower) => {
      asked.push(after)
      const entry = (sequence: number, last: boolean) => ({
        sequence,
        json: `{"n":${sequence}}`,
        event: () => ({}) as never,
        last,
        interrupted: false,
      })
      follower.push(entry(1, false))
      follower.push(entry(2, true))
      return () => {}
    }
    const headers = { accept: 'text/event-stream' }
    const { text, headers: told } = await world.ask(`/v1/tasks/${task.id}/events`, { headers })
    expect(told['content-type']).toContain('text/event-stream')
    expect(text).toBe(': open\n\nid: 1\ndata: {"n":1}\n\nid: 2\ndata: {"n":2}\n\n')
    await world.ask(`/v1/tasks/${task.id}/events`, { headers: { ...headers, 'last-event-id': '1' } })
    await world.ask(`/v1/tasks/${task.id}/events`, { headers: { ...headers, 'last-event-id': '999' } })
    expect(asked).toEqual([0, 1, 0])
  })

  test('dead letters: listed, replayed one by one or by filter, looked at first', async () => {
    const tasks = [await open({ agent: 'dlq' }), await open({ agent: 'dlq' }), await open({ agent: 'dlq2' })]
    await giveUp('dlq')
    const list = await world.ask('/v1/deliveries?state=dead&agent=dlq')
    expect(list.json.items).toHaveLength(2)
    expect(list.json.items[0]).toMatchObject({
      kind: 'a2a',
      state: 'dead',
      agent: 'dlq',
      code: 'REJECTED',
      reason: 'said no',
      attempt: 1,
    })
    expect((await world.ask(`/v1/deliveries?id=${tasks[2]!.id}`)).json.items).toMatchObject([
      { id: tasks[2]!.id, state: 'waiting', nextAttemptAt: expect.any(String) },
    ])
    world.replayed.length = 0
    const dry = await post('/v1/deliveries/replay', { agent: 'dlq', dryRun: true })
    expect(dry.json).toMatchObject({ dryRun: true, matched: 2, more: false })
    expect(world.replayed).toEqual([])
    const done = await post('/v1/deliveries/replay', { state: 'dead', agent: 'dlq', limit: 1 })
    expect(done.json).toMatchObject({ dryRun: false, matched: 1, more: true, replayed: 1 })
    expect(world.replayed).toHaveLength(1)
    expect((await post(`/v1/deliveries/${tasks[0]!.id}/replay`)).json).toEqual({
      id: tasks[0]!.id,
      taskId: tasks[0]!.id,
      replayed: true,
    })
    expect(await post('/v1/deliveries/nonsense/replay')).toMatchObject({
      status: 404,
      json: { code: 'DELIVERY_NOT_FOUND' },
    })
    const busy = await openFace(db(), { replay: async () => ({ kind: 'not dead' }) })
    expect(await busy.ask(`/v1/deliveries/${tasks[0]!.id}/replay`, { method: 'POST' })).toMatchObject({
      status: 409,
      json: { code: 'DELIVERY_NOT_DEAD' },
    })
    await busy.close()
  })

  test('webhooks: no secret of a URL is shown, and only one’s own', async () => {
    const config = JSON.stringify({
      id: 'c1',
      url: 'http://u:p@hook.test/x?key=s3cret',
      destination: 'webhook:hook.test',
      version: 'v',
      token: 'sealed-token',
    })
    const task = await open({ caller: 'wanda', config })
    const key = await keyFor('wanda')
    const { json, text } = await world.ask('/v1/webhooks', { key })
    expect(json.items).toMatchObject([
      { id: 'c1', task: task.id, url: 'http://…@hook.test/x?…', delivered: 0, waiting: 0, dead: 0 },
    ])
    expect(text).not.toMatch(/s3cret|sealed-token/)
    expect((await world.ask('/v1/webhooks', { key: await keyFor('nobody') })).json.items).toEqual([])
    expect((await world.ask(`/v1/webhooks/attempts?task=${task.id}`)).json.items).toEqual([])
  })

  test('audit: each change once, by whom', async () => {
    await post('/v1/agents', { name: 'audited' })
    await post('/v1/agents/audited/pause', { reason: 'why' })
    const { json } = await world.ask('/v1/audit?subject=audited')
    expect(json.items).toMatchObject([
      { actor: 'operator', action: 'agent.paused', detail: { reason: 'why' } },
      { actor: 'operator', action: 'agent.registered', detail: { connector: 'mailbox' } },
    ])
  })

  test('audit: the chain is verified page by page, and the first row that was tampered with is named', async () => {
    await post('/v1/agents', { name: 'chained' })
    const whole = await world.ask('/v1/audit/verify')
    expect(whole.json).toMatchObject({ ok: true, checked: expect.any(Number), last: { hash: expect.any(String) } })
    const { checked: rows, last } = whole.json
    expect(last.sequence).toBe(rows)
    const [newest] = (await world.ask('/v1/audit?limit=1')).json.items
    expect({ sequence: newest.sequence, hash: newest.hash }).toEqual(last)
    const first = await world.ask('/v1/audit/verify?limit=1')
    expect(first.json).toMatchObject({ ok: true, checked: 1, next: 1 })
    const rest = await world.ask(`/v1/audit/verify?after=1&expect=${last.sequence}:${last.hash}`)
    expect(rest.json).toEqual({ ok: true, checked: rows - 1, last })
    const other = await world.ask(`/v1/audit/verify?expect=${last.sequence}:${'0'.repeat(64)}`)
    expect(other.json).toMatchObject({ ok: false, broken: { sequence: rows, fault: 'unexpected' } })
    for (const query of ['after=-1', 'after=x', 'limit=0', 'limit=1001', 'expect=5', 'expect=0:00', 'other=1'])
      expect((await world.ask(`/v1/audit/verify?${query}`)).status, query).toBe(400)
    const text = `update audit set actor = actor || 'x' where tenant = 'default' and seq = 2`
    for (const said of ['alter table audit disable trigger audit_append_only', text])
      await db().query({ name: 'tamper', text: said, write: true }, [])
    const found = await world.ask('/v1/audit/verify')
    expect(found.json).toMatchObject({ ok: false, checked: 1, last: { sequence: 1 } })
    expect(found.json.broken).toEqual({
      sequence: 2,
      id: expect.any(String),
      fault: 'changed',
      reason: 'what it says is not what was written',
    })
  })
})
