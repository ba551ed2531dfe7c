/** What the database does to its users, and what happens on the way to it. */
import { nap } from '../dice.ts'
import { command, type Scene, type Staged } from '../scene.ts'
import { type FaultClass, replicaOf, type Stage } from './fault.ts'

const everybody = ({ replicas }: Scene) => replicas.map(({ index }) => replicaOf(index))

/** A fault of the database itself: all replicas feel it. */
const shared =
  (run: (stage: Stage) => Promise<void>): FaultClass =>
  (stage) => ({ targets: ['database'], affects: everybody(stage.scene), run: () => run(stage) })

/** A fault on one replica's way to the database. */
const onTheWay =
  (run: (replica: Staged, stage: Stage) => Promise<void>): FaultClass =>
  (stage) => {
    const replica = stage.dice.pick(stage.scene.replicas)
    const name = replicaOf(replica.index)
    return { targets: [`line ${name}`, name], affects: [name], run: () => run(replica, stage) }
  }

async function whileOn(
  line: Staged['database'],
  mode: Parameters<Staged['database']['set']>[0],
  ms: number,
): Promise<void> {
  line.set(mode)
  await nap(ms)
  line.set({ kind: 'pass' })
}

const GATEWAYS = "application_name = 'waypost'"
const OTHERS = 'pid <> pg_backend_pid() and datname = current_database()'

/** Holds what a statement of another session locks, for so long. */
async function hold({ scene }: Stage, text: string, ms: number): Promise<void> {
  const { default: connect } = await import('postgres')
  const sql = connect(scene.databaseUrl, {
    max: 1,
    onnotice: () => {},
    connect_timeout: 3,
    fetch_types: false,
    connection: { application_name: 'nemesis' },
  })
  await sql
    .begin(async (held) => {
      await held.unsafe(text)
      await nap(ms)
    })
    .catch(() => {})
  await sql.end({ timeout: 1 }).catch(() => {})
}

export const DATABASE: Readonly<Record<string, FaultClass>> = {
  // No clock of a server is turned here: what is written moves an hour back instead, which is the same to who compares.
  'F11 the clock of the database has jumped by an hour': shared(async ({ scene }) => {
    await command(
      scene.databaseUrl,
      `with gone as (update replicas set until = until - interval '1 hour')
      update deliveries set leased_until = leased_until - interval '1 hour', due_at = due_at - interval '1 hour',
        expires_at = expires_at - interval '1 hour' where state in (0, 1)`,
      3,
    ).catch(() => {})
  }),
  'F20 the database is killed and restarted': shared(async ({ scene, dice }) => {
    await scene.postgres.kill('SIGQUIT')
    await nap(100 + dice.below(2_500))
    await scene.postgres.restart()
  }),
  'F21 every connection to the database is cut': shared(async ({ scene }) => {
    await command(
      scene.databaseUrl,
      `select pg_terminate_backend(pid) from pg_stat_activity where ${OTHERS} and ${GATEWAYS}`,
      3,
    ).catch(() => {})
  }),
  'F21 a third of the connections, four times': shared(async ({ scene }) => {
    for (let times = 0; times < 4; times++) {
      await command(
        scene.databaseUrl,
        `select pg_terminate_backend(pid) from pg_stat_activity where ${OTHERS} and ${GATEWAYS} and random() < 0.33`,
        3,
      ).catch(() => {})
      await nap(400)
    }
  }),
  'F22 a line to the database swallows everything': onTheWay(({ database }, { dice }) =>
    whileOn(database, { kind: 'blackhole', way: 'both' }, 1_500 + dice.below(8_000)),
  ),
  'F23 what the database answers is lost': onTheWay(({ database }, { dice }) =>
    whileOn(database, { kind: 'lose replies' }, 100 + dice.below(1_500)),
  ),
  'F28 a slow line to the database': onTheWay(({ database }, { dice }) =>
    whileOn(database, { kind: 'latency', ms: 60, jitterMs: 140 }, 2_000 + dice.below(3_000)),
  ),
  'F28 all backends stall': shared(async ({ scene, dice }) => {
    const rows = await command<{ pid: number }>(
      scene.databaseUrl,
      `select pid from pg_stat_activity where ${OTHERS} and ${GATEWAYS}`,
      3,
    ).catch(() => [])
    const signal = (name: NodeJS.Signals) => {
      for (const { pid } of rows)
        try {
          process.kill(pid, name)
        } catch {
          // It has gone meanwhile.
        }
    }
    signal('SIGSTOP')
    await nap(500 + dice.below(2_500))
    signal('SIGCONT')
  }),
  'F29 the database is read-only': shared(async ({ scene, dice }) => {
    await command(scene.databaseUrl, 'alter system set default_transaction_read_only = on', 3)
    await command(scene.databaseUrl, 'select pg_reload_conf()', 3)
    await nap(300 + dice.below(1_500))
    await command(scene.databaseUrl, 'alter system reset default_transaction_read_only')
    await command(scene.databaseUrl, 'select pg_reload_conf()')
  }),
  'F30 somebody locks the queue': shared((stage) =>
    hold(
      stage,
      `lock table ${stage.dice.pick(['deliveries', 'task_events', 'submissions'])} in share row exclusive mode`,
      500 + stage.dice.below(2_500),
    ),
  ),
  'F30 somebody locks tasks, one by one': shared((stage) =>
    hold(
      stage,
      'select 1 from tasks where state < 3 order by id desc limit 300 for update',
      1_000 + stage.dice.below(3_000),
    ),
  ),
  'F31 the listening connections are cut': (stage) => ({
    targets: ['database'],
    affects: [],
    async run() {
      await command(
        stage.scene.databaseUrl,
        `select pg_terminate_backend(pid) from pg_stat_activity where ${OTHERS} and query ilike 'listen%'`,
        3,
      ).catch(() => {})
    },
  }),
  'F32 somebody holds an old snapshot': (stage) => ({
    targets: ['snapshot'],
    affects: [],
    run: () => hold(stage, 'set transaction isolation level repeatable read; select count(*) from replicas', 8_000),
  }),
  'F40 a replica is parted from the database, in one direction': onTheWay(({ database }, { dice }) =>
    whileOn(database, { kind: 'blackhole', way: dice.pick(['up', 'down']) }, 1_000 + dice.below(5_000)),
  ),
  'F40 a replica is parted from the database for longer than a lease': onTheWay(({ database }, { dice, leaseMs }) =>
    whileOn(database, { kind: 'refuse' }, leaseMs * 1.3 + dice.below(3_000)),
  ),
}
