/** GetTask (A2A 1.0 §3.1.3). */
import { A2AError } from '../../a2a/errors.ts'
import type { GetTaskRequest } from '../../a2a/operations.ts'
import { isTerminal, type Task } from '../../a2a/tasks.ts'
import { readsOf } from '../../store/db.ts'
import { findTask, type TaskHead } from '../../store/tasks.ts'
import { withFacts } from '../tasks/facts.ts'
import { cut, readTask } from '../tasks/view.ts'
import { deliveryFacts } from './deliveryFacts.ts'
import type { AgentCall, OperationTools } from './tools.ts'

export async function getTask(
  { id, historyLength }: GetTaskRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<Task> {
  const head = await ownTask(id, call, tools)
  const db = readsOf(tools.db, head.tenant)
  const { now } = tools
  const facts = isTerminal(head.state) ? undefined : deliveryFacts(head.tenant, head.id, { db, now })
  const [read, told] = await Promise.all([readTask(db, head.tenant, head.id), facts])
  if (!read) throw notFound()
  return cut(withFacts(read.task, told), { historyLength })
}

const notFound = () => new A2AError('TASK_NOT_FOUND', 'task not found')

/** The caller's own task of this agent. Unknown and foreign look alike (spec §3.3.2, §13.1). */
export async function ownTask(id: string, call: AgentCall, { db }: Pick<OperationTools, 'db'>): Promise<TaskHead> {
  const { tenant } = call.caller
  const head = await findTask(readsOf(db, tenant), { tenant, caller: call.caller.id, agent: call.known.name, id })
  if (!head) throw notFound()
  return head
}
