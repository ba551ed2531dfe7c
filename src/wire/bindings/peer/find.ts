/** Looks whether an agent has a task that came from a message: what is asked before anything is sent a second time. */
import type { Task } from '../../../a2a/tasks.ts'
import type { FindAnswer, UpstreamTrace } from '../../../ports.ts'
import type { Fault } from '../faults.ts'
import { getTask, quick } from './carry.ts'
import type { Line } from './line.ts'

/** Ten pages of a hundred: more conversations than one caller has in a context. */
const PAGES_MAX = 10
const PAGE_SIZE = 100
/** Enough to hold the message that made the task; unset would mean the server's default, which may be none. */
const HISTORY = 1_000

export async function findTask(line: Line, trace: UpstreamTrace): Promise<FindAnswer> {
  if (trace.upstreamTaskId !== undefined) {
    const looked = await getTask(line, trace.upstreamTaskId)
    if (looked.kind === 'result') return { kind: 'found', task: looked.result }
    return looked.error === 'TASK_NOT_FOUND' ? { kind: 'absent' } : unclear(looked)
  }
  if (!line.lists) return { kind: 'unclear', reason: "the agent's version cannot list tasks" }
  const listed = await search(line, trace)
  if (listed.kind !== 'found') return listed
  // A list may leave artifacts out; the task itself has them.
  const looked = await getTask(line, listed.task.id)
  return looked.kind === 'result' ? { kind: 'found', task: looked.result } : listed
}

/** Nobody answered, or not in time: asking later may help. Anything else is an answer. */
const unclear = ({ reason, cause }: Fault): FindAnswer => ({
  kind: 'unclear',
  reason,
  unreachable: cause === 'unsent' || cause === 'busy' || cause === 'unknown' || cause === 'stopped',
})

async function search(line: Line, { messageId, upstreamContextId }: UpstreamTrace): Promise<FindAnswer> {
  let seen = 0
  let pageToken = ''
  for (let page = 0; page < PAGES_MAX; page++) {
    const listed = await line.client.call(
      'ListTasks',
      {
        ...line.tenant,
        ...(upstreamContextId !== undefined && { contextId: upstreamContextId }),
        pageSize: PAGE_SIZE,
        historyLength: HISTORY,
        includeArtifacts: false,
        ...(pageToken !== '' && { pageToken }),
      },
      quick(line),
    )
    if (listed.kind === 'fault') return unclear(listed)
    const { tasks, nextPageToken } = listed.result
    const task = tasks.find((one) => cameFrom(one, messageId))
    if (task) return { kind: 'found', task }
    if (tasks.some(({ history }) => !history?.length))
      return { kind: 'unclear', reason: 'the agent lists tasks without history' }
    seen += tasks.length
    pageToken = nextPageToken
    if (pageToken === '') return seen > 0 ? { kind: 'absent' } : EMPTY
  }
  return { kind: 'unclear', reason: `the agent lists more than ${PAGES_MAX * PAGE_SIZE} tasks` }
}

/** An empty list proves nothing: it may come from an agent that answers with Messages, or from one that has lost its memory. */
const EMPTY: FindAnswer = { kind: 'unclear', reason: 'the agent lists no task' }

const cameFrom = ({ history = [], status }: Task, messageId: string): boolean =>
  history.some((message) => message.messageId === messageId) || status.message?.messageId === messageId
