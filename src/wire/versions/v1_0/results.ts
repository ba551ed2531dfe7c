/** What a 1.0 agent answers. */
import { z } from 'zod'
import { A2AError } from '../../../a2a/errors.ts'
import type { OperationName, Result } from '../../../a2a/operations.ts'
import { TaskPushNotificationConfig } from '../../../a2a/push.ts'
import { Task } from '../../../a2a/tasks.ts'
import { readCard } from '../canonicalCard.ts'
import { readAs } from '../liberal.ts'
import { decodeEvent } from './events.ts'

export const ListTasksResponse = z.object({
  tasks: z.array(Task).default([]),
  nextPageToken: z.string().default(''),
  pageSize: z.int().default(0),
  totalSize: z.int().default(0),
})
export const ListConfigsResponse = z.object({
  configs: z.array(TaskPushNotificationConfig).default([]),
  nextPageToken: z.string().default(''),
})

function decodeSent(json: unknown): Result<'SendMessage'> {
  const event = decodeEvent(json)
  if ('task' in event || 'message' in event) return event
  throw new A2AError('INVALID_AGENT_RESPONSE', 'the answer to a send is neither a task nor a message')
}

const READERS: { [N in OperationName]: (json: unknown) => unknown } = {
  SendMessage: decodeSent,
  SendStreamingMessage: () => 'stream',
  GetTask: (json) => readAs(Task, json, 'agent', 'task'),
  ListTasks: (json) => readAs(ListTasksResponse, json, 'agent', 'tasks'),
  CancelTask: (json) => readAs(Task, json, 'agent', 'task'),
  SubscribeToTask: () => 'stream',
  CreateTaskPushNotificationConfig: (json) => readAs(TaskPushNotificationConfig, json, 'agent', 'config'),
  GetTaskPushNotificationConfig: (json) => readAs(TaskPushNotificationConfig, json, 'agent', 'config'),
  ListTaskPushNotificationConfigs: (json) => readAs(ListConfigsResponse, json ?? {}, 'agent', 'configs'),
  DeleteTaskPushNotificationConfig: () => ({}),
  GetExtendedAgentCard: readCard,
}

export const decodeResult = <N extends OperationName>(name: N, json: unknown): Result<N> =>
  READERS[name](json) as Result<N>
