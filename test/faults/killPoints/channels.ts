/** Channels: a child's end is its own, the parent's is taken from it; a queue's post is one member's. */
import type { Act } from './act.ts'
import { must, type Scenario, textOf } from './scenario.ts'

/** There already, when it is asked for again after a kill. */
async function open(act: Act, document: { name: string; [member: string]: unknown }): Promise<`channels/${string}`> {
  await act.sure('/v1/channels', { body: document }, [409])
  return `channels/${document.name}`
}

export const CHANNELS: readonly Scenario[] = [
  {
    name: 'channel: the answers of members, and the end of their parent',
    // A post is one message and a task for each member beside its own.
    without: ['C3'],
    async run(act) {
      const team = await open(act, { name: 'team', members: ['box', 'dedupes'], collect: 'all' })
      const post = await act.send(team, 'hello')
      const { lease } = await act.lease()
      await act.settle(lease, 'complete', { text: 'from the box' })
      const parent = await act.reaches(team, post.id, 'COMPLETED')
      const names = (parent.artifacts ?? []).map(({ artifactId }) => artifactId).sort()
      must(names.join() === 'box,dedupes', `the answers of ${names.join() || 'nobody'}`)
      must(textOf(parent).includes('from the box'), 'the answer of the box is not there')
      const kept =
        (await act.sql`select outcome, count(*)::int as n from task_children where parent_id = ${post.id} group by 1`) as unknown as {
          outcome: string
          n: number
        }[]
      must(kept.length === 1 && kept[0]?.outcome === 'answered' && kept[0].n === 2, `children: ${JSON.stringify(kept)}`)
      const ends =
        (await act.sql`select count(*)::int as n from task_events where task_id = ${post.id} and body like '%TASK_STATE_COMPLETED%'`) as unknown as {
          n: number
        }[]
      must(ends[0]?.n === 1, `${ends[0]?.n} ends of the parent`)
    },
  },
  {
    name: 'channel: the first answer ends it',
    without: ['C3'],
    async run(act) {
      const team = await open(act, { name: 'team', members: ['box', 'dedupes'], collect: 'first' })
      const post = await act.send(team, 'hello')
      const { lease } = await act.lease()
      await act.settle(lease, 'complete', { text: 'from the box' })
      const parent = await act.reaches(team, post.id, 'COMPLETED')
      must(parent.artifacts?.length === 1, `${parent.artifacts?.length} answers`)
    },
  },
  {
    name: 'channel: a post of a queue is given to who has a server',
    async run(act) {
      const queue = await open(act, { name: 'queue', members: ['dedupes'], mode: 'one' })
      const posts = [await act.send(queue, 'one'), await act.send(queue, 'two')]
      for (const { id } of posts) await act.reaches(queue, id, 'COMPLETED')
      for (const { messageId } of act.sent)
        must(
          act.agents.dedupes.executionsOf(messageId) === 1,
          `${messageId} ran ${act.agents.dedupes.executionsOf(messageId)} times`,
        )
    },
  },
]
