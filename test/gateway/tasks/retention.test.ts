import { afterAll, beforeAll, expect, test } from 'vitest'
import { createHub } from '../../../src/gateway/tasks/hub.ts'
import { idAt, type RetentionTools, type Standing, walk } from '../../../src/gateway/tasks/retention.ts'
import type { Happenings } from '../../../src/happenings.ts'
import type { Clock } from '../../../src/platform/clock.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { createSignals } from '../../../src/platform/signals.ts'
import { type Db, StoreError, type Value } from '../../../src/store/db.ts'
import { openEmbedded } from '../../../src/store/drivers/pglite.ts'

const DAY_MS = 86_400_000
let store: Db
beforeAll(async () => {
  store = await openEmbedded({})
})
afterAll(() => store.close())

/** So many tasks that ended forty days ago, in the order of their ids. */
async function past(tenant: string, count: number, state = 3): Promise<string[]> {
  const ids = Array.from({ length: count }, () => `${idAt(Date.now() - 40 * DAY_MS).slice(0, 13)}${uuidv7().slice(13)}`)
  await store.query(
    {
      name: 'test',
      write: true,
      text: `insert into tasks (tenant, id, agent, caller, context_id, state, last_seq, status_at)
        select $1, id, 'a', 'c', 'x', $3, 1, now() - interval '40 days' from unnest($2::uuid[]) id`,
    },
    [tenant, `{${ids.join()}}`, state],
  )
  return ids.toSorted()
}
const empty = () => store.query({ name: 'test', write: true, text: 'delete from tasks' }, [])

/** A round with a clock that stands still but for what statements are said to take. */
function aRound(
  given: {
    daysOf?: (tenant: string) => number | undefined
    days?: number
    deadDays?: number
    ms?: number
    fails?: (values: readonly Value[]) => boolean
  } = {},
) {
  const { days = 30, deadDays = 90, ms = 1, fails = () => false, daysOf } = given
  const signals = createSignals<Happenings>()
  const seen = {
    asked: [] as (readonly Value[])[],
    slept: [] as number[],
    gone: [] as string[],
    errors: [] as string[],
  }
  const happened: object[] = []
  signals.onAny((name, fact) => void happened.push({ name, ...(fact as object), ms: undefined }))
  let elapsed = 0
  const clock: Clock = {
    now: () => new Date(),
    elapsed: () => elapsed,
    sleep: async (time) => {
      seen.slept.push(time)
    },
  }
  const db: Db = {
    ...store,
    kind: 'postgres',
    async query(statement, values) {
      if (statement.name === 'tasks.purge') {
        seen.asked.push(values)
        elapsed += ms
        if (fails(values)) throw new StoreError(statement.name, 'not done', '57014', new Error('too slow'))
      }
      return store.query(statement, values)
    },
  }
  const tools: RetentionTools = {
    ...(daysOf && { daysOf }),
    ...{ db, clock, days, deadDays, signals, everyMs: 1, owner: () => '' },
    now: () => new Date(),
    loopTools: { clock, stopGraceMs: 1, pauseMs: 1, onError: (_, error) => void seen.errors.push(String(error)) },
    gone: (_, ids) => void seen.gone.push(...ids),
  }
  const standing: Standing = { low: new Map(), page: 4, tidiedAt: undefined }
  return { ...seen, happened, standing, walk: () => walk(tools, standing, new AbortController().signal) }
}

test('it walks through all tenants, page by page, and tells what it has done', async () => {
  await empty()
  const [a, b] = [await past('a', 6), await past('b', 1)]
  const round = aRound()
  await round.walk()
  expect(round.gone).toEqual([...a, ...b])
  expect(round.happened).toMatchObject([
    { name: 'tasks.purged', tenant: 'a', tasks: 4 },
    { name: 'tasks.purged', tenant: 'a', tasks: 2 },
    { name: 'tasks.purged', tenant: 'b', tasks: 1 },
    { name: 'retention.walked', purged: 7, kept: 0 },
  ])
})

