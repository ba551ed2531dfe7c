/** Reads the database once, when everything is over. */
import postgres from 'postgres'
import { PURGED, WRONGLY_PURGED } from '../purged.ts'
import type { Books, DeliveryRow, EventRow, TaskRow, WebhookRow } from './checker.ts'

interface LogRow extends EventRow {
  readonly task_id: string
}

/** Text that others may come to see, or that is kept for years. */
const PLACES = [
  'task_events.body',
  'task_events.history',
  'task_events.request',
  'deliveries.reason',
  'deliveries.checkpoint',
  'attempts.reason',
  'lanes.reason',
  'audit.detail',
]

export async function readBooks(databaseUrl: string, secrets: readonly string[]): Promise<Books> {
  // What was purged is looked at with the rest, where it was written down.
  const sql = postgres(databaseUrl, { max: 2, onnotice: () => {}, connection: { search_path: 'kept,public' } })
  const tasks = (await sql`select id::text, agent, caller, state, last_seq from tasks`) as unknown as TaskRow[]
  const events = new Map<string, EventRow[]>()
  const tokens = new Set<string>()
  await sql`select task_id::text, seq, body, history from task_events order by task_id, seq`.cursor(5_000, (rows) => {
    for (const { task_id, seq, body, history } of rows as unknown as (LogRow & { history: string | null })[]) {
      const mine = events.get(task_id)
      if (mine) mine.push({ seq, body })
      else events.set(task_id, [{ seq, body }])
      for (const [token] of `${body}${history ?? ''}`.matchAll(/op-[a-z]+-\d+-\d+/g)) tokens.add(token)
    }
  })
  const webhooks =
    (await sql`select d.id::text, d.task_id::text, d.config_id, d.seq, d.state, d.attempt, d.code, d.reason, p.disabled_at is not null as disabled, p.id is not null as there
    from deliveries d left join push_configs p on p.tenant = d.tenant and p.task_id = d.task_id and p.id = d.config_id
    where d.kind = 'webhook' order by d.task_id, d.config_id, d.seq`) as unknown as WebhookRow[]
  const deliveries =
    (await sql`select id::text, task_id::text, seq, state, attempt from deliveries where kind <> 'webhook'`) as unknown as DeliveryRow[]
  const spilled: string[] = []
  for (const place of PLACES) {
    const [table, column] = place.split('.') as [string, string]
    for (const secret of secrets) {
      const [row] =
        await sql`select ${sql(column)}::text as text from ${sql(table)} where strpos(${sql(column)}::text, ${secret}) > 0 limit 1`
      if (row) spilled.push(`${secret.slice(0, 6)}… in ${place}: ${String(row.text).slice(0, 200)}`)
    }
  }
  const [archive] = await sql`select to_regclass('kept.gone_tasks') is not null as there`
  const purged = archive?.there ? ((await sql.unsafe(PURGED)) as unknown as { id: string }[]) : []
  const wrongly = archive?.there ? ((await sql.unsafe(WRONGLY_PURGED)) as unknown as { why: string }[]) : []
  await sql.end()
  return {
    tasks: new Map(tasks.map((task) => [task.id, task])),
    events,
    webhooks,
    deliveries,
    open: deliveries.filter(({ state }) => state < 2).length + webhooks.filter(({ state }) => state < 2).length,
    spilled,
    tokens,
    purged: new Set(purged.map(({ id }) => id)),
    wronglyPurged: wrongly.map(({ why }) => why),
  }
}
