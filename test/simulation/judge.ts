/** What must hold when the storm is over, read from the tables and from what clients, agents and the receiver have noted. */
import { foldLog } from '../../src/gateway/tasks/view.ts'
import type { Event, Task } from './memory/rows.ts'
import { at } from './memory/rows.ts'
import type { World } from './world.ts'

const TERMINAL = [3, 4, 5, 7]
const INTERRUPTED = [6, 8]

export function judge(world: World, quiet: boolean): string[] {
  const { sea, going } = world
  const left = [...sea.tables.deliveries.values()].filter(({ state }) => state < 2)
  return [
    ...sea.troubles,
    ...(quiet
      ? []
      : [`not over: ${[...going].join()}; ${left.map(({ kind, state, code }) => `${kind} ${state} ${code}`).join()}`]),
    ...kept(world),
    ...oneTask(world),
    ...executed(world),
    ...logs(world),
    ...streams(world),
    ...ordered(world),
    ...told(world),
    ...webhooks(world),
  ]
}

const taskOf = ({ sea }: World, id: string): Task | undefined => sea.tables.tasks.get(at('default', id))
const logOf = ({ sea }: World, id: string): readonly Event[] => sea.tables.events.get(at('default', id)) ?? []

/** C1: what was acknowledged is there and has ended, or asks its sender something. */
const kept = (world: World): string[] =>
  world.sent.flatMap((message) => {
    if (!message.acked) return []
    return [...message.taskIds, ...(message.taskId ? [message.taskId] : [])].flatMap((id) => {
      const task = taskOf(world, id)
      if (!task) return [`C1 lost: task ${id} of ${message.messageId}`]
      return [...TERMINAL, ...INTERRUPTED].includes(task.state) ? [] : [`C1 never ended: ${id} in state ${task.state}`]
    })
  })

/** C3 */
function oneTask(world: World): string[] {
  const opening = world.sent.filter(({ taskId }) => taskId === undefined)
  const twice = opening.flatMap(({ messageId, taskIds }) =>
    taskIds.size > 1 ? [`C3 ${messageId} made ${[...taskIds].join(' and ')}`] : [],
  )
  const { size } = world.sea.tables.tasks
  return size > opening.length ? [...twice, `C3 ${size} tasks for ${opening.length} messages`] : twice
}

/** C4, C10: once where the agent knows it again, at most once where it must not be asked twice, never what was canceled unseen. */
const executed = (world: World): string[] =>
  world.sent.flatMap((message) => {
    const agent = world.agents.get(message.agent)
    if (!agent) return []
    const times = agent.executions.filter(({ messageIds }) => messageIds.includes(message.messageId)).length
    const repeats = agent.executions
      .flatMap(({ messageIds }) => messageIds)
      .filter((id) => id === message.messageId).length
    const found: string[] = []
    if (times > 1 || repeats > 1) found.push(`C4 ${message.messageId} ran ${repeats} times at ${agent.name}`)
    if (message.canceledUnseen && times > 0) found.push(`C10 ${message.messageId} was canceled and then sent`)
    const mustRun = message.acked && agent.dedupes && !message.cancelAsked && !wasCut(world, message)
    if (mustRun && times === 0) found.push(`C4 ${message.messageId} was acknowledged and never sent`)
    return found
  })

/** A further message that its task's end has made void, canceled before it, need not be sent. */
const wasCut = (world: World, { taskId }: { taskId?: string }): boolean =>
  taskId !== undefined && world.sent.some(({ taskIds, cancelAsked }) => cancelAsked && taskIds.has(taskId))

const stateIn = (body: string): string | undefined => {
  const event = JSON.parse(body)
  return (event.statusUpdate ?? event.task)?.status.state
}

/** C6, C8: 1..n, the head says n, at most one end and nothing after it. */
function logs(world: World): string[] {
  const found: string[] = []
  for (const task of world.sea.tables.tasks.values()) {
    const log = logOf(world, task.id)
    if (log.some(({ seq }, place) => seq !== place + 1))
      found.push(`C6 ${task.id}: ${log.map(({ seq }) => seq).join()}`)
    if (task.lastSeq !== log.length) found.push(`C6 ${task.id}: head ${task.lastSeq}, log ${log.length}`)
    const end = log.findIndex(({ body }) => /COMPLETED|FAILED|CANCELED|REJECTED/.test(stateIn(body) ?? ''))
    if (end >= 0 && end !== log.length - 1) found.push(`C8 ${task.id}: ${log.length - 1 - end} events after its end`)
    if (end >= 0 !== TERMINAL.includes(task.state)) found.push(`C8 ${task.id}: state ${task.state} and its log differ`)
  }
  return found
}

