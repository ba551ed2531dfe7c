/** ListTasks (A2A 1.0 §3.1.4): the caller's own tasks of this agent, newest status first, by cursor. */
import { A2AError } from '../../a2a/errors.ts'
import type { ListTasksRequest, ListTasksResponse } from '../../a2a/operations.ts'
import { readsOf } from '../../store/db.ts'
import { pageTokens } from '../../store/page.ts'
import { type ListCursor, listTasks as listHeads } from '../../store/tasks.ts'
import { cut, readTasks } from '../tasks/view.ts'
import type { AgentCall, OperationTools } from './tools.ts'

const DEFAULT_PAGE = 50

export async function listTasks(
  params: ListTasksRequest,
  call: AgentCall,
  { db: store, pageKey }: OperationTools,
): Promise<ListTasksResponse> {
  const {
    contextId,
    status,
    pageSize = DEFAULT_PAGE,
    pageToken,
    historyLength,
    statusTimestampAfter,
    includeArtifacts = false,
  } = params
  const { tenant, id: caller } = call.caller
  const agent = call.known.name
  const db = readsOf(store, tenant)
  const tokens = pageTokens<ListCursor>(pageKey, [
    'tasks',
    tenant,
    caller,
    agent,
    contextId,
    status,
    statusTimestampAfter,
  ])
  const after = pageToken ? tokens.read(pageToken) : undefined
  if (pageToken && !after) throw invalid('pageToken', 'not a token of this list')
  const state = status === 'TASK_STATE_UNSPECIFIED' ? undefined : status
  const { heads, total } = await listHeads(db, {
    tenant,
    caller,
    agent,
    limit: pageSize + 1,
    ...(contextId && { contextId }),
    ...(state && { state }),
    ...(statusTimestampAfter && { statusAfter: instant(statusTimestampAfter) }),
    ...(after && { after }),
  })
  const page = heads.slice(0, pageSize)
  const tasks = await readTasks(
    db,
    tenant,
    page.map(({ id }) => id),
    includeArtifacts,
  )
  const last = page.at(-1)
  const more = heads.length > pageSize && last
  return {
    tasks: page.flatMap(({ id }) => {
      const task = tasks.get(id)
      if (!task) return []
      const shown = cut(task, { historyLength, artifacts: includeArtifacts })
      return [includeArtifacts ? { ...shown, artifacts: shown.artifacts ?? [] } : shown]
    }),
    nextPageToken: more ? tokens.write({ statusAt: last.statusAt, id: last.id }) : '',
    pageSize,
    totalSize: total,
  }
}

const invalid = (field: string, description: string) =>
  new A2AError('INVALID_PARAMS', `${field}: ${description}`, { violations: [{ field, description }] })

function instant(text: string): number {
  const ms = Date.parse(text)
  if (!Number.isFinite(ms)) throw invalid('statusTimestampAfter', 'a timestamp like 2026-01-31T12:00:00.000Z')
  return ms
}