test('the next walk begins where nothing older was left, and looks again at what has stayed', async () => {
  await empty()
  await past('a', 3)
  const [waits] = await past('a', 1, 2)
  const younger = await past('a', 3)
  const round = aRound()
  await round.walk()
  expect(round.gone).toHaveLength(6)
  const first = round.asked.length
  await round.walk()
  const [again] = round.asked.slice(first)
  expect((again?.[1] as string) < waits!).toBe(true)
  expect((again?.[1] as string) > idAt(0)).toBe(true)
  expect(round.happened.at(-1)).toMatchObject({ purged: 0, kept: 1 })
  expect(younger.every((id) => round.gone.includes(id))).toBe(true)
})

test('a slow page is followed by a smaller one, a quick one by a larger, and each by a pause four times as long', async () => {
  await empty()
  await past('a', 9)
  const slow = aRound({ ms: 200 })
  await slow.walk()
  expect(slow.asked.map((values) => values[5])).toEqual([4, 2, 1, 1, 1, 1])
  expect(slow.slept.slice(0, 5)).toEqual([800, 800, 800, 800, 800])
  await past('a', 9)
  const quick = aRound({ ms: 2 })
  await quick.walk()
  expect(quick.asked.map((values) => values[5])).toEqual([4, 8, 16])
})

test('a page that the database refuses is tried in pieces; a task that it refuses alone is told, and the others go', async () => {
  await empty()
  const ids = await past('a', 6)
  const stubborn = ids[2]!
  // Whatever page it is in.
  const fails = ([, after, , , , count]: readonly Value[]) => {
    const page = ids.filter((id) => id > (after as string) && !round.gone.includes(id)).slice(0, count as number)
    return page.includes(stubborn)
  }
  const round = aRound({ fails: (values) => fails(values) })
  await round.walk()
  expect(round.gone.toSorted()).toEqual(ids.filter((id) => id !== stubborn))
  expect(round.errors.length).toBeGreaterThan(1)
  expect(round.happened.at(-1)).toMatchObject({ purged: 5, kept: 1 })
})

test('who follows what another replica has removed is let go', async () => {
  const [id] = await past('h', 1, 2)
  let elapsed = 0
  const clock: Clock = {
    now: () => new Date(),
    elapsed: () => (elapsed += 5_000),
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
  }
  const loopTools = { clock, stopGraceMs: 1, pauseMs: 1, onError: () => {} }
  const hub = createHub({ db: { ...store, kind: 'postgres' }, clock, loopTools, announce: () => {} })
  const failed = new Promise(
    (fail) => void hub.follow({ tenant: 'h', taskId: id!, after: 0 }, { push: () => true, fail }),
  )
  await hub.start()
  await empty()
  expect(String(await failed)).toContain('removed')
  expect(hub.count()).toBe(0)
  await hub.stop()
})

test('for ever is for ever: nothing is looked for', async () => {
  await empty()
  await past('a', 1)
  const round = aRound({ days: Number.POSITIVE_INFINITY })
  await round.walk()
  expect(round.asked).toEqual([])
  expect(round.happened).toMatchObject([{ name: 'retention.walked', purged: 0, kept: 0 }])
})

test('a tenant may have days of its own', async () => {
  await empty()
  const [ids] = [await past('short', 1), await past('long', 1), await past('usual', 1)]
  const round = aRound({ days: 50, daysOf: (tenant) => ({ short: 1, long: Number.POSITIVE_INFINITY })[tenant] })
  await round.walk()
  expect(round.gone).toEqual(ids)
  expect(round.asked.map(([tenant]) => tenant)).toEqual(['short', 'short', 'usual'])
})

test('dead letters are kept no shorter than the rest, and perhaps for ever', async () => {
  await empty()
  await past('a', 1)
  const keep = async (days: number, deadDays: number) => {
    const round = aRound({ days, deadDays })
    await round.walk()
    return round.asked[0]?.slice(3, 5)
  }
  expect(await keep(39, 2)).toEqual([39 * 86_400, 39 * 86_400])
  await past('a', 1)
  expect(await keep(1, Number.POSITIVE_INFINITY)).toEqual([86_400, 86_400_000_000])
})
