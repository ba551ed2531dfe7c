/** Push configurations: created, read, deleted. Secrets are sealed before they come here. */
import { columns } from './arrays.ts'
import { type AuditNote, auditValues, noting } from './audit.ts'
import { type Batch, createBatch } from './batch.ts'
import type { Db, Statement } from './db.ts'

export interface PushConfigRow {
  readonly tenant: string
  readonly taskId: string
  readonly id: string
  readonly url: string
  readonly destination: string
  readonly version: string
  readonly token: string | null
  readonly scheme: string | null
  readonly credentials: string | null
  readonly secret: string | null
}

const COLUMNS = 'tenant, task_id::text as "taskId", id, url, destination, version, token, scheme, credentials, secret'

// The head's flag is what makes later events look for configs at all, so it is set in the same statement. A config with
// the same id replaces the old one. The bound is looked at under the head's lock, so that two cannot pass it together.
const PUT: Statement = {
  name: 'pushConfigs.put',
  write: true,
  text: `
with head as (
  update tasks set has_push = true where tenant = $1 and id = $2::uuid returning id
), room as (
  select id from head where (select count(*) from push_configs where tenant = $1 and task_id = $2::uuid and id <> $3) < $11::int
), kept as (
insert into push_configs (tenant, task_id, id, url, destination, version, token, scheme, credentials, secret)
select $1, id, $3, $4, $5, $6, $7, $8, $9, $10 from room
on conflict (tenant, task_id, id) do update set url = excluded.url, destination = excluded.destination, version = excluded.version,
  token = excluded.token, scheme = excluded.scheme, credentials = excluded.credentials, secret = excluded.secret,
  disabled_at = null, disabled_reason = null
returning tenant, id
), ${noting('kept', 12)}
select id from kept`,
}

/** false: the task has as many as it may have. */
export async function putPushConfig(db: Db, row: PushConfigRow, max: number, note: AuditNote): Promise<boolean> {
  const rows = await db.query(PUT, [
    row.tenant,
    row.taskId,
    row.id,
    row.url,
    row.destination,
    row.version,
    row.token,
    row.scheme,
    row.credentials,
    row.secret,
    max,
    ...auditValues(note),
  ])
  return rows.length === 1
}

const LIST: Statement = {
  name: 'pushConfigs.list',
  write: false,
  text: `select ${COLUMNS} from push_configs where tenant = $1 and task_id = $2::uuid and id > $3 order by id limit $4`,
}
/** In the order of their ids, after `after`. */
export const listPushConfigs = (
  db: Db,
  tenant: string,
  taskId: string,
  after: string,
  limit: number,
): Promise<PushConfigRow[]> => db.query<PushConfigRow>(LIST, [tenant, taskId, after, limit])

const FIND: Statement = {
  name: 'pushConfigs.find',
  write: false,
  text: `select ${COLUMNS} from push_configs where tenant = $1 and task_id = $2::uuid and id = $3`,
}
export async function findPushConfig(
  db: Db,
  tenant: string,
  taskId: string,
  id: string,
): Promise<PushConfigRow | undefined> {
  const [row] = await db.query<PushConfigRow>(FIND, [tenant, taskId, id])
  return row
}

const WHY_DISABLED: Statement = {
  name: 'pushConfigs.whyDisabled',
  write: false,
  text: `select disabled_reason as reason from push_configs where tenant = $1 and task_id = $2::uuid and id = $3 and disabled_at is not null`,
}
/** Why nothing is owed to it any more; undefined: it is not disabled, or not there. */
export async function whyDisabled(db: Db, { tenant, taskId, id }: PushConfigKey): Promise<string | undefined> {
  const [row] = await db.query<{ reason: string | null }>(WHY_DISABLED, [tenant, taskId, id])
  return row && (row.reason ?? 'its receiver has gone')
}

const STANDING: Statement = {
  name: 'pushConfigs.standing',
  write: false,
  text: `select w.no from unnest($1::int[], $2::text[], $3::uuid[], $4::text[]) as w (no, tenant, task_id, id)
join push_configs p on p.tenant = w.tenant and p.task_id = w.task_id and p.id = w.id and p.disabled_at is null`,
}
export type PushConfigKey = Pick<PushConfigRow, 'tenant' | 'taskId' | 'id'>

/** true: it is there, and not disabled. Those who ask at the same time share a statement. */
export function createStanding(db: Db): Batch<PushConfigKey, boolean> {
  return createBatch<PushConfigKey, boolean>({
    name: STANDING.name,
    repeatable: true,
    weigh: () => 100,
    async run(keys) {
      const asked = keys.map((key, no) => ({ ...key, no }))
      const rows = await db.query<{ no: number }>(STANDING, columns(asked, ['no', 'tenant', 'taskId', 'id']))
      const standing = new Set(rows.map(({ no }) => no))
      return keys.map((_, no) => standing.has(no))
    },
  })
}

// What is owed to it is withdrawn with it; an attempt that has begun may end (P13).
const DELETE: Statement = {
  name: 'pushConfigs.delete',
  write: true,
  text: `
with gone as (
  delete from push_configs where tenant = $1 and task_id = $2::uuid and id = $3 returning tenant, id
), ${noting('gone', 4)}
update deliveries set state = 4, settled_at = now(), code = 'CONFIG_DELETED', reason = 'the push notification config was deleted'
where tenant = $1 and task_id = $2::uuid and id <> task_id and config_id = $3 and state = 0 and exists (select 1 from gone)`,
}
export const deletePushConfig = async (
  db: Db,
  { tenant, taskId, id }: Pick<PushConfigRow, 'tenant' | 'taskId' | 'id'>,
  note: AuditNote,
): Promise<void> => {
  await db.query(DELETE, [tenant, taskId, id, ...auditValues(note)])
}

// What is owed to it already are dead letters, not void: it was due before the receiver had gone, and can be replayed (P12).
const DISABLE: Statement = {
  name: 'pushConfigs.disable',
  write: true,
  text: `
with off as (
  update push_configs set disabled_at = now(), disabled_reason = $4 where tenant = $1 and task_id = $2::uuid and id = $3 and disabled_at is null
  returning id
)
update deliveries set state = 3, settled_at = now(), code = 'GONE', reason = $4
where tenant = $1 and task_id = $2::uuid and id <> task_id and config_id = $3 and state = 0 and exists (select 1 from off)`,
}
/** The receiver said that it is gone (410): nothing new is owed to it, and what waits for it is a dead letter. */
export const disablePushConfig = async (
  db: Db,
  tenant: string,
  taskId: string,
  id: string,
  reason: string,
): Promise<void> => {
  await db.query(DISABLE, [tenant, taskId, id, reason])
}
