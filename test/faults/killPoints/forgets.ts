/** What is removed is removed whole: a task is there with all its rows, or not at all, wherever the process died. */
import type { Act } from './act.ts'
import { must, type Scenario } from './scenario.ts'

/** Tasks of a caller that ended forty days ago, written as a gateway leaves them; `open` of them have not. */
async function past(act: Act, caller: string, count: number, open = 0): Promise<void> {
  // At once: a walk may come between.
  await act.sql.begin(async (sql) => {
    await sql`create table past as select uuidv7(interval '-40 days') as id, n from generate_series(1, ${count}::int) n`
    await sql`insert into tasks (tenant, id, agent, caller, context_id, state, last_seq, has_push, status_at, created_at)
    select 'default', id, 'box', ${caller}, id::text, case when n <= ${open} then 1 else 3 end, 2, false, now() - interval '40 days', now() - interval '40 days' from past`
    await sql`insert into task_events (tenant, task_id, seq, kind, body)
    select 'default', id, seq, seq - 1, case seq when 1 then json_build_object('task', json_build_object('id', id, 'contextId', id,
        'status', json_build_object('state', 'TASK_STATE_SUBMITTED'), 'history', json_build_array(json_build_object('messageId', id, 'role', 'ROLE_USER',
          'parts', json_build_array(json_build_object('text', ${caller}::text))))))
      else json_build_object('statusUpdate', json_build_object('taskId', id, 'contextId', id,
        'status', json_build_object('state', case when n <= ${open} then 'TASK_STATE_SUBMITTED' else 'TASK_STATE_COMPLETED' end))) end::text
    from past cross join generate_series(1, 2) seq`
    await sql`insert into submissions (tenant, caller, agent, key, task_id, seq) select 'default', ${caller}, 'box', 'm:' || id, id, 1 from past`
    await sql`insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, state, expires_at, settled_at)
    select 'default', id, 'mailbox', 'agent:box', ${caller} || '/' || id, n, id, 1, case when n <= ${open} then 0 else 2 end, now() + interval '1 day', now() from past`
    await sql`drop table past`
  })
}

/** No row whose task is gone, no task without its rows. */
async function mustBeWhole({ sql }: Act): Promise<void> {
  for (const table of ['task_events', 'submissions', 'deliveries', 'attempts', 'push_configs']) {
    const [row] =
      await sql`select count(*)::int as n from ${sql(table)} r where not exists (select 1 from tasks t where t.tenant = r.tenant and t.id = r.task_id)`
    must(row?.n === 0, `lost: ${row?.n} rows of ${table} have no task`)
  }
  const [torn] =
    await sql`select count(*)::int as n from tasks t where t.last_seq <> (select count(*) from task_events e where e.tenant = t.tenant and e.task_id = t.id)`
  must(torn?.n === 0, `lost: ${torn?.n} tasks have not all of their log`)
}

const left = async ({ sql }: Act, caller: string): Promise<number> =>
  (await sql`select count(*)::int as n from tasks where caller = ${caller}`)[0]?.n as number

export const FORGETS: readonly Scenario[] = [
  {
    name: 'retention: pages of a walk',
    counts: ['tasks.purge', 'lanes.tidy', 'keys.tidy'],
    ignores: ['inbox.remind', 'inbox.tellUnacknowledged'],
    limits: { purgeEveryMs: 300 },
    async run(act) {
      await past(act, 'past', 2_100)
      const kept = await act.send('dedupes', 'artifact')
      await act.reaches('dedupes', kept.id, 'COMPLETED')
      await act.until('the end of what is past', async () => {
        await mustBeWhole(act)
        return (await left(act, 'past')) === 0
      })
      must((await act.get('dedupes', kept.id)).id === kept.id, 'lost: a task of today')
    },
  },
  {
    name: 'erase: open tasks are ended, and all of them go',
    async run(act) {
      await past(act, 'leaver', 700, 2)
      await act.until('the end of the erasing', async () => {
        const { json } = await act.sure('/v1/erase', { body: { caller: 'leaver', force: true } })
        await mustBeWhole(act)
        return json.done === true
      })
      must((await left(act, 'leaver')) === 0, 'something is left')
      const { json } = await act.sure('/v1/audit/verify')
      must(json.ok === true, `the audit does not hold: ${JSON.stringify(json)}`)
      const [row] =
        await act.sql`select count(*)::int as n from audit where action = 'data.erased' and subject = 'leaver'`
      must((row?.n ?? 0) > 0, 'the audit does not tell of it')
    },
  },
]
