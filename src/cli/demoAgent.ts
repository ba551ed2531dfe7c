/**
 * A small real A2A agent: JSON-RPC, streaming, card, cancel. It keeps its tasks in memory and does its work after a
 * delay, so that there is something to see. Part of `demo-server` and of the demo; nothing of the gateway is in it.
 */
import type { AgentCard } from '../a2a/agentCard.ts'
import type { StreamResponse } from '../a2a/events.ts'
import { type Artifact, isTerminal, type Message, type Task, type TaskState } from '../a2a/tasks.ts'
import type { Clock } from '../platform/clock.ts'
import { uuidv7 } from '../platform/ids.ts'
import { A2A_VERSION } from './protocolVersion.ts'
import { partText } from './render.ts'

export interface DemoAgentSettings {
  readonly name: string
  readonly delayMs: number
  /** Asks back once before it answers. */
  readonly asksBack: boolean
  readonly clock: Clock
  /** What it does with a text. */
  readonly answer?: (text: string) => string
  readonly onTask?: (task: Task) => void
}

export interface DemoAgent {
  card(url: string): AgentCard
  /** Starts or continues a task; the same messageId again gives the same task. */
  accept(message: Message): Task
  find(id: string): Task | undefined
  list(contextId: string | undefined): readonly Task[]
  cancel(id: string): Task | undefined
  /** Everything that happens to the task from now on; gives back how to stop. */
  watch(id: string, onEvent: (event: StreamResponse) => void): () => void
}

interface Kept {
  task: Task
  readonly watchers: Set<(event: StreamResponse) => void>
  readonly stop: AbortController
}

const newTask = ({ contextId = uuidv7() }: Message, clock: Clock): Kept => ({
  task: {
    id: uuidv7(),
    contextId,
    status: { state: 'TASK_STATE_SUBMITTED', timestamp: clock.now().toISOString() },
    history: [],
  },
  watchers: new Set(),
  stop: new AbortController(),
})

const replyOf = (message: Message, answer: (text: string) => string): Artifact => ({
  artifactId: uuidv7(),
  name: 'reply',
  parts: [{ text: answer(message.parts.map(partText).join('\n')) }],
})

export function createDemoAgent({
  name,
  delayMs,
  asksBack,
  clock,
  answer = echo,
  onTask,
}: DemoAgentSettings): DemoAgent {
  const kept = new Map<string, Kept>()
  const byMessage = new Map<string, string>()

  function change(entry: Kept, event: StreamResponse, next: Task): void {
    entry.task = next
    for (const watcher of [...entry.watchers]) watcher(event)
  }

  function status(entry: Kept, state: TaskState, message?: Message): void {
    const { id: taskId, contextId = '' } = entry.task
    const now = { state, timestamp: clock.now().toISOString(), ...(message && { message }) }
    change(entry, { statusUpdate: { taskId, contextId, status: now } }, { ...entry.task, status: now })
    if (isTerminal(state)) onTask?.(entry.task)
  }

  async function work(entry: Kept, message: Message): Promise<void> {
    status(entry, 'TASK_STATE_WORKING')
    await clock.sleep(delayMs, entry.stop.signal)
    if (entry.stop.signal.aborted) return
    const turns = (entry.task.history ?? []).filter(({ role }) => role === 'ROLE_USER').length
    if (asksBack && turns === 1) return status(entry, 'TASK_STATE_INPUT_REQUIRED', say(entry.task, 'are you sure?'))
    const { id: taskId, contextId = '' } = entry.task
    const artifact = replyOf(message, answer)
    const artifacts = [...(entry.task.artifacts ?? []), artifact]
    change(entry, { artifactUpdate: { taskId, contextId, artifact, lastChunk: true } }, { ...entry.task, artifacts })
    status(entry, 'TASK_STATE_COMPLETED')
  }

  function open(message: Message): Kept {
    const entry = newTask(message, clock)
    kept.set(entry.task.id, entry)
    return entry
  }

  return {
    card: (url) => card(name, url),
    accept(message) {
      const known = kept.get(byMessage.get(message.messageId) ?? '')
      if (known) return known.task
      const entry = kept.get(message.taskId ?? '') ?? open(message)
      byMessage.set(message.messageId, entry.task.id)
      entry.task = { ...entry.task, history: [...(entry.task.history ?? []), message] }
      void work(entry, message)
      return entry.task
    },
    find: (id) => kept.get(id)?.task,
    list: (contextId) =>
      [...kept.values()].map(({ task }) => task).filter((task) => !contextId || task.contextId === contextId),
    cancel(id) {
      const entry = kept.get(id)
      if (!entry) return undefined
      entry.stop.abort()
      status(entry, 'TASK_STATE_CANCELED')
      return entry.task
    },
    watch(id, onEvent) {
      const watchers = kept.get(id)?.watchers
      watchers?.add(onEvent)
      return () => void watchers?.delete(onEvent)
    },
  }
}

const echo = (text: string): string => text

const say = ({ id: taskId, contextId }: Task, text: string): Message => ({
  messageId: uuidv7(),
  role: 'ROLE_AGENT',
  taskId,
  ...(contextId && { contextId }),
  parts: [{ text }],
})

const card = (name: string, url: string): AgentCard => ({
  name,
  description: `The demo agent "${name}": answers with what it was sent.`,
  version: '1.0.0',
  supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: A2A_VERSION }],
  capabilities: { streaming: true, pushNotifications: false },
  defaultInputModes: ['text/plain', 'application/json'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 'echo', name: 'Echo', description: 'Answers with what it was sent.', tags: ['demo', 'text'] }],
})