/** C6: a window of the log, each event once. */
const streams = (world: World): string[] =>
  world.reads.flatMap(({ taskId, frames }) => {
    const log = logOf(world, taskId)
    return frames.flatMap(({ sequence, json, opening }, place) => {
      if (sequence === 0) return []
      const before = frames[place - 1]?.sequence
      const found: string[] = []
      if (before !== undefined && sequence !== before + 1)
        found.push(`C6 stream of ${taskId}: after ${before} came ${sequence}`)
      if (!opening && log[sequence - 1]?.body !== json)
        found.push(`C6 stream of ${taskId}: event ${sequence} is not the log's`)
      return found
    })
  })

/** What the log makes of a task is what its agent has made: nothing twice, nothing left out. */
function told(world: World): string[] {
  const text = (parts: readonly { text?: string | undefined }[] = []) => parts.map((part) => part.text ?? '').join('')
  return [...world.sea.tables.tasks.values()].flatMap((task) => {
    const execution = world.agents.get(task.agent)?.executions.find((one) => one.task.id === task.upstreamTask)
    if (task.state !== 3 || execution?.task.status.state !== 'TASK_STATE_COMPLETED') return []
    const mine = (foldLog(logOf(world, task.id))?.artifacts ?? []).map(({ parts }) => text(parts)).join('|')
    const its = (execution.task.artifacts ?? []).map(({ parts }) => text(parts)).join('|')
    return mine === its ? [] : [`C4 ${task.id} says "${mine}", its agent has said "${its}"`]
  })
}

/** D13: of a conversation with one agent the first executions are in the order of the acknowledgements, none before the one before it has ended. */
function ordered(world: World): string[] {
  const found: string[] = []
  const recorded = new Map([...world.sea.tables.tasks.values()].map((task) => [task.upstreamTask, task.state]))
  for (const agent of world.agents.values()) {
    const conversations = new Map<string, { nth: number; startedAt: number; endedAt: number }[]>()
    for (const { messageIds, startedAt, endedAt, task } of agent.executions) {
      const message = world.sent.find(({ messageId }) => messageId === messageIds[0])
      if (!message || message.agent !== agent.name) continue
      const mine = conversations.get(message.contextId) ?? []
      // What the gateway has given up or canceled may go on at its agent.
      const followed = messageIds.length === 1 && recorded.get(task.id) === 3
      const end = followed ? endedAt : startedAt
      conversations.set(message.contextId, [...mine, { nth: message.nth, startedAt, endedAt: end }])
    }
    for (const [contextId, starts] of conversations) {
      const inOrder = starts.sort((a, b) => a.nth - b.nth)
      if (inOrder.some(({ startedAt }, place) => startedAt < (inOrder[place - 1]?.endedAt ?? 0)))
        found.push(`D13 conversation ${contextId} at ${agent.name} was overtaken`)
    }
  }
  return found
}

/** C12, C14: every event has arrived, first successes in order, the same bytes under the same id. */
function webhooks(world: World): string[] {
  const found: string[] = []
  const bodies = new Map<string, string>()
  const got = new Map<string, number[]>()
  for (const { id, taskId, body, sequence, ok } of world.arrived) {
    if ((bodies.get(id) ?? body) !== body) found.push(`C14 webhook ${id} changed`)
    bodies.set(id, body)
    const mine = got.get(taskId) ?? []
    if (ok && !mine.includes(sequence)) got.set(taskId, [...mine, sequence])
  }
  for (const { id, hasPush } of world.sea.tables.tasks.values()) {
    if (!hasPush) continue
    const wanted = logOf(world, id)
      .map(({ seq }) => seq)
      .slice(1)
    const mine = got.get(id) ?? []
    if (mine.join() !== wanted.join()) found.push(`C12 task ${id}: webhooks ${mine.join()} of ${wanted.join()}`)
  }
  return found
}
