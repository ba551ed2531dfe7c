/** An agent over gRPC (A2A §10): the same JSON in and out as over the other bindings, errors by the same names. */
import { type DescMessage, fromJson, type JsonValue, type Message, toJson } from '@bufbuild/protobuf'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import type { OperationName } from '../a2a/operations.ts'
import { A2AService } from '../wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { CliError } from './errors.ts'
import { refusalBy } from './refusals.ts'
import type { Speech } from './speech.ts'
import type { TlsOptions } from './tls.ts'

export interface GrpcSettings {
  /** With its scheme. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly tls: TlsOptions | undefined
  readonly hadKey: boolean
  readonly trace?: ((line: string) => void) | undefined
}

type Asked = (message: Message, options: object) => Promise<Message> & AsyncIterable<Message>

export function createGrpcClient(settings: GrpcSettings): Speech {
  const { url, headers, tls, trace } = settings
  const transport: Transport = createGrpcTransport({ baseUrl: url, ...(tls && { nodeOptions: tls }) })
  const rpcs = createClient(A2AService, transport) as unknown as Readonly<Record<string, Asked>>
  const begin = (name: OperationName, params: object, signal: AbortSignal | undefined) => {
    const method = methodOf(name)
    trace?.(`> gRPC ${url} ${name} ${JSON.stringify(params)}`)
    const message = fromJson(method.input as DescMessage, params as JsonValue, { ignoreUnknownFields: true })
    // Deleting has nothing to answer with: google.protobuf.Empty.
    const told = (answer: Message) => {
      const json = withRequired(name, toJson(method.output as DescMessage, answer))
      trace?.(`< gRPC ${JSON.stringify(json)}`)
      return json
    }
    return { answer: (rpcs[method.localName] as Asked)(message, { headers, signal }), told }
  }
  return {
    async call(name, params, signal) {
      try {
        const { answer, told } = begin(name, params, signal)
        return told(await answer)
      } catch (error) {
        throw inOurWords(error, settings, signal)
      }
    },
    async *stream(name, params, { signal }) {
      try {
        const { answer, told } = begin(name, params, signal)
        for await (const event of answer) yield { event: told(event) }
      } catch (error) {
        throw inOurWords(error, settings, signal)
      }
    },
  }
}

const methodOf = (name: OperationName) =>
  A2AService.method[(name[0]?.toLowerCase() + name.slice(1)) as keyof typeof A2AService.method]

/** Protobuf leaves out zero values; these members are there in every other binding (A2A §3.1.4, §4.1.2). */
const REQUIRED: { readonly [N in OperationName]?: object } = {
  ListTasks: { tasks: [], nextPageToken: '', pageSize: 0, totalSize: 0 },
  ListTaskPushNotificationConfigs: { configs: [], nextPageToken: '' },
}

function withRequired(name: OperationName, json: unknown): unknown {
  const filled = JSON.parse(JSON.stringify(json), (key, value: unknown) =>
    key === 'status' && typeof value === 'object' ? { state: 'TASK_STATE_UNSPECIFIED', ...value } : value,
  ) as object
  return { ...REQUIRED[name], ...filled }
}

/** What gRPC's own codes mean where no ErrorInfo says it. */
const REASONS_OF_CODES: { readonly [C in Code]?: string } = {
  [Code.InvalidArgument]: 'INVALID_PARAMS',
  [Code.NotFound]: 'TASK_NOT_FOUND',
  [Code.Unauthenticated]: 'UNAUTHENTICATED',
  [Code.PermissionDenied]: 'PERMISSION_DENIED',
  [Code.FailedPrecondition]: 'UNSUPPORTED_OPERATION',
  [Code.Unimplemented]: 'METHOD_NOT_FOUND',
  [Code.ResourceExhausted]: 'RATE_LIMITED',
}

function inOurWords(error: unknown, { url, hadKey }: GrpcSettings, signal: AbortSignal | undefined): unknown {
  if (!(error instanceof ConnectError) || signal?.aborted) return error
  const info = (error.details as readonly { type?: string; value?: Uint8Array }[]).find(
    ({ type }) => type === ERROR_INFO,
  )
  const reason = (info?.value && firstText(info.value)) || REASONS_OF_CODES[error.code]
  const a2aCode = Code[error.code] ?? String(error.code)
  if (reason) return refusalBy(reason, error.rawMessage, { a2aCode, hadKey })
  if (error.code !== Code.Unavailable) return refusalBy('INTERNAL', error.rawMessage, { a2aCode, hadKey })
  return new CliError('A2ACLI_ERR_UNREACHABLE', `nobody answers at ${url} (${error.rawMessage})`, {
    hint: 'is it running, and does it speak gRPC there? another binding: --transport JSONRPC',
  })
}

const ERROR_INFO = 'google.rpc.ErrorInfo'
const REASON_FIELD = 1

/** `google.rpc.ErrorInfo.reason`, the only field that we look at. */
function firstText(bytes: Uint8Array): string | undefined {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag()
    if (number === REASON_FIELD) return reader.string()
    reader.skip(type)
  }
  return undefined
}
