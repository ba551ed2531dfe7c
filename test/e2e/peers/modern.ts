/** The client of the official SDK 1.3.0, as A2A 1.0 and, by its compatibility layer, as 0.3. */
import { AgentCard, SendMessageRequest, StreamResponse, Task, TaskPushNotificationConfig } from '@a2a-js/sdk'
import {
  type Client,
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from '@a2a-js/sdk/client'
import { GrpcTransportFactory } from '@a2a-js/sdk/client/grpc'
import {
  type Access,
  grpcDoor,
  type PeerBinding,
  type PeerClient,
  type PeerKind,
  type PushWish,
  type SeenEvent,
  type SeenTask,
  type SendOptions,
} from './client.ts'

interface Json {
  // biome-ignore lint/suspicious/noExplicitAny: what an SDK gives back is looked at, not trusted
  readonly [name: string]: any
}

const textOf = (parts: readonly Json[] | undefined): string => (parts ?? []).map(({ text }) => text ?? '').join('')
const short = (state: string): string => state.replace('TASK_STATE_', '')

function seenTask(task: Json): SeenTask {
  return {
    kind: 'task',
    id: task.id,
    contextId: task.contextId,
    state: short(task.status.state),
    made: (task.artifacts ?? []).map(({ parts }: Json) => textOf(parts)),
    said: textOf(task.status.message?.parts),
    history: (task.history ?? []).map(({ role, parts }: Json) => `${role.replace('ROLE_', '')} ${textOf(parts)}`),
  }
}

/** Of a stream response in JSON. */
function seenEvent({ task, message, statusUpdate, artifactUpdate }: Json): SeenEvent {
  if (task) return { glance: `task ${short(task.status.state)}`, taskId: task.id, contextId: task.contextId }
  const about = statusUpdate ?? artifactUpdate ?? message
  const ids = { taskId: about.taskId ?? '', contextId: about.contextId ?? '' }
  if (message) return { glance: 'message', ...ids }
  if (statusUpdate) return { glance: short(statusUpdate.status.state), ...ids }
  const { artifact, append } = artifactUpdate
  return { glance: `${append ? '+' : ''}${textOf(artifact.parts)}`, ...ids }
}

const configOf = ({ url, id = '', token = '', bearer }: PushWish): Json => ({
  id,
  url,
  token,
  ...(bearer && { authentication: { scheme: 'Bearer', credentials: bearer } }),
})

function requestOf(text: string, { taskId, contextId, messageId, now, push }: SendOptions): SendMessageRequest {
  return SendMessageRequest.fromJSON({
    message: {
      messageId: messageId ?? crypto.randomUUID(),
      role: 'ROLE_USER',
      parts: [{ text }],
      ...(taskId && { taskId }),
      ...(contextId && { contextId }),
    },
    ...((now || push) && {
      configuration: {
        ...(now && { returnImmediately: true }),
        ...(push && { taskPushNotificationConfig: configOf(push) }),
      },
    }),
  })
}

async function* glances(responses: AsyncGenerator<StreamResponse>): AsyncGenerator<SeenEvent> {
  for await (const response of responses) yield seenEvent(StreamResponse.toJSON(response) as Json)
}

function peer(client: Client): PeerClient {
  const taskOf = (task: Task): SeenTask => seenTask(Task.toJSON(task) as Json)
  const options = ({ signal }: SendOptions) => (signal ? { signal } : undefined)
  return {
    async send(text, more = {}) {
      const answer = await client.sendMessage(requestOf(text, more), options(more))
      if ('status' in answer) return taskOf(answer)
      return { kind: 'message', text: answer.parts.map(({ content }) => String(content?.value)).join('') }
    },
    stream: (text, more = {}) => glances(client.sendMessageStream(requestOf(text, more), options(more))),
    get: async (id) => taskOf(await client.getTask({ tenant: '', id })),
    cancel: async (id) => taskOf(await client.cancelTask({ tenant: '', id, metadata: undefined })),
    subscribe: (id) => glances(client.resubscribeTask({ tenant: '', id })),
    ...(client.protocolVersion.startsWith('1') && {
      list: async (contextId: string) => {
        const ids: string[] = []
        let pageToken = ''
        do {
          const page = await client.listTasks({
            tenant: '',
            contextId,
            status: 0,
            pageSize: 2,
            pageToken,
            statusTimestampAfter: undefined,
          })
          ids.push(...page.tasks.map(({ id }) => id))
          pageToken = page.nextPageToken
        } while (pageToken)
        return ids
      },
    }),
    push: {
      create: (taskId, wish) =>
        client.createTaskPushNotificationConfig(TaskPushNotificationConfig.fromJSON({ ...configOf(wish), taskId })),
      get: (taskId, id) => client.getTaskPushNotificationConfig({ tenant: '', taskId, id }),
      list: async (taskId) =>
        (await client.listTaskPushNotificationConfig({ tenant: '', taskId, pageSize: 0, pageToken: '' })).configs,
      delete: (taskId, id) => client.deleteTaskPushNotificationConfig({ tenant: '', taskId, id }),
    },
    cardName: async () => (await client.getAgentCard()).name,
  }
}

export function modern(binding: PeerBinding, version: '1.0' | '0.3'): PeerKind {
  const legacy = version === '0.3' && { legacyCompat: { enabled: true } }
  return {
    sdk: '1.3.0',
    version,
    binding,
    async connect(base, access) {
      const options = { fetchImpl: access.fetch, ...legacy }
      const cardResolver = new DefaultAgentCardResolver(options)
      if (binding === 'GRPC') return peer(await overGrpc(base, access, cardResolver, version))
      const transport = binding === 'JSONRPC' ? new JsonRpcTransportFactory(options) : new RestTransportFactory(options)
      const factory = new ClientFactory({ transports: [transport], cardResolver })
      if (version === '1.0') return peer(await factory.createFromUrl(base))
      // With both versions on the card it would take the newer one.
      const card = AgentCard.toJSON(await cardResolver.resolve(base)) as Json
      const supportedInterfaces = card.supportedInterfaces.filter((way: Json) => way.protocolVersion.startsWith('0.3'))
      return peer(await factory.createFromAgentCard(AgentCard.fromJSON({ ...card, supportedInterfaces })))
    },
  }
}

/** As 0.3 it has no tenant to name the agent by. */
async function overGrpc(base: string, access: Access, cardResolver: DefaultAgentCardResolver, version: '1.0' | '0.3') {
  const { address, callOptions, named } = await grpcDoor(base, access)
  if (version === '1.0') {
    const transport = new GrpcTransportFactory({ grpcCallOptions: callOptions() })
    return new ClientFactory({ transports: [transport], cardResolver }).createFromUrl(base)
  }
  const grpc = { legacyCompat: { enabled: true }, grpcCallOptions: callOptions(named) }
  const factory = new ClientFactory({ transports: [new GrpcTransportFactory(grpc)], cardResolver })
  const card = AgentCard.toJSON(await cardResolver.resolve(base)) as Json
  const supportedInterfaces = [{ url: address, protocolBinding: 'GRPC', protocolVersion: '0.3' }]
  return factory.createFromAgentCard(AgentCard.fromJSON({ ...card, supportedInterfaces }))
}
