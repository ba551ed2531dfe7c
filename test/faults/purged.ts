/**
 * What a gateway purges under load is written down by the database itself, so that nothing is taken on the gateway's word: rows
 * go to a schema of their own, and whoever looks there first (`search_path`) sees what is kept and what is gone as one.
 */

/** Retention of the profile that has one. Nobody's retry comes later than this, or it were another message. */
export const RETENTION_SECONDS = 20

const ARCHIVED = { tasks: 'id', task_events: 'task_id', deliveries: 'task_id', push_configs: 'task_id' } as const

/** Before the gateway starts. A row counts as purged if its task is gone with it. */
export const ARCHIVE: readonly string[] = [
  'create schema kept',
  ...Object.entries(ARCHIVED).flatMap(([table, task]) => [
    `create table kept.gone_${table} (like public.${table})`,
    `create view kept.${table} as select * from public.${table} union all select * from kept.gone_${table}`,
    `create function kept.keep_${table}() returns trigger language plpgsql as $$ begin
      if not exists (select 1 from public.tasks t where t.tenant = old.tenant and t.id = old.${task}) then
        insert into kept.gone_${table} select old.*;
      end if; return null; end $$`,
    `create trigger keep_${table} after delete on public.${table} for each row execute function kept.keep_${table}()`,
  ]),
]

/** Tasks that are gone, and among them those that should not be. */
export const PURGED = 'select id::text from kept.gone_tasks'
export const WRONGLY_PURGED = `
select 'task ' || id || ' had not ended: state ' || state as why from kept.gone_tasks where state not in (3, 4, 5, 7)
union all
select 'delivery ' || id || ' (' || kind || ') of a task that is gone: state ' || state from kept.gone_deliveries where state not in (2, 4)
union all
select 'rows of ' || r.name || ' have no task: ' || r.task_id from (
  select 'task_events' as name, task_id from public.task_events union select 'deliveries', task_id from public.deliveries
  union select 'submissions', task_id from public.submissions union select 'push_configs', task_id from public.push_configs) r
where not exists (select 1 from public.tasks t where t.id = r.task_id)`
