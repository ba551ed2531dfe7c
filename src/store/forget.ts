/** All rows of tasks, as CTEs of a statement that removes them: a task is there with all that is its own, or not at all. */

const IDS = (of: string) => `any(array(select id from ${of}))`

/**
 * After `doomed` (id) and `owed` (id, task_id: all deliveries of theirs): removes them. `$1` is the tenant. What is left is
 * `gone` (id). Each table is walked by an index: a planner that does not know how many there are joins whole tables instead.
 */
export const FORGET = `forgotten_deliveries as (
  delete from deliveries where tenant = $1 and id = any(array(select o.id from owed o join doomed g on g.id = o.task_id))
), forgotten_attempts as (
  delete from attempts where tenant = $1 and task_id = ${IDS('doomed')}
), forgotten_configs as (
  delete from push_configs where tenant = $1 and task_id = ${IDS('doomed')}
), forgotten_submissions as (
  delete from submissions where tenant = $1 and task_id = ${IDS('doomed')}
), forgotten_parents as (
  delete from parents where tenant = $1 and task_id = ${IDS('doomed')}
), forgotten_children as (
  delete from task_children where tenant = $1 and (parent_id = ${IDS('doomed')} or child_id = ${IDS('doomed')})
), forgotten_posts as (
  delete from channel_posts where tenant = $1 and task_id = ${IDS('doomed')}
), forgotten_events as (
  delete from task_events where tenant = $1 and task_id = ${IDS('doomed')}
), gone as (
  delete from tasks where tenant = $1 and id = ${IDS('doomed')} returning id
)`

/** The deliveries of the tasks in `of` (id), with whatever else of them is asked for. */
export const OWED = (of: string, more = ''): string => `owed as materialized (
  select id, task_id${more} from deliveries d where tenant = $1 and id = ${IDS(of)}
  union all
  select id, task_id${more} from deliveries d where tenant = $1 and task_id = ${IDS(of)} and id <> task_id
)`
