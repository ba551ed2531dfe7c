/** The documents of 0.3 as this gateway writes and reads them: JSON-RPC's with `kind`, HTTP+JSON's in the form of the proto. */
import { z } from 'zod'
import { AgentCapabilities, AgentSkill } from '../../../a2a/agentCard.ts'
import { Metadata } from '../../../a2a/parts.ts'
import { TASK_STATES } from '../../../a2a/tasks.ts'
import type { OperationDocuments, VersionDocuments } from '../documents.ts'
import type { Form } from './parts.ts'
import { encodeState } from './tasks.ts'
import { v0_3 } from './version.ts'

const metadata = Metadata.optional()
const some = z.string().optional()

/** What is told apart by `kind` in JSON-RPC; readers of ours do without. */
const tagged = <S extends z.core.$ZodLooseShape>(form: Form, kind: string, shape: S) =>
  z.object({ ...(form === 'schema' && { kind: z.literal(kind).optional() }), ...shape })

function partIn(form: Form) {
  const about = { mimeType: some, name: some }
  const file =
    form === 'schema'
      ? z.union([z.object({ bytes: z.string(), ...about }), z.object({ uri: z.string(), ...about })])
      : z.union([z.object({ fileWithBytes: z.string(), ...about }), z.object({ fileWithUri: z.string(), ...about })])
  const fields = z.record(z.string(), z.unknown())
  return z.union([
    tagged(form, 'text', { text: z.string(), metadata }),
    tagged(form, 'file', { file, metadata }),
    tagged(form, 'data', { data: form === 'schema' ? fields : z.object({ data: fields }), metadata }),
  ])
}

/** What both sides say. */
function modelsIn(form: Form) {
  const proto = form === 'proto'
  const Part = partIn(form)
  const shared = { messageId: z.string().min(1), contextId: some, taskId: some, metadata }
  const extensions = z.array(z.string()).optional()
  const Message = proto
    ? z.object({
        ...shared,
        role: z.enum(['ROLE_UNSPECIFIED', 'ROLE_USER', 'ROLE_AGENT']),
        content: z.array(Part),
        extensions,
      })
    : tagged(form, 'message', {
        ...shared,
        ...{ role: z.enum(['user', 'agent']), parts: z.array(Part), extensions },
        referenceTaskIds: z.array(z.string()).optional(),
      })
  const TaskState = z.enum(TASK_STATES.map((state) => encodeState(state, form)))
  const TaskStatus = z.object({ state: TaskState, message: Message.optional(), timestamp: some })
  const Artifact = z.object({
    ...{ artifactId: z.string().min(1), name: some, description: some, metadata },
    ...{ parts: z.array(Part), extensions },
  })
  const Task = tagged(form, 'task', {
    ...{ id: z.string().min(1), contextId: z.string(), status: TaskStatus },
    ...{ artifacts: z.array(Artifact).optional(), history: z.array(Message).optional(), metadata },
  })
  const owner = { taskId: z.string(), contextId: z.string(), metadata }
  const TaskStatusUpdateEvent = tagged(form, 'status-update', { ...owner, status: TaskStatus, final: z.boolean() })
  const TaskArtifactUpdateEvent = tagged(form, 'artifact-update', {
    ...{ ...owner, artifact: Artifact },
    ...{ append: z.boolean().optional(), lastChunk: z.boolean().optional() },
  })
  return { Part, Message, TaskState, TaskStatus, Artifact, Task, TaskStatusUpdateEvent, TaskArtifactUpdateEvent }
}

const PushNotificationConfig = z.object({
  ...{ id: some, url: z.string(), token: some },
  authentication: z.object({ schemes: z.array(z.string()), credentials: some }).optional(),
})

