/** The client of the official SDK 0.3.14. */
import {
  type Client,
  ClientFactory,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory,
} from 'sdk03/client'
import { GrpcTransportFactory } from 'sdk03/client/grpc'
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
const stateOf = (state: string): string => state.toUpperCase().replace('-', '_')

export function seenTask(task: Json): SeenTask {
  return {
    kind: 'task',
    id: task.id,
    contextId: task.contextId,
    state: stateOf(task.status.state),
    made: (task.artifacts ?? []).map(({ parts }: Json) => textOf(parts)),
    said: textOf(task.status.message?.parts),
    history: (task.history ?? []).map(({ role, parts }: Json) => `${role.toUpperCase()} ${textOf(parts)}`),
  }
}

export function seenEvent(event: Json): SeenEvent {
  const { kind, contextId = '' } = event
  if (kind === 'task') return { glance: `task ${stateOf(event.status.state)}`, taskId: event.id, contextId }
  const ids = { taskId: event.taskId ?? '', contextId }
  if (kind === 'message') return { glance: 'message', ...ids }
  if (kind === 'status-update') return { glance: stateOf(event.status.state), ...ids }
  if (kind === 'artifact-update') return { glance: `${event.append ? '+' : ''}${textOf(event.artifact.parts)}`, ...ids }
  throw new Error(`an event of no kind: ${JSON.stringify(event).slice(0, 200)}`)
}

export async function* glances(events: AsyncGenerator<Json>): AsyncGenerator<SeenEvent> {
  for await (const event of events) yield seenEvent(event)
}

export const configOf = ({ url, id, token, bearer }: PushWish) => ({
  url,
  ...(id && { id }),
  ...(token && { token }),
  ...(bearer && { authentication: { schemes: ['Bearer'], credentials: bearer } }),
})

export const paramsOf = (text: string, { taskId, contextId, messageId, now, push }: SendOptions) => ({
  message: {
    kind: 'message' as const,
    messageId: messageId ?? crypto.randomUUID(),
    role: 'user' as const,
    parts: [{ kind: 'text' as const, text }],
    ...(taskId && { taskId }),
    ...(contextId && { contextId }),
  },
  configuration: { blocking: !now, ...(push && { pushNotificationConfig: configOf(push) }) },
})

const seenConfig = ({ pushNotificationConfig: { id, url } }: Json) => ({ id, url })

function peer(client: Client): PeerClient {
  const options = ({ signal }: SendOptions) => (signal ? { signal } : undefined)
  return {
    async send(text, more = {}) {
      const answer: Json = await client.sendMessage(paramsOf(text, more), options(more))
      return answer.kind === 'task' ? seenTask(answer) : { kind: 'message', text: textOf(answer.parts) }
    },
    stream: (text, more = {}) => glances(client.sendMessageStream(paramsOf(text, more), options(more))),
    get: async (id) => seenTask(await client.getTask({ id })),
    cancel: async (id) => seenTask(await client.cancelTask({ id })),
    subscribe: (id) => glances(client.resubscribeTask({ id })),
    push: {
      create: async (taskId, wish) =>
        seenConfig(await client.setTaskPushNotificationConfig({ taskId, pushNotificationConfig: configOf(wish) })),
      get: async (id, pushNotificationConfigId) =>
        seenConfig(await client.getTaskPushNotificationConfig({ id, pushNotificationConfigId } as { id: string })),
      list: async (id) => (await client.listTaskPushNotificationConfig({ id })).map(seenConfig),
      delete: (id, pushNotificationConfigId) =>
        client.deleteTaskPushNotificationConfig({ id, pushNotificationConfigId }),
    },
    cardName: async () => (await client.getAgentCard()).name,
  }
}

export function old(binding: PeerBinding): PeerKind {
  return {
    sdk: '0.3.14',
    version: '0.3',
    binding,
    async connect(base, access) {
      const fetchImpl = access.fetch
      const cardResolver = new DefaultAgentCardResolver({ fetchImpl })
      if (binding === 'GRPC') return peer(await overGrpc(base, access, cardResolver))
      const transport =
        binding === 'JSONRPC' ? new JsonRpcTransportFactory({ fetchImpl }) : new RestTransportFactory({ fetchImpl })
      return peer(await new ClientFactory({ transports: [transport], cardResolver }).createFromUrl(base))
    },
  }
}

async function overGrpc(base: string, access: Access, cardResolver: DefaultAgentCardResolver) {
  const { address: url, callOptions, named } = await grpcDoor(base, access)
  const transport = new GrpcTransportFactory({ grpcCallOptions: callOptions(named) })
  const card = { ...(await cardResolver.resolve(base)), url, preferredTransport: 'GRPC', additionalInterfaces: [] }
  return new ClientFactory({ transports: [transport], cardResolver }).createFromAgentCard(card)
}
