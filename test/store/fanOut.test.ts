/** Tasks that others' tasks work on: opened in one statement, answers taken home once, whoever is faster. On both drivers. */
import { beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { joinChannel, leaveChannel } from '../../src/store/channelMembers.ts'
import { readPosts } from '../../src/store/channelPosts.ts'
import { createChannel, findChannel } from '../../src/store/channels.ts'
import {
  endedChildren,
  findParent,
  openChildren,
  readRecipients,
  type Taking,
  takeChildren,
} from '../../src/store/children.ts'
import type { Db } from '../../src/store/db.ts'
import { createAppend, readEvents } from '../../src/store/events.ts'
import { type FanOut, openFanOut } from '../../src/store/fanOut.ts'
import { cancelQueued } from '../../src/store/messages.ts'
import { findTask } from '../../src/store/tasks.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'

const note = (subject: string) => ({ id: uuidv7(), actor: 'test', action: 'test', subject })
const limits = { channelsMax: 1_000, openedFromMax: 3 }
const at = () => new Date().toISOString()
const status = (state: string) => ({
  kind: 1 as const,
  body: JSON.stringify({ statusUpdate: { status: { state } } }),
  history: null,
})

async function aChannel(db: Db, members: readonly string[] = []) {
  const name = `c-${uuidv7()}`
  const terms = {
    title: null,
    description: null,
    mode: 'all',
    rule: 'first',
    needed: 0,
    collectSeconds: null,
    bytesMax: null,
  } as const
  const more = {
    posting: 'anyone',
    joining: 'anyone',
    visibility: 'tenant',
    ttlSeconds: null,
    openedFrom: null,
  } as const
  await createChannel(
    db,
    { tenant: 't', name, kind: 'channel', owner: 'alice', ...terms, ...more },
    { ...limits, note: note(name) },
  )
  for (const member of members)
    await joinChannel(
      db,
      { tenant: 't', channel: name, member, agent: true, filter: null, by: 'alice' },
      { membersMax: 1_000, note: note(name) },
    )
  return name
}

function aFanOut(given: Partial<FanOut> & { members?: readonly string[] } = {}): FanOut {
  const { members = ['a', 'b'], ...more } = given
  const [id, placeholder] = [uuidv7(), uuidv7()]
  return {
    ...{
      tenant: 't',
      id,
      caller: 'alice',
      agent: '#c',
      contextId: `ctx-${id}`,
      trace: null,
      key: null,
      statusAt: at(),
    },
    ...{
      deadline: null,
      state: 2,
      events: [{ kind: 0, body: `{"task":{"id":"${id}"}}` }],
      request: null,
      config: null,
    },
    ...{ rule: 'first', needed: 0, placeholder, childBody: `{"task":{"id":"${placeholder}"}}`, childDeadline: null },
    ...{
      priority: 2,
      notBefore: null,
      orderingKey: `alice/${id}`,
      mailKind: 4,
      labels: null,
      home: null,
      webhookAgeSeconds: 60,
    },
    children: members.map((member) => ({
      ...{ id: uuidv7(), member, kind: 'mailbox', destination: `agent:${member}`, ttlSeconds: 60, outcome: null },
    })),
    ...more,
  }
}

onBothDrivers('fan-outs', (db) => {
  const finish = (taskId: string, state = 3) =>
    createAppend(db(), { webhookAgeSeconds: 60, newId: uuidv7, onOwed: () => {} }).submit({
      ...{ tenant: 't', taskId, deliveryId: null, lease: null, events: [status('x')], state, statusAt: at() },
      ...{ upstreamTask: null, upstreamContext: null, settle: null, code: null, reason: null },
    })
  const taking = (parentId: string, expectedSeq: number, childId: string, more: Partial<Taking> = {}) =>
    takeChildren(db(), {
      ...{
        tenant: 't',
        parentId,
        expectedSeq,
        state: 3,
        statusAt: at(),
        seed: uuidv7(),
        webhookAgeSeconds: 60,
        ends: true,
      },
      events: [
        { kind: 2, body: `{"artifactUpdate":{"artifact":{"artifactId":"${childId}"}}}`, history: null },
        status('TASK_STATE_COMPLETED'),
      ],
      children: [{ childId, outcome: 'answered', relayed: null }],
      ...more,
    })

  test('are there as a whole: parent, children with ids of their own, deliveries, the number of the post', async () => {
    const channel = await aChannel(db(), ['a', 'b'])
    const row = await findChannel(db(), 't', channel)
    const post = { channel, roster: row?.roster ?? -1, sender: 'alice', verified: true, bytes: 10 }
    const f = aFanOut({ post })
    expect(await openFanOut(db(), f)).toEqual({ kind: 'opened', seq: 1 })
    for (const { id } of f.children) {
      expect(await findTask(db(), { tenant: 't', id })).toMatchObject({
        contextId: f.contextId,
        state: 'TASK_STATE_SUBMITTED',
      })
      expect((await readEvents(db(), 't', id, 0, 10)).map(({ body }) => body)).toEqual([`{"task":{"id":"${id}"}}`])
    }
    expect((await readRecipients(db(), 't', f.id, 10)).map(({ member, delivery }) => [member, delivery])).toEqual([
      ['a', 0],
      ['b', 0],
    ])
    expect(
      (await readPosts(db(), { tenant: 't', channel, after: 0, limit: 10 })).map(({ seq, taskId }) => [seq, taskId]),
    ).toEqual([[1, f.id]])
    expect(await openFanOut(db(), { ...aFanOut(), post })).toEqual({ kind: 'opened', seq: 2 })
  })

  test('are made for one roster: who joins or leaves meanwhile makes it stale, and nothing is written', async () => {
    const channel = await aChannel(db(), ['a'])
    const post = {
      channel,
      roster: (await findChannel(db(), 't', channel))?.roster ?? -1,
      sender: 's',
      verified: true,
      bytes: 1,
    }
    expect(await leaveChannel(db(), { tenant: 't', channel, member: 'a' }, note(channel))).toBe(true)
    const f = aFanOut({ post, key: `m:${uuidv7()}` })
    expect(await openFanOut(db(), f)).toEqual({ kind: 'stale' })
    expect(await findTask(db(), { tenant: 't', id: f.id })).toBeUndefined()
    const now = { ...post, roster: post.roster + 1 }
    expect(await openFanOut(db(), { ...f, post: now })).toEqual({ kind: 'opened', seq: 1 })
    expect(await openFanOut(db(), { ...aFanOut({ post: now }), key: f.key })).toEqual({ kind: 'repeated' })
    expect((await findChannel(db(), 't', channel))?.lastSeq).toBe(1)
  })

  test('an answer is taken once, of two who have seen the same', async () => {
    const f = aFanOut()
    await openFanOut(db(), f)
    const [first] = f.children.map(({ id }) => id) as [string]
    await finish(first)
    const parent = await findParent(db(), 't', f.id)
    expect(parent?.counts).toEqual({ open: 2 })
    expect(
      (await endedChildren(db(), { tenant: 't', id: f.id }, { all: false, limit: 10 })).map(({ childId }) => childId),
    ).toEqual([first])
    const seq = parent?.head.lastSeq ?? 0
    const twice = await Promise.all([taking(f.id, seq, first), taking(f.id, seq, first)])
    expect(twice.filter(Boolean)).toHaveLength(1)
    expect((await readEvents(db(), 't', f.id, 0, 10)).map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect((await findParent(db(), 't', f.id))?.counts).toEqual({ answered: 1, aside: 1 })
  })

  test('of answer, cancel and deadline on one parent exactly one is the end, and what is open is found for as long as it is', async () => {
    for (let round = 0; round < 12; round++) {
      const f = aFanOut()
      await openFanOut(db(), f)
      const [child] = f.children.map(({ id }) => id) as [string]
      await finish(child)
      const cancel = () =>
        cancelQueued(db(), {
          tenant: 't',
          taskId: f.id,
          statusAt: at(),
          body: status('CANCELED').body,
          eventId: uuidv7(),
        })
      const ends = [() => taking(f.id, 1, child), cancel, () => finish(f.id, 4)]
      const [answered, canceled, late] = (await Promise.all(ends.map((end) => end()))) as [
        unknown,
        unknown,
        { kind: string },
      ]
      expect([answered !== undefined, canceled !== undefined, late.kind === 'appended'].filter(Boolean)).toHaveLength(1)
      const events = await readEvents(db(), 't', f.id, 0, 10)
      expect(events.map(({ seq }) => seq)).toEqual(answered ? [1, 2, 3] : [1, 2])
      const open = (await openChildren(db(), { tenant: '', parentId: f.id, childId: f.id }, 1_000)).filter(
        ({ parentId }) => parentId === f.id,
      )
      const again = await openChildren(
        db(),
        { tenant: 't', parentId: f.id, childId: '00000000-0000-0000-0000-000000000000' },
        10,
      )
      expect(again.filter(({ parentId }) => parentId === f.id)).toHaveLength(answered ? 0 : 2)
      expect(open.length).toBeLessThanOrEqual(2)
    }
  })

  describe('with a thousand recipients', () => {
    let f: FanOut
    beforeAll(() => {
      f = aFanOut({ members: Array.from({ length: 1_000 }, (_, n) => `m${n}`), childBody: '' })
    })
    test('is one statement, well within its deadline', async () => {
      const body = JSON.stringify({ task: { id: f.placeholder, history: [{ parts: [{ text: 'x'.repeat(1_000) }] }] } })
      const began = performance.now()
      expect((await openFanOut(db(), { ...f, childBody: body })).kind).toBe('opened')
      const ms = performance.now() - began
      expect(ms).toBeLessThan(5_000)
      expect(await readRecipients(db(), 't', f.id, 2_000)).toHaveLength(1_000)
    })
  })
})
