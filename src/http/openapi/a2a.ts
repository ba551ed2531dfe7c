/** The A2A surface of an agent, from the name tables of the versions: what is served is what is told. */
import { z } from 'zod'
import { REASONS } from '../../a2a/errors.ts'
import { OPERATION_NAMES, type OperationName } from '../../a2a/operations.ts'
import { OPERATIONS } from '../../gateway/operations/execute.ts'
import type { Permit } from '../../ports.ts'
import { CARD_PATHS } from '../../wire/bindings/wellKnown.ts'
import type { VersionCodec } from '../../wire/versions/codec.ts'
import { STREAMS, type VersionDocuments } from '../../wire/versions/documents.ts'
import { ALL_VERSIONS, LATEST } from '../../wire/versions/table.ts'
import { DOCUMENTS as OLD } from '../../wire/versions/v0_3/documents.ts'
import { DOCUMENTS as NEW } from '../../wire/versions/v1_0/documents.ts'
import type { Answer } from './entry.ts'

/** From new to old. */
export const VERSION_DOCUMENTS: readonly VersionDocuments[] = [NEW, OLD]
export const documentsOf = ({ version }: VersionCodec): VersionDocuments =>
  VERSION_DOCUMENTS.find((documents) => documents.version === version) as VersionDocuments

/** The name of a version's model among those of all. */
export const modelName = (version: string, name: string): string => `a2a-${version}.${name}`

export interface A2aRoute {
  readonly method: string
  /** Below the host. */
  readonly path: string
  readonly summary: string
  readonly about?: string
  readonly permit?: Permit
  readonly query?: z.ZodObject | undefined
  readonly body?: z.ZodType | undefined
  readonly media: string
  readonly answer: Answer
  readonly example?: unknown
}

const SUMMARIES: { readonly [N in OperationName]: string } = {
  SendMessage: 'Send a message',
  SendStreamingMessage: 'Send a message, and follow its task',
  GetTask: 'Get a task',
  ListTasks: 'List tasks',
  CancelTask: 'Cancel a task',
  SubscribeToTask: 'Follow a task',
  CreateTaskPushNotificationConfig: 'Name a webhook for a task',
  GetTaskPushNotificationConfig: 'Look at a webhook of a task',
  ListTaskPushNotificationConfigs: 'List the webhooks of a task',
  DeleteTaskPushNotificationConfig: 'Remove a webhook of a task',
  GetExtendedAgentCard: 'The card for who is known',
}

export const AGENT_BASE = '/agents/{agent}'
const message = { messageId: 'm-1', role: 'ROLE_USER', parts: [{ text: 'hello' }] }
const RESUMES = 'Each event has an `id`: with `Last-Event-ID` the stream goes on behind it.'

/** JSON-RPC methods of all versions, and what each takes and gives. */
const METHODS = ALL_VERSIONS.toReversed().flatMap((codec) =>
  OPERATION_NAMES.flatMap((name) => {
    const method = codec.names[name]?.jsonrpc
    const documents = documentsOf(codec).operations[name]
    return method && documents ? [{ method, name, codec, documents }] : []
  }),
)

const id = z.union([z.string(), z.number(), z.null()])
const rpc = z.literal('2.0')
export const RpcRequest = z.union(
  METHODS.map(({ method, documents }) =>
    z.object({ jsonrpc: rpc, id, method: z.literal(method), params: documents.params.optional() }),
  ),
)
export const RpcError = z.object({
  ...{ jsonrpc: rpc, id },
  error: z.object({ code: z.int(), message: z.string(), data: z.array(z.looseObject({ '@type': z.string() })) }),
})
export const RpcAnswer = z.union([
  z.object({ jsonrpc: rpc, id, result: z.union([...new Set(METHODS.map(({ documents }) => documents.result))]) }),
  RpcError,
])
export const RestError = z.looseObject({
  error: z.object({
    ...{ code: z.int(), status: z.string(), message: z.string() },
    details: z.array(z.looseObject({ '@type': z.string() })),
  }),
})

/** Schemas with names of their own, for the whole document. */
export const A2A_MODELS: Readonly<Record<string, z.ZodType>> = {
  ...Object.fromEntries(
    VERSION_DOCUMENTS.flatMap(({ version, models }) =>
      Object.entries(models).map(([name, model]) => [modelName(version, name), model]),
    ),
  ),
  'a2a.JsonRpcRequest': RpcRequest,
  'a2a.JsonRpcAnswer': RpcAnswer,
  'a2a.HttpError': RestError,
}

function cards(): A2aRoute[] {
  const hybrid = z.union(VERSION_DOCUMENTS.map(({ models }) => models.AgentCard as z.ZodType))
  return ['', AGENT_BASE].flatMap((base) =>
    [...CARD_PATHS].map((path) => ({
      ...{ method: 'GET', path: `${base}${path}`, media: 'application/json', answer: hybrid },
      summary: base === '' ? 'The card of the root agent' : 'The card of an agent',
      about:
        'In the version that `A2A-Version` names; without one a card that readers of all versions understand. A private agent’s only with a credential.',
    })),
  )
}

const jsonRpc = (): A2aRoute[] =>
  ['', '/'].map((end) => ({
    ...{ method: 'POST', path: `${AGENT_BASE}${end}`, media: 'application/json', answer: RpcAnswer },
    summary: 'JSON-RPC: every operation of every version',
    about: `The method’s name tells the version. Methods: ${METHODS.map(({ method }) => `\`${method}\``).join(', ')}. Streaming methods answer \`text/event-stream\`. ${RESUMES}`,
    body: RpcRequest,
    example: { jsonrpc: '2.0', id: 1, method: LATEST.names.SendMessage?.jsonrpc, params: { message } },
  }))

function restOf(codec: VersionCodec): A2aRoute[] {
  return OPERATION_NAMES.flatMap((name) => {
    const documents = documentsOf(codec).operations[name]
    if (!documents) return []
    return (codec.names[name]?.rest ?? []).map((rest): A2aRoute => {
      const [method = '', path = ''] = rest.split(' ')
      const sends = documents.body !== undefined && 'message' in documents.body.shape
      const about = STREAMS.has(name) ? RESUMES : undefined
      return {
        ...{ method, path: `${AGENT_BASE}${path}`, permit: OPERATIONS[name].permit, media: codec.rim.mediaType },
        summary: `${SUMMARIES[name]} (A2A ${codec.version})`,
        ...(about && { about }),
        ...(method === 'POST' && { body: documents.body }),
        ...(method === 'GET' && { query: documents.query }),
        ...(sends && codec === LATEST && { example: { message } }),
        answer: STREAMS.has(name)
          ? { media: 'text/event-stream', about: 'what happens to the task', schema: documents.answer }
          : documents.answer,
      }
    })
  })
}

/** Every route of an agent's own surface. */
export const a2aRoutes = (): A2aRoute[] => [...cards(), ...jsonRpc(), ...ALL_VERSIONS.toReversed().flatMap(restOf)]

/** Reasons by the HTTP status under which the HTTP+JSON binding tells them. */
export const A2A_CODES: Readonly<Record<string, readonly string[]>> = Object.entries(REASONS).reduce<
  Record<string, string[]>
>((found, [reason, { http }]) => {
  found[http] = [...(found[http] ?? []), reason]
  return found
}, {})
