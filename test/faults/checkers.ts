/**
 * What must hold after any run, read from the history, the agents' and the receiver's own logs, and the database. Each
 * checker answers what it found wrong; none has an opinion on time.
 */
import postgres from 'postgres'
import type { ScriptedAgent } from '../support/agent.ts'
import type { Receiver } from '../support/receiver.ts'
import type { Line, Sent } from './workload.ts'

export interface Evidence {
  readonly databaseUrl: string
  readonly history: readonly Line[]
  readonly sent: readonly Sent[]
  readonly agents: Readonly<Record<string, ScriptedAgent>>
  /** Agents that know a message again: for them "doubled" means executed twice. */
  readonly deduping: readonly string[]
  readonly receiver?: Receiver
}

export interface Finding {
  readonly checker: string
  readonly checked: number
  readonly violations: readonly string[]
}

interface TaskRow {
  id: string
  state: number
  last_seq: number
  has_push: boolean
}
interface EventRow {
  task_id: string
  seq: number
  body: string
}

const TERMINAL = /TASK_STATE_(COMPLETED|FAILED|CANCELED|REJECTED)/
const isTerminalState = (state: number) => [3, 4, 5, 7].includes(state)
const stateIn = (body: string): string | undefined => {
  const event = JSON.parse(body)
  return (event.statusUpdate ?? event.task)?.status.state
}

export async function check(evidence: Evidence): Promise<Finding[]> {
  const sql = postgres(evidence.databaseUrl, { max: 2, onnotice: () => {} })
  const tasks = (await sql`select id::text, state, last_seq, has_push from tasks`) as unknown as TaskRow[]
  const events =
    (await sql`select task_id::text, seq, body from task_events order by task_id, seq`) as unknown as EventRow[]
  const open = (await sql`select count(*)::int as n from deliveries where state in (0, 1)`) as unknown as {
    n: number
  }[]
  await sql.end()
  const byId = new Map(tasks.map((task) => [task.id, task]))
  const log = groupEvents(events)
  return [
    acknowledgedIsKept(evidence, byId),
    oneTaskPerMessage(evidence, tasks),
    executedOnce(evidence),
    gaplessAndFinal(log, byId),
    orderedConversations(evidence),
    canceledIsNotSent(evidence),
    readsGoForward(evidence),
    webhooksInOrder(evidence, log, byId),
    {
      checker: 'C22 nothing left in the queue',
      checked: tasks.length,
      violations: open[0]?.n ? [`${open[0].n} deliveries are still waiting or leased`] : [],
    },
  ]
}

function groupEvents(events: readonly EventRow[]): Map<string, EventRow[]> {
  const grouped = new Map<string, EventRow[]>()
  for (const event of events) {
    const mine = grouped.get(event.task_id)
    if (mine) mine.push(event)
    else grouped.set(event.task_id, [event])
  }
  return grouped
}

/** C1: what was acknowledged is there, and has ended. */
function acknowledgedIsKept({ sent }: Evidence, byId: Map<string, TaskRow>): Finding {
  const violations = sent.flatMap(({ messageId, taskIds }) =>
    [...taskIds].flatMap((id) => {
      const task = byId.get(id)
      if (!task) return [`lost: task ${id} of message ${messageId}`]
      return isTerminalState(task.state) ? [] : [`never ended: task ${id}, state ${task.state}`]
    }),
  )
  return { checker: 'C1 acknowledged is kept and ends', checked: sent.length, violations }
}

/** C3: however often it was sent, one message made one task. */
function oneTaskPerMessage({ sent }: Evidence, tasks: readonly TaskRow[]): Finding {
  const violations = sent.flatMap(({ messageId, taskIds }) =>
    taskIds.size > 1 ? [`message ${messageId} made ${[...taskIds].join(' and ')}`] : [],
  )
  if (tasks.length > sent.length) violations.push(`${tasks.length} tasks for ${sent.length} messages`)
  return { checker: 'C3 one task per message', checked: sent.length, violations }
}

/** C4: an agent that knows a message again has done it once, and what completed was done. */
function executedOnce({ sent, agents, deduping }: Evidence): Finding {
  const mine = sent.filter(({ agent }) => deduping.includes(agent))
  const violations = mine.flatMap(({ messageId, agent, cancelAsked, taskIds }) => {
    const times = agents[agent]?.executionsOf(messageId) ?? 0
    if (times > 1) return [`message ${messageId} was executed ${times} times`]
    return times === 0 && !cancelAsked && taskIds.size > 0 ? [`message ${messageId} was never executed`] : []
  })
  return { checker: 'C4 executed once', checked: mine.length, violations }
}

