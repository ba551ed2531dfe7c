/** The sixteen. */
import type { Bug } from './bug.ts'

const KILL = 'F01 kill -9 a replica'
const KILL_ALL = 'F02 kill -9 all replicas at once'
const SLEEP = 'F03 a replica is paused for longer than a lease'
const DATABASE_DIES = 'F20 the database is killed and restarted'
const CUT = 'F21 every connection to the database is cut'
const CUT_SOME = 'F21 a third of the connections, four times'
const NO_REPLY = 'F23 what the database answers is lost'
const DEAF = 'F31 the listening connections are cut'
const STORM = 'F60 the same message from eight at once'
const BUSY = 'F54 an agent says that it is busy, or broken'

const TALKERS = { dedupes: 3, polls: 1 }
const SEND_ONLY = { immediate: 4, blocking: 1 }

export const BUGS: readonly Bug[] = [
  {
    number: 1,
    name: 'acknowledged before the commit',
    edits: [
      {
        file: 'gateway/tasks/open.ts',
        find: `  const opened = await tools.open.submit(row).catch((error) => {
    if (handed) tools.release(tenant, recipient.destination, handed.lease)
    throw error
  })`,
        put: `  void tools.open.submit(row).catch(() => {})
  const opened = { kind: 'opened' } as Opened`,
      },
    ],
    foundBy: ['C1'],
    profile: { only: [DATABASE_DIES, KILL_ALL, KILL], operations: SEND_ONLY, burst: 8 },
  },
  {
    number: 2,
    name: 'event ids from a sequence',
    instead: 'There are no sequences: the numbers come from the transaction ids, a counter of the whole database.',
    edits: [
      {
        file: 'store/events.ts',
        find: '    last_seq = t.last_seq + c.events,\n',
        put: '    last_seq = greatest(t.last_seq, (pg_current_xact_id()::text::bigint % 1000000000)::int) + c.events,\n',
      },
    ],
    foundBy: ['C6'],
    profile: { only: [CUT_SOME], seconds: 10 },
  },
  {
    number: 3,
    name: 'results written without looking at the lease',
    edits: [
      {
        file: 'store/events.ts',
        find: 'where tenant = c.tenant and id = c.delivery_id and lease = c.lease and state + 0 = 1\n',
        put: 'where tenant = c.tenant and id = c.delivery_id\n',
      },
    ],
    foundBy: ['C5 written', 'C6', 'C9'],
    profile: {
      only: [SLEEP],
      seconds: 26,
      everyMs: 2_000,
      faultsAtOnce: 1,
      agents: { dedupes: 1 },
      scripts: { 'pace:40:300': 1 },
      operations: { immediate: 1 },
      clients: 8,
      burst: 4,
      messagesMax: 160,
    },
  },
  {
    number: 4,
    name: 'NOTIFY as the source of what has happened',
    instead: 'A payload holds no events here: what was not notified is not looked for, as if the hint were the data.',
    edits: [
      {
        file: 'gateway/tasks/hub.ts',
        find: '        if (due.length > 0) await readOn(due)\n',
        put: '',
      },
      { file: 'gateway/tasks/hints.ts', find: '          onTasks(undefined)\n', put: '' },
    ],
    foundBy: ['C7'],
    profile: {
      only: [DEAF],
      everyMs: 700,
      agents: { dedupes: 1 },
      scripts: { 'pace:10:120': 1 },
      operations: { streaming: 2, subscribe: 6, immediate: 1 },
      burst: 1,
    },
  },
  {
    number: 5,
    name: 'subscribed after the look at the state',
    instead:
      'Followers read the log from where they are: here what was written between the look and the attachment is passed over.',
    edits: [
      {
        file: 'gateway/tasks/hub.ts',
        find: `        at = row.seq
        if (!follower.push(fromRow(row))) return drop(channel, follower)
`,
        put: '        at = row.seq\n',
      },
    ],
    foundBy: ['C6', 'C7'],
    profile: {
      only: ['F61 clients lose their connections', 'F28 a slow line to the database'],
      agents: { dedupes: 1 },
      scripts: { 'pace:10:60': 1 },
      operations: { streaming: 2, subscribe: 6, immediate: 1 },
      burst: 1,
    },
  },
  {
    number: 6,
    name: 'messages known again in memory only',
    instead:
      'The row of the key is written under the name of the process: another one, or the same after a restart, does not know it.',
    edits: [
      {
        file: 'gateway/tasks/open.ts',
        find: '    key: keyOf(params.message, call, recipient.idempotency),\n',
        put: '    key: ((key) => key && `${process.pid} ${key}`)(keyOf(params.message, call, recipient.idempotency)),\n',
      },
    ],
    foundBy: ['C3'],
    profile: { only: [STORM, KILL], operations: { immediate: 3, again: 5 }, seconds: 12 },
  },
  {
    number: 7,
    name: 'a new idempotency key for each attempt',
    edits: [
      {
        file: 'gateway/forwarder/attempt.ts',
        find: '    idempotencyKey: leased.id,\n',
        put: '    idempotencyKey: `${leased.id}-${leased.attempt}`,\n',
      },
    ],
    foundBy: ['C4 one key'],
    profile: { only: [BUSY], agents: TALKERS, operations: SEND_ONLY },
  },
  {
    number: 8,
    name: 'attempts counted when they have ended',
    instead: 'Counted with the claim, but for those that follow a lost lease: what never ended was never counted.',
    edits: [
      {
        file: 'store/deliveries.ts',
        find: 'text: `update deliveries set state = 1, attempt = attempt + 1, lease = gen_random_uuid(), owner = $5::uuid\n',
        put: "text: `update deliveries set state = 1, attempt = attempt + case when code = 'LEASE_LOST' then 0 else 1 end, lease = gen_random_uuid(), owner = $5::uuid\n",
      },
    ],
    foundBy: ['C4 one key'],
    profile: {
      only: ['F59 a replica dies while an agent has its messages and says nothing'],
      faultsAtOnce: 1,
      everyMs: 1_000,
      seconds: 20,
      agents: { dedupes: 1, polls: 1 },
      operations: SEND_ONLY,
    },
  },
  {
    number: 9,
    name: 'webhooks owed in a second statement',
    instead: 'The second statement is one of ours, without a transaction around both.',
    edits: [
      {
        file: 'store/events.ts',
        find: '  where h.has_push and p.disabled_at is null\n',
        put: '  where h.has_push and p.disabled_at is null and false\n',
      },
      {
        file: 'store/events.ts',
        find: '      const owed = written[0]?.owed\n',
        put: `      const done = written.flatMap(({ no, lastSeq }) => (lastSeq === null ? [] : [{ ...rows[no]!, last: lastSeq }]))
      const [after] = await db.query<AppendRow>(
        {
          name: 'planted.owed',
          write: true,
          text: \`with owed as (
            insert into deliveries (tenant, id, kind, destination, ordering_key, position, task_id, seq, config_id, state, expires_at)
            select p.tenant, gen_random_uuid(), 'webhook', p.destination, p.task_id::text || '/' || p.id, n, p.task_id, n, p.id, 0, now() + interval '1 day'
            from unnest($1::text[], $2::uuid[], $3::int[], $4::int[]) as c (tenant, task_id, last, events)
            join push_configs p on p.tenant = c.tenant and p.task_id = c.task_id and p.disabled_at is null
            cross join lateral generate_series(c.last - c.events + 1, c.last) n
            returning tenant, destination)
          select string_agg(distinct tenant || ' ' || destination, chr(10)) as owed from owed\`,
        },
        [
          arrayLiteral(done.map(({ tenant }) => tenant)),
          arrayLiteral(done.map(({ taskId }) => taskId)),
          arrayLiteral(done.map(({ last }) => last)),
          arrayLiteral(done.map(({ events }) => events.length)),
        ],
      )
      const owed = after?.owed
`,
      },
    ],
    foundBy: ['C12'],
    profile: {
      only: [KILL, KILL_ALL, CUT, CUT_SOME, NO_REPLY],
      operations: { immediate: 4, pushConfig: 1 },
      burst: 6,
      agents: { dedupes: 1 },
    },
  },
  {
    number: 10,
    name: 'webhooks of one task side by side',
    edits: [
      {
        file: 'store/deliveries.ts',
        find: 'export const FREE = `(select true from deliveries b',
        put: "export const FREE = `(d.kind = 'webhook' or (select true from deliveries b",
      },
      {
        file: 'store/deliveries.ts',
        find: 'and f.ordering_key = d.ordering_key and f.state = 1 limit 1) is null`',
        put: 'and f.ordering_key = d.ordering_key and f.state = 1 limit 1) is null)`',
      },
    ],
    // The database itself would not have it.
    sql: ['drop index deliveries_in_flight'],
    foundBy: ['C12'],
    profile: {
      only: ['F70 the webhook receiver answers 500', 'F70 the line to the webhook receiver is slow'],
      operations: { immediate: 4 },
      agents: { dedupes: 1 },
    },
  },
  {
    number: 11,
    name: 'a deleted config is not looked for in what was claimed',
    edits: [
      {
        file: 'gateway/forwarder/carrier.ts',
        find: 'send !== undefined && (await standsNow(one))',
        put: '(await Promise.resolve([standsNow].length)) > 0 && send !== undefined',
      },
    ],
    foundBy: ['C13'],
    profile: {
      only: ['F70 the webhook receiver takes its time'],
      everyMs: 300,
      operations: { immediate: 3, pushConfig: 8 },
      agents: { dedupes: 1 },
      scripts: { 'chunks:4': 1 },
      clients: 12,
      burst: 4,
      pushPaths: 1,
    },
  },
  {
    number: 12,
    name: 'an end is written over',
    edits: [
      {
        file: 'store/events.ts',
        find: 'where t.tenant = c.tenant and t.id = c.task_id and t.state in (0, 1, 2, 6, 8)\n',
        put: 'where t.tenant = c.tenant and t.id = c.task_id\n',
      },
    ],
    foundBy: ['C6 C8', 'C9'],
    profile: {
      only: ['F43 an agent is far away'],
      agents: { dedupes: 1 },
      operations: { immediate: 1, cancel: 8 },
      scripts: { 'pace:4:60': 1 },
    },
  },
  {
    number: 13,
    name: 'one look without asking whose it is',
    edits: [
      {
        file: 'store/tasks.ts',
        find: 'where tenant = $1 and id = $2 and ($3::text is null or caller = $3) and ($4::text is null or agent = $4)`',
        put: 'where tenant = $1 and id = $2 and ($3::text is null or true) and ($4::text is null or agent = $4)`',
      },
    ],
    foundBy: ['C15'],
    profile: { only: [STORM], operations: { immediate: 1, foreign: 6, get: 1 }, seconds: 10 },
  },
  {
    number: 14,
    name: 'a warning on COMMIT passed over',
    instead:
      'There is no standby to wait for and no COMMIT of ours: an outcome that the database did not tell is taken for done.',
    edits: [
      {
        file: 'store/tasks.ts',
        find: '  const written = await db.query<{ id: string }>(OPEN, [...columns(rows, NEW_TASK), ...json.map(joinJson)])\n',
        put: `  const written = await db.query<{ id: string }>(OPEN, [...columns(rows, NEW_TASK), ...json.map(joinJson)]).catch((error) => {
    if (error.outcome === 'unknown') return rows.map(({ id }) => ({ id }))
    throw error
  })
`,
      },
    ],
    foundBy: ['C1'],
    profile: { only: [DATABASE_DIES, CUT, CUT_SOME], operations: SEND_ONLY, burst: 8 },
  },
  {
    number: 15,
    name: 'leases by the clock of the process',
    edits: [
      {
        file: 'store/recovery.ts',
        find: 'values ($1, $2, now() + make_interval(secs => $3::float8 / 1000)) on conflict',
        put: 'values ($1, $2, to_timestamp($3::float8 / 1000)) on conflict',
      },
      {
        file: 'store/recovery.ts',
        find: '  await db.query(JOIN, [id, name, leaseMs])\n',
        put: '  await db.query(JOIN, [id, name, Date.now() + leaseMs])\n',
      },
      {
        file: 'store/recovery.ts',
        find: 'update replicas set until = now() + make_interval(secs => $2::float8 / 1000) where id = $1 and until > now()\n',
        put: 'update replicas set until = to_timestamp($2::float8 / 1000) where id = $1\n',
      },
      {
        file: 'store/recovery.ts',
        find: '(await db.query<{ alive: number }>(BEAT, [id, leaseMs]))[0]?.alive',
        put: '(await db.query<{ alive: number }>(BEAT, [id, Date.now() + leaseMs]))[0]?.alive',
      },
    ],
    foundBy: ['C5 who lives', 'C22'],
    profile: {
      only: ['F10 a replica restarts with its clock ten minutes off'],
      faultsAtOnce: 1,
      everyMs: 500,
      seconds: 24,
    },
  },
  {
    number: 16,
    name: 'error texts that hold the credential',
    edits: [
      {
        file: 'wire/bindings/agentClient.ts',
        find: "    return faultOfStatus(response.status, retryAfterMs(response.headers['retry-after'], clock), said)\n",
        put: `    const failed = faultOfStatus(response.status, retryAfterMs(response.headers['retry-after'], clock), said)
    return { ...failed, reason: \`\${failed.reason}, asked with \${JSON.stringify(face.headers)}\` }
`,
      },
      {
        file: 'wire/bindings/peer/redact.ts',
        find: '  if (secrets.length === 0) return NOTHING_SECRET\n',
        put: '  if (secrets.length >= 0) return NOTHING_SECRET\n',
      },
    ],
    foundBy: ['C23'],
    profile: { only: [BUSY], agents: { plain: 1 }, operations: { ...SEND_ONLY, get: 1 }, seconds: 12 },
  },
]
