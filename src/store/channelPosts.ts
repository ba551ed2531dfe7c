/** What was posted, by number. */
import type { Db, Statement } from './db.ts'

export interface PostRow {
  readonly seq: number
  readonly taskId: string
  readonly caller: string
  readonly sender: string
  readonly verified: boolean
  readonly recipients: number
  readonly at: number
  readonly contextId: string
  readonly state: number
  /** The opening event, canonical. */
  readonly body: string
}

const POSTS: Statement = {
  name: 'channels.posts',
  write: false,
  text: `select p.seq, p.task_id::text as "taskId", p.caller, p.sender, p.verified, p.recipients, (extract(epoch from p.at) * 1000)::float8 as at,
  t.context_id as "contextId", t.state, e.body
from (select * from channel_posts where tenant = $1 and channel = $2 and seq > greatest($3::int, (select cleared_seq from channels where tenant = $1 and name = $2))
  and ($4::int is null or seq <= $4::int) and ($7::uuid is null or task_id = $7::uuid) and ($6::float8 is null or at >= to_timestamp($6::float8 / 1000)) order by seq limit $5) p
join tasks t on t.tenant = $1 and t.id = p.task_id
join task_events e on e.tenant = $1 and e.task_id = p.task_id and e.seq = 1
order by p.seq`,
}
export interface PostQuery {
  readonly tenant: string
  readonly channel: string
  readonly after: number
  readonly upTo?: number
  /** Milliseconds since 1970. */
  readonly since?: number
  /** Only the one that this task is. */
  readonly taskId?: string
  readonly limit: number
}
/** In order; numbers are given under the channel's lock, so that a reader who goes on after the last one misses none. */
export const readPosts = (db: Db, q: PostQuery): Promise<PostRow[]> =>
  db.query<PostRow>(POSTS, [q.tenant, q.channel, q.after, q.upTo ?? null, q.limit, q.since ?? null, q.taskId ?? null])