/** C6, C8: sequences 1..n without a gap; one end at most, and nothing after it. */
function gaplessAndFinal(log: Map<string, EventRow[]>, byId: Map<string, TaskRow>): Finding {
  const violations: string[] = []
  for (const [id, events] of log) {
    if (events.some(({ seq }, at) => seq !== at + 1))
      violations.push(`task ${id}: sequences ${events.map(({ seq }) => seq).join(',')}`)
    if (byId.get(id)?.last_seq !== events.length)
      violations.push(`task ${id}: head says ${byId.get(id)?.last_seq}, log has ${events.length}`)
    const end = events.findIndex(({ body }) => TERMINAL.test(stateIn(body) ?? ''))
    if (end >= 0 && end !== events.length - 1)
      violations.push(`task ${id}: event ${end + 1} is an end, and ${events.length - 1 - end} follow`)
  }
  return { checker: 'C6 C8 gapless, and final', checked: log.size, violations }
}

/** D13: the first execution of messages of one conversation follows the order in which their sends were acknowledged. */
function orderedConversations({ sent, agents }: Evidence): Finding {
  const violations: string[] = []
  let checked = 0
  for (const [name, agent] of Object.entries(agents)) {
    const first = new Map<string, number>()
    agent.log.entries.forEach(({ messageId, operation }, at) => {
      if (messageId && operation.startsWith('Send') && !first.has(messageId)) first.set(messageId, at)
    })
    const conversations = new Map<string, Sent[]>()
    for (const one of sent.filter((message) => message.agent === name))
      conversations.set(one.contextId, [...(conversations.get(one.contextId) ?? []), one])
    for (const messages of conversations.values()) {
      const order = messages.sort((a, b) => a.nth - b.nth).flatMap(({ messageId }) => first.get(messageId) ?? [])
      checked += order.length
      if (order.some((at, n) => n > 0 && at < (order[n - 1] as number)))
        violations.push(`conversation ${messages[0]?.contextId} was overtaken`)
    }
  }
  return { checker: 'D13 conversations in order', checked, violations }
}

/** C10: a task that was answered CANCELED while queued is not sent afterwards; here: canceled and never sent, or sent before. */
function canceledIsNotSent({ sent, agents }: Evidence): Finding {
  const canceled = sent.filter((message) => message.canceled)
  const violations = canceled.flatMap(({ messageId, agent }) =>
    (agents[agent]?.executionsOf(messageId) ?? 0) > 1 ? [`canceled message ${messageId} ran twice`] : [],
  )
  return { checker: 'C10 canceled stays canceled', checked: canceled.length, violations }
}

const RANK: Record<string, number> = { TASK_STATE_SUBMITTED: 0, TASK_STATE_WORKING: 1 }
const rank = (state: string | undefined) => (state === undefined ? 0 : (RANK[state] ?? 2))

/** C11: after an answer no later look goes back, and an acknowledged task is never unknown. */
function readsGoForward({ history }: Evidence): Finding {
  const best = new Map<string, number>()
  const acked = new Set<string>()
  const violations: string[] = []
  for (const { op, type, taskId, state } of history) {
    if (!taskId) continue
    if (op === 'get' && type === 'fail' && acked.has(taskId))
      violations.push(`task ${taskId} was acknowledged and then not found`)
    if (type !== 'ok') continue
    acked.add(taskId)
    // A repeated send may be answered late with an early look; a get is not.
    if (op === 'get' && rank(state) < (best.get(taskId) ?? 0)) violations.push(`task ${taskId} went back to ${state}`)
    best.set(taskId, Math.max(best.get(taskId) ?? 0, op === 'get' ? rank(state) : 0))
  }
  return { checker: 'C11 reads do not go back', checked: history.length, violations }
}

/** C12: each event of a task with a webhook arrived, first arrivals in order, the same bytes under the same id. */
function webhooksInOrder({ receiver }: Evidence, log: Map<string, EventRow[]>, byId: Map<string, TaskRow>): Finding {
  const violations: string[] = []
  const arrived = new Map<string, number[]>()
  const bodies = new Map<string, string>()
  for (const { headers, body, json, status } of receiver?.log.entries ?? []) {
    const id = String(headers['webhook-id'])
    if (bodies.has(id) && bodies.get(id) !== body) violations.push(`webhook ${id} changed its body`)
    bodies.set(id, body)
    if (status !== 200) continue
    const event = json as { statusUpdate?: { taskId: string }; artifactUpdate?: { taskId: string } }
    const taskId = (event.statusUpdate ?? event.artifactUpdate)?.taskId ?? ''
    const seq = Number(headers['webhook-seq'])
    const mine = arrived.get(taskId) ?? []
    if (!mine.includes(seq)) arrived.set(taskId, [...mine, seq])
  }
  let checked = 0
  for (const { id, has_push } of byId.values()) {
    if (!has_push || !receiver) continue
    const wanted = (log.get(id) ?? []).slice(1).map(({ seq }) => seq)
    checked += wanted.length
    const got = arrived.get(id) ?? []
    if (got.join() !== wanted.join()) violations.push(`task ${id}: webhooks ${got.join()} of ${wanted.join()}`)
  }
  return { checker: 'C12 C14 webhooks all, in order, unchanged', checked, violations }
}
