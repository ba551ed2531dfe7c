/**
 * The tasks extension of MCP (`io.modelcontextprotocol/tasks`): a call of a tool is answered with a task, and the host asks
 * how it stands. Only for who declares it in that very request: others cannot read such an answer.
 */
import { type McpServer, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import { z } from 'zod'

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks'
const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities'

const DECLARES = z.object({
  [CAPABILITIES_KEY]: z.object({ extensions: z.object({ [TASKS_EXTENSION]: z.strictObject({}) }) }),
})
/** `envelope`: what the request says of its sender. */
export const declaresTasks = (envelope: unknown): boolean => DECLARES.safeParse(envelope).success

export interface InputRequest {
  readonly method: 'elicitation/create'
  readonly params:
    | { readonly mode?: 'form'; readonly message: string; readonly requestedSchema: Readonly<Record<string, unknown>> }
    | { readonly mode: 'url'; readonly message: string; readonly url: string }
}

/** A task as a host is told of it. Times are ISO 8601. */
export interface McpTask {
  readonly taskId: string
  readonly status: 'working' | 'input_required' | 'completed' | 'cancelled'
  readonly statusMessage?: string
  readonly createdAt: string
  readonly lastUpdatedAt: string
  /** null: it is kept for as long as the gateway keeps tasks. */
  readonly ttlMs: null
  readonly pollIntervalMs?: number
}
/** The same with what came of it, or what is asked. */
export interface DetailedMcpTask extends McpTask {
  readonly result?: Readonly<Record<string, unknown>>
  readonly inputRequests?: Readonly<Record<string, InputRequest>>
}

const ELICITED = z.object({
  action: z.enum(['accept', 'decline', 'cancel']),
  content: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])).optional(),
})
/** A person's answer to a question. */
export type InputResponse = z.infer<typeof ELICITED>

/** What a host may ask of a task. undefined, false: there is no such task of his. */
export interface TaskCalls {
  get(taskId: string): Promise<DetailedMcpTask | undefined>
  /** By the names of the questions; an answer to a question that is not open any more changes nothing. */
  update(taskId: string, responses: Readonly<Record<string, InputResponse>>): Promise<boolean>
  cancel(taskId: string): Promise<boolean>
}

const NAMED = z.looseObject({ taskId: z.string().min(1).max(128) })
const RESPONSES = z.record(z.string().max(256), ELICITED)

export function addTasks({ server }: McpServer, { get, update, cancel }: TaskCalls): void {
  const known = <T>(found: T | undefined | false): T => {
    if (found === undefined || found === false)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'you have no such task')
    return found
  }
  const done = { resultType: 'complete' }
  server.setRequestHandler('tasks/get', { params: NAMED }, async ({ taskId }) => ({
    ...done,
    ...known(await get(taskId)),
  }))
  // The library takes `inputResponses` out of the parameters of every request.
  server.setRequestHandler('tasks/update', { params: NAMED }, async ({ taskId }, { mcpReq }) => {
    const { data } = RESPONSES.safeParse(mcpReq.inputResponses)
    if (!data) throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'inputResponses: an answer to each question')
    known(await update(taskId, data))
    return done
  })
  server.setRequestHandler('tasks/cancel', { params: NAMED }, async ({ taskId }) => {
    known(await cancel(taskId))
    return done
  })
}
