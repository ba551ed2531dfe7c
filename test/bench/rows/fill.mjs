/** What a gateway had left in its database: written straight into the tables, by SQL, with ids as it makes them. */
import { createHash } from 'node:crypto'

const WORDS = 'x'.repeat(900)

const make = (sql, count) =>
  sql.unsafe('create unlogged table backlog as select uuidv7() as id, n from generate_series(1, $1::int) n', [count])

const TASKS = `insert into tasks (tenant, id, agent, caller, context_id, state, last_seq, has_push, status_at)
  select 'default', id, 'bench', 'operator', id::text, $1, $2, $3, now() from backlog`

/**
 * Seen by nobody before the planner knows of it: a million rows in a table that was empty a moment ago are a bulk load, and
 * no gateway's backlog came that way.
 */
const atOnce = (sql, fill) =>
  sql.begin(async (inside) => {
    await fill(inside)
    await inside.unsafe('drop table backlog')
    await inside.unsafe('analyze tasks, task_events, deliveries, push_configs')
  })

/** Messages that wait for the agent. */
export const fillMessages = (sql, count) => atOnce(sql, (inside) => insertMessages(inside, count))

async function insertMessages(sql, count) {
  await make(sql, count)
  await sql.unsafe(TASKS, [1, 1, false])
  await sql.unsafe(`insert into task_events (tenant, task_id, seq, kind, body)
    select 'default', id, 1, 0, json_build_object('task', json_build_object('id', id, 'contextId', id,
      'status', json_build_object('state', 'TASK_STATE_SUBMITTED'),
      'history', json_build_array(json_build_object('messageId', id, 'role', 'ROLE_USER', 'parts',
        json_build_array(json_build_object('text', '${WORDS}'))))))::text from backlog`)
  await sql.unsafe(`insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, state, expires_at)
    select 'default', id, 'a2a', 'agent:bench', 'operator/' || id, 1, id, 1, 0, now() + interval '7 days' from backlog`)
}

const destinationOf = (url) =>
  `webhook:${new URL(url).origin}/${createHash('sha256').update(url).digest('base64url').slice(0, 12)}`

/** Finished tasks whose last `events` events are owed to a push URL, numbered: `#00000001#`. */
export const fillWebhooks = (sql, count, owed) => atOnce(sql, (inside) => insertWebhooks(inside, count, owed))

async function insertWebhooks(sql, count, { url, events = 1 }) {
  const tasks = Math.ceil(count / events)
  const destination = destinationOf(url)
  await make(sql, tasks)
  await sql.unsafe(TASKS, [3, 1 + events, true])
  await sql.unsafe(`insert into task_events (tenant, task_id, seq, kind, body)
    select 'default', id, 1 + e, 1, json_build_object('statusUpdate', json_build_object('taskId', id, 'contextId', id,
      'status', json_build_object('state', 'TASK_STATE_COMPLETED', 'message', json_build_object('messageId', id,
        'role', 'ROLE_AGENT', 'parts', json_build_array(json_build_object('text', '#' || lpad(e::text, 8, '0') || '# ${WORDS}'))))))::text
    from backlog cross join generate_series(1, ${events}) e`)
  await sql.unsafe(
    `insert into push_configs (tenant, task_id, id, url, destination, version) select 'default', id, 'p', $1, $2, '1.0' from backlog`,
    [url, destination],
  )
  await sql.unsafe(
    `insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, config_id, state, expires_at)
    select 'default', uuidv7(), 'webhook', $1, id || '/p', 1 + e, id, 1 + e, 'p', 0, now() + interval '1 day'
    from generate_series(1, ${events}) e cross join backlog order by e, n`,
    [destination],
  )
}

const CHUNK = 250_000

/** Tasks that ended over the last thirty days, each with its message and its answer, its key and its settled delivery. */
export async function fillHistory(sql, count, say) {
  for (let done = 0; done < count; done += CHUNK) {
    const some = Math.min(CHUNK, count - done)
    // Oldest first, as they came: one millisecond's ids differ in their chance.
    await sql.unsafe(
      `create unlogged table backlog as select uuidv7(-interval '30 days' * (1 - n::float8 / $3)) as id, n,
        now() - interval '30 days' * (1 - n::float8 / $3) as at from generate_series($1::int, $2::int) n`,
      [done + 1, done + some, count],
    )
    await sql.unsafe(`insert into tasks (tenant, id, agent, caller, context_id, state, last_seq, has_push, status_at, created_at)
      select 'default', id, 'bench', 'operator', uuidv7(now() - at)::text, 3, 2, false, at, at from backlog`)
    await sql.unsafe(`insert into task_events (tenant, task_id, seq, kind, body, at)
      select 'default', id, 1, 0, json_build_object('task', json_build_object('id', id, 'contextId', id,
        'status', json_build_object('state', 'TASK_STATE_SUBMITTED'), 'history', json_build_array(json_build_object(
          'messageId', id, 'role', 'ROLE_USER', 'parts', json_build_array(json_build_object('text', '${WORDS}'))))))::text, at
      from backlog
      union all
      select 'default', id, 2, 1, json_build_object('statusUpdate', json_build_object('taskId', id, 'contextId', id,
        'status', json_build_object('state', 'TASK_STATE_COMPLETED')))::text, at from backlog`)
    await sql.unsafe(`insert into submissions (tenant, caller, agent, key, task_id, seq, created_at)
      select 'default', 'operator', 'bench', 'm:' || gen_random_uuid(), id, 1, at from backlog`)
    await sql.unsafe(`insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, state,
        due_at, expires_at, attempt, created_at, settled_at)
      select 'default', id, 'mailbox', 'agent:bench', 'operator/' || id, n, id, 1, 2, at, at + interval '7 days', 1, at, at from backlog`)
    await sql.unsafe('drop table backlog')
    say?.(`  filled ${(done + some).toLocaleString('en')} of ${count.toLocaleString('en')}`)
  }
  await sql.unsafe('vacuum analyze tasks')
  await sql.unsafe('vacuum analyze task_events')
  await sql.unsafe('vacuum analyze submissions')
  await sql.unsafe('vacuum analyze deliveries')
}
