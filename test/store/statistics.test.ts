import { expect, test } from 'vitest'
import { refreshStatistics } from '../../src/store/statistics.ts'
import { createOpen } from '../../src/store/tasks.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'
import { aNewTask } from './suite.ts'

onBothDrivers('what the planner knows', (db) => {
  const rows = <Row>(text: string) => db().query<Row>({ name: 'test', write: true, text }, [])

  // A call for work is planned when nothing was ever sent, and its plan is kept.
  test('of tables that are known to be empty nothing is read whole', async () => {
    await rows('analyze deliveries')
    const plan = await rows<{ 'QUERY PLAN': string }>(`explain select d.id from deliveries d
      where d.tenant = 't' and d.destination = 'agent:a' and d.state = 0
        and (select true from deliveries f where f.tenant = d.tenant and f.destination = d.destination
          and f.ordering_key = d.ordering_key and f.state = 1 limit 1) is null`)
    const text = plan.map((row) => row['QUERY PLAN']).join('\n')
    expect(text).toMatch(/using deliveries_in_flight/)
    expect(text).not.toMatch(/Seq Scan/)
  })

  test('a table that grows is looked at before it is large', async () => {
    const open = createOpen(db())
    for (let n = 0; n < 4; n++) await Promise.all(Array.from({ length: 40 }, () => open.submit(aNewTask({}))))
    await expect
      .poll(async () => {
        // The server counts what is changed a moment later.
        await refreshStatistics(db())
        const [row] = await rows<{ known: number }>(
          "select reltuples::int as known from pg_class where relname = 'task_events'",
        )
        return row?.known
      })
      .toBeGreaterThanOrEqual(160)
  })
})
