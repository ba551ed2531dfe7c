/** Agents and a webhook receiver in memory: processes of their own, which go on whoever listens. */
import type { StreamResponse } from '../../src/a2a/events.ts'
import { isInterrupted, isTerminal, type Message, type Task, type TaskState } from '../../src/a2a/tasks.ts'
import type { AttemptFacts, Verdict } from '../../src/delivery.ts'
import type { FindAnswer, Peer, PrepareWebhook } from '../../src/ports.ts'
import { latency, type Sea } from './network.ts'
import type { Owner } from './time.ts'

export interface SimAgent {
  readonly name: string
  /** Knows a message again. */
  readonly dedupes: boolean
  /** Can be asked about a message that it may have. */
  readonly tells: boolean
  /** Nobody is there until then. */
  awayUntil: number
  readonly executions: Execution[]
}

export interface Execution {
  readonly messageIds: string[]
  readonly startedAt: number
  /** When it last had no more to say. */
  endedAt: number
  task: Task
  readonly said: StreamResponse[]
  readonly listeners: Set<() => void>
}

let made = 0

export const newAgent = (name: string, dedupes: boolean, tells: boolean): SimAgent => ({
  name,
  dedupes,
  tells,
  awayUntil: 0,
  executions: [],
})

const isOver = ({ task }: Execution): boolean => isTerminal(task.status.state) || isInterrupted(task.status.state)

function say(execution: Execution, event: StreamResponse): void {
  if (isTerminal(execution.task.status.state)) return
  execution.said.push(event)
  if ('statusUpdate' in event) execution.task = { ...execution.task, status: event.statusUpdate.status }
  if ('artifactUpdate' in event) {
    const { artifact, append } = event.artifactUpdate
    const known = (execution.task.artifacts ?? []).find(({ artifactId }) => artifactId === artifact.artifactId)
    const grown = append && known ? { ...known, parts: [...known.parts, ...artifact.parts] } : artifact
    const others = (execution.task.artifacts ?? []).filter(({ artifactId }) => artifactId !== artifact.artifactId)
    execution.task = { ...execution.task, artifacts: [...others, grown] }
  }
  for (const listener of [...execution.listeners]) listener()
}

/** What it does is in the message: `chunks:3 ask` … and how long each step takes is the seed's. */
async function work(sea: Sea, execution: Execution, text: string): Promise<void> {
  const { time, dice } = sea
  const { id: taskId, contextId = '' } = execution.task
  // Longer than a lease in all: another may have taken over, and both hear of it.
  const slow = text.includes('slow')
  const pause = () =>
    time.sleep(slow ? 1_000 + dice.below(5_000) : dice.next() < 0.1 ? dice.below(3_000) : dice.below(40))
  const status = (state: TaskState) => ({ statusUpdate: { taskId, contextId, status: { state } } })
  await pause()
  say(execution, status('TASK_STATE_WORKING'))
  const chunks = Number(/chunks:(\d)/.exec(text)?.[1] ?? 0)
  for (let n = 1; n <= chunks; n++) {
    await pause()
    const artifact = { artifactId: 'a', parts: [{ text: `c${n} ` }] }
    say(execution, { artifactUpdate: { taskId, contextId, artifact, append: n > 1, lastChunk: n === chunks } })
  }
  await pause()
  const asks = text.includes('ask') && execution.messageIds.length === 1
  say(
    execution,
    status(asks ? 'TASK_STATE_INPUT_REQUIRED' : text.includes('fail') ? 'TASK_STATE_FAILED' : 'TASK_STATE_COMPLETED'),
  )
  execution.endedAt = time.elapsed()
}

function execute(sea: Sea, agent: SimAgent, message: Message): Execution {
  const known = agent.executions.find(({ messageIds }) => messageIds.includes(message.messageId))
  if (known && agent.dedupes) return known
  const text = message.parts.map((part) => part.text ?? '').join(' ')
  const continued = agent.executions.find(({ task }) => task.id === message.taskId)
  if (continued) {
    continued.messageIds.push(message.messageId)
    // It has the answer: it does not wait for one any more.
    const history = [...(continued.task.history ?? []), message]
    continued.task = { ...continued.task, history, status: { state: 'TASK_STATE_SUBMITTED' } }
    void work(sea, continued, text)
    return continued
  }
  const id = `up-${++made}`
  const contextId = message.contextId ?? `upc-${made}`
  const execution: Execution = {
    messageIds: [message.messageId],
    startedAt: sea.time.elapsed(),
    endedAt: Number.POSITIVE_INFINITY,
    task: { id, contextId, status: { state: 'TASK_STATE_SUBMITTED' }, history: [message] },
    said: [],
    listeners: new Set(),
  }
  agent.executions.push(execution)
  void work(sea, execution, text)
  return execution
}

const unreachable: Verdict = { kind: 'refused', code: 'UNREACHABLE', reason: 'nobody there', retry: true }
const stopped: Verdict = { kind: 'refused', code: 'STOPPED', reason: 'nobody takes the events any more', retry: true }

