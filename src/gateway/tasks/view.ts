/** The task as its log has made it, cut to what was asked for. */
import { applyArtifact, applyStatus, type StreamResponse } from '../../a2a/events.ts'
import type { Artifact, Message, Task } from '../../a2a/tasks.ts'
import { LIMITS } from '../../limits.ts'
import type { Db } from '../../store/db.ts'
import { type LogRow, readEvents, readManyEvents } from '../../store/events.ts'

/** One more event onto the task so far. `history`: messages that came with it. */
export function fold(
  task: Task | undefined,
  event: StreamResponse,
  history: readonly Message[] = [],
): Task | undefined {
  if ('task' in event) return event.task
  if (!task || 'message' in event) return task
  const known = new Set((task.history ?? []).map((message) => message.messageId))
  // Agents repeat themselves, in snapshots; what a sender sent is one entry each time, whatever id it chose.
  const more = history.filter(({ role, messageId }) => role !== 'ROLE_AGENT' || !known.has(messageId))
  if ('artifactUpdate' in event)
    return { ...task, artifacts: applyArtifact(task.artifacts ?? [], event.artifactUpdate) }
  const moved = applyStatus(task, event.statusUpdate)
  return more.length === 0 ? moved : { ...moved, history: [...(moved.history ?? []), ...more] }
}

/** Folds a whole log. Artifact chunks are gathered in place: a log of 50,000 chunks is one pass. */
export function foldLog(rows: readonly Pick<LogRow, 'kind' | 'body' | 'history'>[]): Task | undefined {
  let task: Task | undefined
  const artifacts = new Map<string, Artifact & { parts: Artifact['parts'] }>()
  for (const { body, history } of rows) {
    const event = JSON.parse(body) as StreamResponse
    if ('artifactUpdate' in event) {
      const { artifact, append } = event.artifactUpdate
      const known = artifacts.get(artifact.artifactId)
      if (append && known) known.parts.push(...artifact.parts)
      else artifacts.set(artifact.artifactId, { ...artifact, parts: [...artifact.parts] })
    } else {
      task = fold(task, event, history ? (JSON.parse(history) as Message[]) : [])
    }
  }
  if (!task || artifacts.size === 0) return task
  return { ...task, artifacts: [...(task.artifacts ?? []), ...artifacts.values()] }
}

export interface Cut {
  /** Unset: all of it; 0: none, and the member is omitted (spec §3.2.4). */
  readonly historyLength?: number | undefined
  /** false: artifacts are omitted (ListTasks without includeArtifacts). */
  readonly artifacts?: boolean
}

export function cut(task: Task, { historyLength, artifacts = true }: Cut): Task {
  const { history, artifacts: all, ...rest } = task
  const kept = historyLength === undefined ? history : historyLength === 0 ? undefined : history?.slice(-historyLength)
  return { ...rest, ...(artifacts && all && { artifacts: all }), ...(kept && kept.length > 0 && { history: kept }) }
}

/** Reads and folds one task's log up to `upTo`; undefined: there is none. Also says which event was the last. */
export async function readTask(
  db: Db,
  tenant: string,
  taskId: string,
  upTo = Number.MAX_SAFE_INTEGER,
): Promise<{ task: Task; lastSeq: number } | undefined> {
  const rows: LogRow[] = []
  for (;;) {
    const page = await readEvents(db, tenant, taskId, rows.at(-1)?.seq ?? 0, LIMITS.followPageEvents)
    rows.push(...page.filter(({ seq }) => seq <= upTo))
    if (page.length < LIMITS.followPageEvents || (page.at(-1)?.seq ?? 0) >= upTo) break
  }
  const task = foldLog(rows)
  return task && { task, lastSeq: rows.at(-1)?.seq ?? 0 }
}

/** Several tasks at once, for lists. */
export async function readTasks(
  db: Db,
  tenant: string,
  ids: readonly string[],
  artifacts: boolean,
): Promise<Map<string, Task>> {
  const rows = await readManyEvents(db, tenant, ids, artifacts)
  const byTask = new Map<string, LogRow[]>()
  for (const row of rows) {
    const mine = byTask.get(row.taskId)
    if (mine) mine.push(row)
    else byTask.set(row.taskId, [row])
  }
  const tasks = new Map<string, Task>()
  for (const [id, log] of byTask) {
    const task = foldLog(log)
    if (task) tasks.set(id, task)
  }
  return tasks
}
