/** The documents of 1.0: the canonical form. */
import { z } from 'zod'
import {
  AgentCapabilities,
  AgentCard,
  AgentCardSignature,
  AgentExtension,
  AgentInterface,
  AgentSkill,
} from '../../../a2a/agentCard.ts'
import { TaskArtifactUpdateEvent, TaskStatusUpdateEvent } from '../../../a2a/events.ts'
import {
  CancelTaskRequest,
  CreateTaskPushNotificationConfigRequest,
  ListTasksRequest,
  PARAMS,
  SendMessageConfiguration,
  SendMessageRequest,
} from '../../../a2a/operations.ts'
import { Part } from '../../../a2a/parts.ts'
import { AuthenticationInfo, TaskPushNotificationConfig } from '../../../a2a/push.ts'
import { SecurityRequirement, SecurityScheme } from '../../../a2a/security.ts'
import { Artifact, Message, Role, Task, TaskState, TaskStatus } from '../../../a2a/tasks.ts'
import type { OperationDocuments, VersionDocuments } from '../documents.ts'
import { ListConfigsResponse, ListTasksResponse } from './results.ts'
import { v1_0 } from './version.ts'

const SendMessageResponse = z.union([z.object({ task: Task }), z.object({ message: Message })])
const StreamResponse = z.union([
  z.object({ task: Task }),
  z.object({ message: Message }),
  z.object({ statusUpdate: TaskStatusUpdateEvent }),
  z.object({ artifactUpdate: TaskArtifactUpdateEvent }),
])

const { historyLength } = PARAMS.GetTask.shape
const { pageSize, pageToken } = PARAMS.ListTaskPushNotificationConfigs.shape
const of = (params: z.ZodType, answer: z.ZodType, more: Partial<OperationDocuments> = {}): OperationDocuments => ({
  params,
  result: answer,
  answer,
  ...more,
})

export const DOCUMENTS: VersionDocuments = {
  version: v1_0.version,
  models: {
    ...{ Part, Message, Role, TaskState, TaskStatus, Artifact, Task, TaskStatusUpdateEvent, TaskArtifactUpdateEvent },
    ...{ SendMessageConfiguration, SendMessageRequest, SendMessageResponse, StreamResponse },
    ...{ ListTasksResponse, TaskPushNotificationConfig, AuthenticationInfo },
    ListTaskPushNotificationConfigsResponse: ListConfigsResponse,
    ...{ AgentCard, AgentInterface, AgentCapabilities, AgentExtension, AgentSkill, AgentCardSignature },
    ...{ SecurityScheme, SecurityRequirement },
  },
  operations: {
    SendMessage: of(PARAMS.SendMessage, SendMessageResponse, { body: SendMessageRequest }),
    SendStreamingMessage: of(PARAMS.SendStreamingMessage, StreamResponse, { body: SendMessageRequest }),
    GetTask: of(PARAMS.GetTask, Task, { query: z.object({ historyLength }) }),
    ListTasks: of(PARAMS.ListTasks, ListTasksResponse, { query: ListTasksRequest.omit({ tenant: true }) }),
    CancelTask: of(PARAMS.CancelTask, Task, { body: CancelTaskRequest.pick({ metadata: true }) }),
    SubscribeToTask: of(PARAMS.SubscribeToTask, StreamResponse),
    CreateTaskPushNotificationConfig: of(PARAMS.CreateTaskPushNotificationConfig, TaskPushNotificationConfig, {
      body: CreateTaskPushNotificationConfigRequest.omit({ taskId: true, tenant: true }),
    }),
    GetTaskPushNotificationConfig: of(PARAMS.GetTaskPushNotificationConfig, TaskPushNotificationConfig),
    ListTaskPushNotificationConfigs: of(PARAMS.ListTaskPushNotificationConfigs, ListConfigsResponse, {
      query: z.object({ pageSize, pageToken }),
    }),
    DeleteTaskPushNotificationConfig: of(PARAMS.DeleteTaskPushNotificationConfig, z.object({})),
    GetExtendedAgentCard: of(PARAMS.GetExtendedAgentCard, AgentCard),
  },
}