/** The gateway's client of these agents, as one process has it. */
export function createPeer(sea: Sea, owner: Owner, agents: ReadonlyMap<string, SimAgent>): Peer {
  const { time, dice, weather } = sea
  const of = (name: string) => agents.get(name) as SimAgent
  const away = (agent: SimAgent) => agent.awayUntil > time.elapsed()
  const travel = () => time.sleep(latency(dice), owner)

  /** All that is said from here on, in order, now and then twice; until the end, or until the line breaks. */
  async function listen(
    execution: Execution,
    from: number,
    sink: (event: StreamResponse) => Promise<void>,
    signal: AbortSignal,
  ): Promise<Verdict> {
    let heard = from
    for (;;) {
      if (signal.aborted) return stopped
      const event = execution.said[heard]
      if (event === undefined) {
        if (isOver(execution)) return { kind: 'accepted' }
        await heardOf(execution, signal)
        continue
      }
      heard++
      await travel()
      if (dice.next() < weather.loss / 2) return { kind: 'unknown', reason: 'the connection broke' }
      try {
        await sink(event)
        if (dice.next() < weather.loss && 'statusUpdate' in event) await sink(event)
      } catch {
        return stopped
      }
    }
  }

  const heardOf = (execution: Execution, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const look = () => {
        execution.listeners.delete(look)
        signal.removeEventListener('abort', look)
        // Back in the process that waits, if there still is one.
        time.after(0, resolve, owner)
      }
      execution.listeners.add(look)
      signal.addEventListener('abort', look, { once: true })
    })

  return {
    async send({ name }, request, sink, signal) {
      const agent = of(name)
      await travel()
      if (signal.aborted) return stopped
      if (away(agent)) return unreachable
      const fate = dice.next()
      if (fate < weather.loss / 4) return { kind: 'refused', code: 'BUSY', reason: 'busy', retry: true }
      if (fate < weather.loss / 2) return { kind: 'unknown', reason: 'broken before it arrived' }
      const execution = execute(sea, agent, request.message)
      const from = execution.messageIds.length > 1 ? execution.said.length : 0
      await travel()
      if (dice.next() < weather.loss / 2) return { kind: 'unknown', reason: 'the answer was lost' }
      try {
        const opening =
          from === 0 ? { ...execution.task, status: { state: 'TASK_STATE_SUBMITTED' as const } } : execution.task
        const { artifacts: _, ...task } = opening
        await sink({ task: from === 0 ? task : opening }, 100)
      } catch {
        return stopped
      }
      return listen(execution, from, (event) => sink(event, 100), signal)
    },
    async follow({ name }, upstreamTaskId, sink, signal) {
      const agent = of(name)
      await travel()
      if (signal.aborted) return stopped
      if (away(agent)) return unreachable
      const execution = agent.executions.find(({ task }) => task.id === upstreamTaskId)
      if (!execution) return { kind: 'refused', code: 'FAILED', reason: 'no such task', retry: false }
      const from = execution.said.length
      try {
        await sink({ task: execution.task }, 100)
      } catch {
        return stopped
      }
      return listen(execution, from, (event) => sink(event, 100), signal)
    },
    async find({ name }, trace): Promise<FindAnswer> {
      const agent = of(name)
      await travel()
      if (away(agent)) return { kind: 'unclear', reason: 'nobody there', unreachable: true }
      if (!agent.tells) return { kind: 'unclear', reason: 'it cannot be asked' }
      const execution = agent.executions.find(({ messageIds }) => messageIds.includes(trace.messageId))
      return execution ? { kind: 'found', task: execution.task } : { kind: 'absent' }
    },
    async cancel({ name }, upstreamTaskId) {
      const agent = of(name)
      await travel()
      const execution = agent.executions.find(({ task }) => task.id === upstreamTaskId)
      if (away(agent) || !execution) return { kind: 'unreachable', reason: 'nobody there' }
      const { id: taskId, contextId = '' } = execution.task
      say(execution, { statusUpdate: { taskId, contextId, status: { state: 'TASK_STATE_CANCELED' } } })
      await travel()
      const { task } = execution
      return task.status.state === 'TASK_STATE_CANCELED' ? { kind: 'canceled', task } : { kind: 'other', task }
    },
    extendedCard: async () => ({ kind: 'none', reason: 'it has none' }),
  }
}

export interface Arrived {
  readonly id: string
  readonly taskId: string
  readonly url: string
  readonly sequence: number
  readonly body: string
  readonly ok: boolean
}

/** The receiver notes what arrives; whether it says so, and whether that is heard, is the weather's. */
export function createPrepareWebhook(sea: Sea, owner: Owner, arrived: Arrived[]): PrepareWebhook {
  const { time, dice, weather } = sea
  return ({ id, taskId, url, sequence, json }) =>
    async (signal): Promise<Verdict & AttemptFacts> => {
      await time.sleep(latency(dice), owner)
      if (signal.aborted) return { ...stopped }
      if (dice.next() < weather.loss) return { ...unreachable }
      const ok = dice.next() >= weather.loss
      arrived.push({ id, taskId, url, sequence, body: json, ok })
      await time.sleep(latency(dice), owner)
      if (dice.next() < weather.loss) return { kind: 'refused', code: 'FAILED', reason: 'no answer', retry: true }
      return ok
        ? { kind: 'accepted', status: 200 }
        : { kind: 'refused', code: 'FAILED', reason: 'HTTP 500', retry: true, status: 500 }
    }
}
