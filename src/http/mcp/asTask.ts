/** Tasks in the words of MCP's tasks extension: how they stand, what they ask, what came of them. */
import { A2AError } from '../../a2a/errors.ts'
import type { Part } from '../../a2a/parts.ts'
import { isTerminal, type Message, type Task } from '../../a2a/tasks.ts'
import type { TaskHead } from '../../store/tasks.ts'
import type { DetailedMcpTask, InputRequest, InputResponse, McpTask, TaskCalls } from '../../wire/bridges/mcp/tasks.ts'
import { callOf, type DeskTools, ownTask, type Seat } from './desk.ts'
import { contentOf, isFailure, taskView } from './view.ts'

/** The longer it takes, the seldomer it is asked for. */
const POLL_FIRST_MS = 2_000
const POLL_LONGEST_MS = 30_000
const STATUS_CHARS_MAX = 500

const iso = (ms: number): string => new Date(ms).toISOString()

/** `now`: milliseconds since 1970. */
export function asTask({ createdAt, statusAt }: TaskHead, task: Task, now: number): McpTask {
  const { state, message } = task.status
  const said = message && contentOf(message.parts, { left: STATUS_CHARS_MAX }).text
  const shared = {
    taskId: task.id,
    ...(typeof said === 'string' && said !== '' && { statusMessage: said }),
    createdAt: iso(createdAt),
    lastUpdatedAt: iso(statusAt),
    ttlMs: null,
  }
  if (state === 'TASK_STATE_CANCELED') return { ...shared, status: 'cancelled' }
  if (isTerminal(state)) return { ...shared, status: 'completed' }
  const pollIntervalMs = Math.min(POLL_LONGEST_MS, Math.max(POLL_FIRST_MS, Math.floor((now - createdAt) / 10)))
  const asks = questionIn(task) !== undefined
  return { ...shared, status: asks ? 'input_required' : 'working', pollIntervalMs }
}

function detailed(head: TaskHead, task: Task, now: number): DetailedMcpTask {
  const told = asTask(head, task, now)
  const question = questionIn(task)
  if (told.status === 'input_required' && question)
    return { ...told, inputRequests: { [question.id]: question.request } }
  return told.status === 'completed' ? { ...told, result: resultOf(task, head.agent) } : told
}

/** The same as the tool would have answered. */
function resultOf(task: Task, agent: string): Record<string, unknown> {
  const view = taskView(task, agent)
  const content = [{ type: 'text', text: JSON.stringify(view) }]
  return { resultType: 'complete', content, structuredContent: view, ...(isFailure(task) && { isError: true }) }
}

interface Question {
  /** Of the message that asks. */
  readonly id: string
  readonly request: InputRequest
  /** The one field of a form that is ours: its content is the text of the answer. */
  readonly textField?: string
}

const ANSWER = 'answer'

function questionIn({ status: { state, message } }: Task): Question | undefined {
  if (state !== 'TASK_STATE_INPUT_REQUIRED' && state !== 'TASK_STATE_AUTH_REQUIRED') return undefined
  const { messageId: id = 'question', parts = [] } = (message ?? {}) as Partial<Message>
  const said = contentOf(parts).text
  const words = typeof said === 'string' && said !== '' ? said : 'The agent asks for something.'
  const url = parts.find((part) => part.url !== undefined)?.url
  if (state === 'TASK_STATE_AUTH_REQUIRED' && url !== undefined)
    return { id, request: { method: 'elicitation/create', params: { mode: 'url', message: words, url } } }
  const form = flatForm(parts)
  const own = { type: 'object', properties: { [ANSWER]: { type: 'string', title: 'Answer' } }, required: [ANSWER] }
  const params = { mode: 'form' as const, message: words, requestedSchema: form ?? own }
  return { id, request: { method: 'elicitation/create', params }, ...(!form && { textField: ANSWER }) }
}

const FLAT: ReadonlySet<unknown> = new Set(['string', 'number', 'integer', 'boolean'])

/** The question's own schema, if a person can fill it in: fields of one word, number or choice each. */
function flatForm(parts: readonly Part[]): Record<string, unknown> | undefined {
  const schema = parts.find(({ mediaType }) => mediaType === 'application/schema+json')?.data
  if (typeof schema !== 'object' || schema === null) return undefined
  const { type, properties } = schema as { type?: unknown; properties?: Record<string, { type?: unknown } | null> }
  const fields = Object.values(properties ?? {})
  const isFlat = type === 'object' && fields.length > 0 && fields.every((field) => FLAT.has(field?.type))
  return isFlat ? (schema as Record<string, unknown>) : undefined
}

function partOf({ action, content = {} }: InputResponse, { textField, request }: Question): Part {
  if (action !== 'accept') return { text: action }
  if (request.params.mode === 'url') return { text: 'done' }
  if (textField !== undefined) return { text: String(content[textField] ?? '') }
  return { data: content, mediaType: 'application/json' }
}

/** The calls of one host. */
export function taskCalls(seat: Seat, tools: DeskTools): TaskCalls {
  const look = async (taskId: string) => {
    const head = await ownTask(taskId, seat, tools)
    const task = await tools.execute('GetTask', { id: head.id, historyLength: 0 }, callOf(head.agent, seat))
    return { head, task }
  }
  return {
    get: unlessUnknown(undefined, async (taskId: string) => {
      const { head, task } = await look(taskId)
      return detailed(head, task, tools.clock.now().getTime())
    }),
    update: unlessUnknown(false, async (taskId: string, responses: Readonly<Record<string, InputResponse>>) => {
      const { head, task } = await look(taskId)
      const question = questionIn(task)
      const response = question && Object.hasOwn(responses, question.id) ? responses[question.id] : undefined
      if (!question || !response) return true
      const message = {
        // The same answer to the same question, said again, is one message.
        messageId: `answer-${question.id}`,
        role: 'ROLE_USER' as const,
        taskId: head.id,
        contextId: head.contextId,
        parts: [partOf(response, question)],
      }
      await tools.execute(
        'SendMessage',
        { message, configuration: { returnImmediately: true } },
        callOf(head.agent, seat),
      )
      return true
    }),
    cancel: unlessUnknown(false, async (taskId: string) => {
      const { head } = await look(taskId)
      try {
        await tools.execute('CancelTask', { id: head.id }, callOf(head.agent, seat))
      } catch (error) {
        // It has ended meanwhile: the next look shows how.
        if (!(error instanceof A2AError) || error.reason !== 'TASK_NOT_CANCELABLE') throw error
      }
      return true
    }),
  }
}

const unlessUnknown =
  <A extends unknown[], T, N>(none: N, call: (...given: A) => Promise<T>) =>
  async (...given: A): Promise<T | N> => {
    try {
      return await call(...given)
    } catch (error) {
      if (error instanceof A2AError && error.reason === 'TASK_NOT_FOUND') return none
      throw error
    }
  }
