/** The scripted agent's memory: executions that go on whether anyone listens or not, as a real agent's do. */
import { applyArtifact, applyStatus, type StreamResponse } from '../../src/a2a/events.ts'
import { isInterrupted, isTerminal, type Message, type Task } from '../../src/a2a/tasks.ts'
import { type Plan, planOf } from './agentScripts.ts'

export interface Execution {
  task: Task
  /** Every event since the task's creation. */
  readonly events: StreamResponse[]
  /** The answer, if the script chose a Message. */
  message?: Message
  /** The script has said all it has to say. */
  done: boolean
  readonly listeners: Set<() => void>
  readonly push?: { url: string; token?: string }
}

/** One execution: the ground truth. `life` counts how often the agent has lost its memory. */
export interface Ran {
  readonly messageId: string
  readonly at: number
  readonly life: number
}

export interface AgentTasks {
  readonly executions: Map<string, Execution>
  readonly runs: readonly Ran[]
  /** How often a message was executed. */
  countOf(messageId: string): number
  /** Lets the scripts of this message (or all) that wait go on. */
  release(messageId?: string): void
  execute(message: Message, plan?: Plan, push?: Execution['push']): Execution
  cancel(execution: Execution): void
  clear(): void
}

export interface AgentTasksOptions {
  /** The same messageId answers the same task. */
  readonly dedupe?: boolean
  readonly onEvent?: (execution: Execution, event: StreamResponse) => void
}

let made = 0

export function createAgentTasks({ dedupe = false, onEvent }: AgentTasksOptions): AgentTasks {
  const executions = new Map<string, Execution>()
  const byMessage = new Map<string, Execution>()
  const counts = new Map<string, number>()
  const gates = new Map<string, { promise: Promise<void>; open: () => void }>()
  const runs: Ran[] = []
  let life = 0
  let releasedAll = false

  const gate = (messageId: string) => {
    let known = gates.get(messageId)
    if (!known) {
      let open = () => {}
      const promise = new Promise<void>((resolve) => {
        open = resolve
      })
      known = { promise, open }
      gates.set(messageId, known)
      if (releasedAll) open()
    }
    return known
  }

  function note(execution: Execution, event: StreamResponse) {
    execution.events.push(event)
    if ('message' in event && execution.events.length <= 2) execution.message = event.message
    const ended = isTerminal(execution.task.status.state)
    if (!ended && 'statusUpdate' in event && event.statusUpdate.taskId === execution.task.id)
      execution.task = applyStatus(execution.task, event.statusUpdate)
    if (!ended && 'artifactUpdate' in event && event.artifactUpdate.taskId === execution.task.id)
      execution.task = {
        ...execution.task,
        artifacts: applyArtifact(execution.task.artifacts ?? [], event.artifactUpdate),
      }
    onEvent?.(execution, event)
    for (const listener of execution.listeners) listener()
  }

  async function play(execution: Execution, message: Message, plan: Plan) {
    const run = {
      taskId: execution.task.id,
      contextId: execution.task.contextId as string,
      message,
      argument: plan.argument,
      released: () => gate(message.messageId).promise,
    }
    for await (const event of plan.script(run)) {
      if (isCanceled(execution)) break
      note(execution, event)
    }
    execution.done = true
    for (const listener of execution.listeners) listener()
  }

  function open(message: Message, push: Execution['push']): Execution {
    const id = `agent-task-${++made}`
    const contextId = message.contextId ?? `agent-context-${made}`
    const task: Task = {
      id,
      contextId,
      status: { state: 'TASK_STATE_SUBMITTED', timestamp: new Date().toISOString() },
      history: [{ ...message, taskId: id, contextId }],
    }
    const execution: Execution = { task, events: [], done: false, listeners: new Set(), ...(push && { push }) }
    executions.set(id, execution)
    note(execution, { task })
    return execution
  }

  return {
    executions,
    runs,
    countOf: (messageId) => counts.get(messageId) ?? 0,
    release(messageId) {
      if (messageId !== undefined) return gate(messageId).open()
      releasedAll = true
      for (const { open } of gates.values()) open()
    },
    execute(message, plan = planOf(message), push) {
      const known = byMessage.get(message.messageId)
      if (dedupe && known) return known
      counts.set(message.messageId, (counts.get(message.messageId) ?? 0) + 1)
      runs.push({ messageId: message.messageId, at: performance.now(), life })
      const continued = message.taskId ? executions.get(message.taskId) : undefined
      const execution = continued ?? open(message, push)
      if (continued) {
        continued.task = { ...continued.task, history: [...(continued.task.history ?? []), message] }
        continued.done = false
      }
      byMessage.set(message.messageId, execution)
      void play(execution, message, plan)
      return execution
    },
    cancel(execution) {
      const { id: taskId, contextId = '' } = execution.task
      note(execution, { statusUpdate: { taskId, contextId, status: { state: 'TASK_STATE_CANCELED' } } })
      execution.done = true
      for (const listener of execution.listeners) listener()
    },
    clear() {
      life++
      executions.clear()
      byMessage.clear()
    },
  }
}

const isCanceled = (execution: Execution): boolean => execution.task.status.state === 'TASK_STATE_CANCELED'

/** Terminal, interrupted, or nothing more to come. */
export const isSettled = (execution: Execution): boolean =>
  execution.message !== undefined ||
  isTerminal(execution.task.status.state) ||
  isInterrupted(execution.task.status.state) ||
  execution.done

/** Resolves when `when` holds for the execution. */
export function until(execution: Execution, when: (execution: Execution) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!when(execution)) return
      execution.listeners.delete(look)
      resolve()
    }
    execution.listeners.add(look)
    look()
  })
}
