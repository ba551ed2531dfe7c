/** What was posted before an agent joined, for that agent: each post as a task of its own, which its post no longer waits for. */
import type { Message, Task } from '../../a2a/tasks.ts'
import { mailKind } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Batch } from '../../store/batch.ts'
import { type PostRow, readPosts } from '../../store/channelPosts.ts'
import { linkAside } from '../../store/children.ts'
import type { Db } from '../../store/db.ts'
import type { NewTask, Opened } from '../../store/tasks.ts'
import type { Agent } from '../agents/agent.ts'
import { wishesOf } from '../tasks/wishes.ts'
import { type PostFilter, wants } from './filter.ts'
import { postedMessage } from './post.ts'

/** `now`: nothing; `beginning`; a number: after that post; `last`: so many. At most LIMITS.channelReplayMax, the newest. */
export type ReplayFrom = 'now' | 'beginning' | { after: number } | { last: number }

export interface ReplayTools {
  readonly db: Db
  readonly open: Batch<NewTask, Opened>
  readonly now: () => Date
  readonly wake: (tenant: string, destination: string, orderingKey?: string) => void
}

const afterOf = (from: ReplayFrom | undefined, upTo: number): number => {
  if (from === undefined || from === 'now') return upTo
  const wanted = from === 'beginning' ? 0 : 'after' in from ? from.after : upTo - from.last
  return Math.max(0, wanted, upTo - LIMITS.channelReplayMax)
}

/** How many it gets. Asked again it makes none twice. */
export async function replayPosts(
  { tenant, channel, upTo }: { tenant: string; channel: string; upTo: number },
  agent: Agent,
  from: ReplayFrom | undefined,
  filter: PostFilter | undefined,
  tools: ReplayTools,
): Promise<number> {
  const after = afterOf(from, upTo)
  if (after >= upTo) return 0
  const posts = await readPosts(tools.db, { tenant, channel, after, upTo, limit: LIMITS.channelReplayMax })
  let made = 0
  for (const post of posts) {
    const message = (JSON.parse(post.body) as { task: Task }).task.history?.[0]
    if (!message || post.caller === agent.destination) continue
    const wishes = wishesOf({ message })
    if (!wants(filter, { caller: post.caller, message, ...wishes })) continue
    await openFor(post, message, { tenant, channel, agent, priority: wishes.priority }, tools)
    made++
  }
  return made
}

async function openFor(
  post: PostRow,
  message: Message,
  { tenant, channel, agent, priority }: { tenant: string; channel: string; agent: Agent; priority: number },
  { db, open, now, wake }: ReplayTools,
): Promise<void> {
  const id = uuidv7()
  const { contextId, caller } = post
  const at = now().toISOString()
  const own = { ...postedMessage(message, channel, post.taskId), contextId, taskId: id }
  const task: Task = { id, contextId, status: { state: 'TASK_STATE_SUBMITTED', timestamp: at }, history: [own] }
  const orderingKey = `${caller}/${contextId}`
  const opened = await open.submit({
    ...{ tenant, id, caller, agent: agent.name, contextId, trace: null, statusAt: at, deadline: null },
    // Whoever joins twice, or asks again after a crash, gets each post once.
    key: `post:${post.taskId}`,
    ...{ body: JSON.stringify({ task }), request: null, kind: agent.connector.kind, destination: agent.destination },
    ...{ orderingKey, priority, lease: null, owner: null, notBefore: null },
    ...{
      ttlSeconds: agent.policy.ttlSeconds,
      config: null,
      home: null,
      mail: JSON.stringify({ kind: mailKind('post') }),
    },
  })
  await linkAside(db, {
    tenant,
    parentId: post.taskId,
    childId: opened.kind === 'repeated' ? opened.taskId : id,
    member: agent.name,
  })
  wake(tenant, agent.destination, orderingKey)
}
