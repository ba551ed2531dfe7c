/** Waking agents that collect and are not there: one wake-up per mailbox is out at a time, whichever replica sends it. */
import { QUIET } from '../delivery.ts'
import { columns } from './arrays.ts'
import type { Db, Statement } from './db.ts'

export interface Waker {
  readonly tenant: string
  readonly destination: string
  readonly url: string
  /** Before it is woken again; then five, fifteen and sixty times that. */
  readonly afterSeconds: number
}

const WAKERS: Statement = {
  name: 'wakes.wakers',
  write: false,
  text: `select a.tenant, 'agent:' || a.name as destination, a.registration -> 'wake' ->> 'url' as url,
  coalesce((a.registration -> 'wake' ->> 'afterSeconds')::int, 60) as "afterSeconds"
from agents a where a.registration -> 'wake' is not null and a.paused_at is null and a.pending is null limit 10000`,
}
/** Agents that want to be woken. */
export const listWakers = (db: Db): Promise<Waker[]> => db.query<Waker>(WAKERS, [])

// Level-triggered: what counts is what is so now. Work or a read mark confirms a wake-up; who was seen a moment ago is there.
const CLAIM: Statement = {
  name: 'wakes.claim',
  write: true,
  text: `
with state as materialized (
  select w.*, exists (select 1 from deliveries d where d.tenant = w.tenant and d.destination = w.destination and d.state = 0
      and d.priority < ${QUIET} and d.due_at <= now() and d.read_at is null) as waits,
    exists (select 1 from deliveries d where d.tenant = w.tenant and d.destination = w.destination and d.state = 1) as held
  from unnest($1::text[], $2::text[], $3::int[]) as w (tenant, destination, after_seconds)
), woken as (
  insert into lanes as l (tenant, destination, woken_at, wakes, wake_status, wake_due_at)
  select tenant, destination, now(), 1, 'sent', now() + make_interval(secs => after_seconds) from state where waits and not held
  on conflict (tenant, destination) do update set woken_at = now(), wakes = l.wakes + 1, wake_status = 'sent',
    wake_due_at = now() + (excluded.wake_due_at - now()) * (array[1, 5, 15, 60])[least(l.wakes, 3) + 1]
  where (l.wake_due_at is null or l.wake_due_at <= now()) and (l.seen_at is null or l.seen_at < now() - make_interval(secs => $4::int))
    and not (l.wakes > 0 and coalesce(l.worked_at > l.woken_at, false))
  returning l.tenant, l.destination, l.wakes
), confirmed as (
  update lanes l set wakes = 0, wake_due_at = null, wake_status = 'confirmed'
  from state s where l.tenant = s.tenant and l.destination = s.destination and l.wakes > 0
    and (s.held or not s.waits or l.worked_at > l.woken_at)
)
select tenant, destination, wakes from woken`,
}
export interface Woken {
  readonly tenant: string
  readonly destination: string
  /** Which in a row. */
  readonly wakes: number
}
/** Those of these that are to be woken now: whoever gets one wakes it. */
export const claimWakes = (db: Db, wakers: readonly Waker[], awaySeconds: number): Promise<Woken[]> =>
  db.query<Woken>(CLAIM, [...columns(wakers, ['tenant', 'destination', 'afterSeconds']), awaySeconds])

const STATUS: Statement = {
  name: 'wakes.status',
  write: true,
  text: 'update lanes set wake_status = $3 where tenant = $1 and destination = $2 and wakes > 0',
}
export const setWakeStatus = async (db: Db, { tenant, destination }: Woken, status: string): Promise<void> => {
  await db.query(STATUS, [tenant, destination, status])
}
