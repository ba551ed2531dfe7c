/**
 * A dead letter is tried anew. A webhook goes back to the queue under the same id. A message whose task has failed does
 * not: terminal stays terminal, so a new task with the same content refers to the old one. Where a mailbox holds its dead
 * letters the task has not ended, and goes on.
 */
import type { Task } from '../../a2a/tasks.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Batch } from '../../store/batch.ts'
import type { Db } from '../../store/db.ts'
import { findDead, replayHeld, replayWebhook } from '../../store/deadLetters.ts'
import type { NewTask, Opened } from '../../store/tasks.ts'
import type { Agents } from '../agents/registry.ts'
import { readTask } from '../tasks/view.ts'

export type Replayed = { kind: 'replayed'; taskId: string } | { kind: 'not found' } | { kind: 'not dead' }

export interface ReplayTools {
  readonly db: Db
  readonly now: () => Date
  readonly agents: Agents
  readonly open: Batch<NewTask, Opened>
  readonly wake: (tenant: string, destination: string) => void
}

/** `by`: the operator, for the record. */
export async function replay(tools: ReplayTools, tenant: string, id: string, by: string): Promise<Replayed> {
  const dead = await findDead(tools.db, tenant, id)
  if (!dead) return { kind: 'not found' }
  if (!dead.dead) return { kind: 'not dead' }
  const order = { tenant, id, by, auditId: uuidv7() }
  const again = dead.kind === 'webhook' ? await replayWebhook(tools.db, order) : await replayHeld(tools.db, order)
  if (dead.kind === 'webhook' && !again) return { kind: 'not dead' }
  if (again) {
    tools.wake(tenant, dead.destination)
    return { kind: 'replayed', taskId: dead.taskId }
  }
  const taskId = await openAgain(tools, {
    tenant,
    id: dead.taskId,
    agentName: dead.agent,
    caller: dead.caller,
    seq: dead.seq,
  })
  return taskId ? { kind: 'replayed', taskId } : { kind: 'not found' }
}

async function openAgain(
  tools: ReplayTools,
  old: { tenant: string; id: string; agentName: string; caller: string; seq: number },
): Promise<string | undefined> {
  const [read, agent] = await Promise.all([
    readTask(tools.db, old.tenant, old.id),
    tools.agents.find(old.tenant, old.agentName),
  ])
  const message = read?.task.history?.filter(({ role }) => role === 'ROLE_USER').at(-1)
  if (!read || !agent || !message) return undefined
  const id = uuidv7()
  const contextId = read.task.contextId ?? uuidv7()
  const at = tools.now().toISOString()
  const again = { ...message, taskId: id, contextId, referenceTaskIds: [...(message.referenceTaskIds ?? []), old.id] }
  const task: Task = { id, contextId, status: { state: 'TASK_STATE_SUBMITTED', timestamp: at }, history: [again] }
  const opened = await tools.open.submit({
    tenant: old.tenant,
    id,
    caller: old.caller,
    agent: agent.name,
    contextId,
    trace: null,
    statusAt: at,
    deadline: null,
    // One dead letter, one new task, however often replay is asked for.
    key: `replay:${old.id}/${old.seq}/${read.lastSeq}`,
    body: JSON.stringify({ task }),
    request: null,
    kind: agent.connector.kind,
    destination: agent.destination,
    orderingKey: `${old.caller}/${contextId}`,
    priority: 2,
    lease: null,
    owner: null,
    notBefore: null,
    ttlSeconds: agent.policy.ttlSeconds,
    config: null,
    home: null,
    mail: null,
  })
  tools.wake(old.tenant, agent.destination)
  return opened.kind === 'repeated' ? opened.taskId : id
}