function documentsIn(form: Form) {
  const proto = form === 'proto'
  const models = modelsIn(form)
  const { Message, Task, TaskStatusUpdateEvent, TaskArtifactUpdateEvent } = models
  const push = { [proto ? 'pushNotification' : 'pushNotificationConfig']: PushNotificationConfig.optional() }
  const MessageSendConfiguration = z.object({
    acceptedOutputModes: z.array(z.string()).optional(),
    ...{ blocking: z.boolean().optional(), historyLength: z.int().min(0).optional(), ...push },
  })
  const MessageSendParams = z.object({
    ...{ message: Message, configuration: MessageSendConfiguration.optional(), metadata },
  })
  const SendMessageResponse = proto
    ? z.union([z.object({ task: Task }), z.object({ message: Message })])
    : z.union([Task, Message])
  const StreamResponse = proto
    ? z.union([
        z.object({ task: Task }),
        z.object({ message: Message }),
        z.object({ statusUpdate: TaskStatusUpdateEvent }),
        z.object({ artifactUpdate: TaskArtifactUpdateEvent }),
      ])
    : z.union([Task, Message, TaskStatusUpdateEvent, TaskArtifactUpdateEvent])
  const TaskPushNotificationConfig = z.object({
    ...(proto ? { name: z.string() } : { taskId: z.string() }),
    pushNotificationConfig: PushNotificationConfig,
  })
  const ConfigList = proto
    ? z.object({ configs: z.array(TaskPushNotificationConfig), nextPageToken: some })
    : z.array(TaskPushNotificationConfig)
  const asked = { MessageSendConfiguration, MessageSendParams, PushNotificationConfig, TaskPushNotificationConfig }
  return { ...models, ...asked, SendMessageResponse, StreamResponse, ConfigList }
}

/** A card for readers of both versions: what 0.3 wants, beside all that a 1.0 card has. */
const Requirements = z.array(z.record(z.string(), z.unknown())).optional()
const AgentCard = z.object({
  ...{ protocolVersion: some, name: z.string(), description: z.string(), version: z.string() },
  ...{ url: z.string(), preferredTransport: some },
  additionalInterfaces: z.array(z.object({ url: z.string(), transport: z.string() })).optional(),
  provider: z.object({ url: z.string(), organization: z.string() }).optional(),
  ...{ documentationUrl: some, iconUrl: some },
  capabilities: AgentCapabilities.extend({ stateTransitionHistory: z.boolean().optional() }),
  ...{ securitySchemes: z.record(z.string(), z.unknown()).optional(), security: Requirements },
  ...{ defaultInputModes: z.array(z.string()), defaultOutputModes: z.array(z.string()) },
  skills: z.array(AgentSkill.extend({ security: Requirements })),
  supportsAuthenticatedExtendedCard: z.boolean().optional(),
})

const [rpc, http] = [documentsIn('schema'), documentsIn('proto')]
const { MessageSendParams, Task, SendMessageResponse, StreamResponse, TaskPushNotificationConfig, ConfigList } = rpc
const ofTask = z.object({ id: z.string().min(1), metadata })
const ofConfig = ofTask.extend({ pushNotificationConfigId: some })
const historyLength = z.int().min(0).optional()

const operations: { readonly [N in keyof VersionDocuments['operations']]: OperationDocuments } = {
  SendMessage: {
    ...{ params: MessageSendParams, result: SendMessageResponse },
    ...{ body: http.MessageSendParams, answer: http.SendMessageResponse },
  },
  SendStreamingMessage: {
    ...{ params: MessageSendParams, result: StreamResponse },
    ...{ body: http.MessageSendParams, answer: http.StreamResponse },
  },
  GetTask: {
    ...{ params: ofTask.extend({ historyLength }), result: Task },
    ...{ query: z.object({ historyLength }), answer: http.Task },
  },
  CancelTask: { params: ofTask, result: Task, body: z.object({ metadata }), answer: http.Task },
  SubscribeToTask: { params: ofTask, result: StreamResponse, answer: http.StreamResponse },
  CreateTaskPushNotificationConfig: {
    ...{ params: TaskPushNotificationConfig, result: TaskPushNotificationConfig },
    body: z.object({
      configId: some,
      config: z.object({ name: some, pushNotificationConfig: PushNotificationConfig }),
    }),
    answer: http.TaskPushNotificationConfig,
  },
  GetTaskPushNotificationConfig: {
    ...{ params: ofConfig, result: TaskPushNotificationConfig, answer: http.TaskPushNotificationConfig },
  },
  ListTaskPushNotificationConfigs: { params: ofTask, result: ConfigList, answer: http.ConfigList },
  DeleteTaskPushNotificationConfig: { params: ofConfig, result: z.null(), answer: z.object({}) },
  GetExtendedAgentCard: { params: z.object({}), result: AgentCard, answer: AgentCard },
}

const { ConfigList: _, PushNotificationConfig: __, ...httpModels } = http
const { ConfigList: ___, ...rpcModels } = rpc

export const DOCUMENTS: VersionDocuments = {
  version: v0_3.version,
  models: {
    ...rpcModels,
    AgentCard,
    ...Object.fromEntries(Object.entries(httpModels).map(([name, model]) => [`http.${name}`, model])),
  },
  operations,
}
