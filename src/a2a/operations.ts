/** The eleven operations of A2A 1.0 (§5.3), what they take and what they give. */
import { z } from 'zod'
import type { AgentCard } from './agentCard.ts'
import { Metadata } from './parts.ts'
import { TaskPushNotificationConfig } from './push.ts'
import { Message, type Task, TaskState } from './tasks.ts'

const tenant = z.string().max(128).optional()
const taskId = z.string().min(1)
/** Unset: the server's default, all of it; 0: none (spec §3.2.4). */
const historyLength = z.int().min(0).max(2_147_483_647).optional()

export const SendMessageConfiguration = z.object({
  acceptedOutputModes: z.array(z.string()).max(32).optional(),
  taskPushNotificationConfig: TaskPushNotificationConfig.optional(),
  historyLength,
  returnImmediately: z.boolean().optional(),
})
export type SendMessageConfiguration = z.infer<typeof SendMessageConfiguration>

export const SendMessageRequest = z.object({
  tenant,
  message: Message,
  configuration: SendMessageConfiguration.optional(),
  metadata: Metadata.optional(),
})
export type SendMessageRequest = z.infer<typeof SendMessageRequest>

export const GetTaskRequest = z.object({ tenant, id: taskId, historyLength })
export type GetTaskRequest = z.infer<typeof GetTaskRequest>

export const ListTasksRequest = z.object({
  tenant,
  contextId: z.string().optional(),
  status: TaskState.optional(),
  pageSize: z.int().min(1).max(100).optional(),
  pageToken: z.string().optional(),
  historyLength,
  statusTimestampAfter: z.string().optional(),
  includeArtifacts: z.boolean().optional(),
})
export type ListTasksRequest = z.infer<typeof ListTasksRequest>

export interface ListTasksResponse {
  tasks: Task[]
  /** '' at the end; the member is always there (spec §3.1.4). */
  nextPageToken: string
  pageSize: number
  totalSize: number
}

export const CancelTaskRequest = z.object({ tenant, id: taskId, metadata: Metadata.optional() })
export type CancelTaskRequest = z.infer<typeof CancelTaskRequest>

export const SubscribeToTaskRequest = z.object({ tenant, id: taskId })
export type SubscribeToTaskRequest = z.infer<typeof SubscribeToTaskRequest>

export const CreateTaskPushNotificationConfigRequest = TaskPushNotificationConfig.extend({ taskId })
export type CreateTaskPushNotificationConfigRequest = z.infer<typeof CreateTaskPushNotificationConfigRequest>

export const GetTaskPushNotificationConfigRequest = z.object({ tenant, taskId, id: z.string().min(1) })
export type GetTaskPushNotificationConfigRequest = z.infer<typeof GetTaskPushNotificationConfigRequest>

export const ListTaskPushNotificationConfigsRequest = z.object({
  tenant,
  taskId,
  pageSize: z.int().min(0).max(100).optional(),
  pageToken: z.string().optional(),
})
export type ListTaskPushNotificationConfigsRequest = z.infer<typeof ListTaskPushNotificationConfigsRequest>

export interface ListTaskPushNotificationConfigsResponse {
  configs: TaskPushNotificationConfig[]
  nextPageToken: string
}

export const DeleteTaskPushNotificationConfigRequest = z.object({ tenant, taskId, id: z.string().min(1) })
export type DeleteTaskPushNotificationConfigRequest = z.infer<typeof DeleteTaskPushNotificationConfigRequest>

export const GetExtendedAgentCardRequest = z.object({ tenant })
export type GetExtendedAgentCardRequest = z.infer<typeof GetExtendedAgentCardRequest>

/** `{ task }` or `{ message }`, never both (spec §3.1.1). */
export type SendMessageResponse = { task: Task } | { message: Message }

export interface Operations {
  SendMessage: { params: SendMessageRequest; result: SendMessageResponse }
  SendStreamingMessage: { params: SendMessageRequest; result: 'stream' }
  GetTask: { params: GetTaskRequest; result: Task }
  ListTasks: { params: ListTasksRequest; result: ListTasksResponse }
  CancelTask: { params: CancelTaskRequest; result: Task }
  SubscribeToTask: { params: SubscribeToTaskRequest; result: 'stream' }
  CreateTaskPushNotificationConfig: {
    params: CreateTaskPushNotificationConfigRequest
    result: TaskPushNotificationConfig
  }
  GetTaskPushNotificationConfig: { params: GetTaskPushNotificationConfigRequest; result: TaskPushNotificationConfig }
  ListTaskPushNotificationConfigs: {
    params: ListTaskPushNotificationConfigsRequest
    result: ListTaskPushNotificationConfigsResponse
  }
  DeleteTaskPushNotificationConfig: {
    params: DeleteTaskPushNotificationConfigRequest
    result: Record<string, never>
  }
  GetExtendedAgentCard: { params: GetExtendedAgentCardRequest; result: AgentCard }
}
export type OperationName = keyof Operations
export type Params<N extends OperationName> = Operations[N]['params']
export type Result<N extends OperationName> = Operations[N]['result']

/** One schema per operation: what its canonical parameters must look like. */
export const PARAMS = {
  SendMessage: SendMessageRequest,
  SendStreamingMessage: SendMessageRequest,
  GetTask: GetTaskRequest,
  ListTasks: ListTasksRequest,
  CancelTask: CancelTaskRequest,
  SubscribeToTask: SubscribeToTaskRequest,
  CreateTaskPushNotificationConfig: CreateTaskPushNotificationConfigRequest,
  GetTaskPushNotificationConfig: GetTaskPushNotificationConfigRequest,
  ListTaskPushNotificationConfigs: ListTaskPushNotificationConfigsRequest,
  DeleteTaskPushNotificationConfig: DeleteTaskPushNotificationConfigRequest,
  GetExtendedAgentCard: GetExtendedAgentCardRequest,
} as const satisfies { [N in OperationName]: z.ZodType }

export const OPERATION_NAMES = Object.keys(PARAMS) as OperationName[]
