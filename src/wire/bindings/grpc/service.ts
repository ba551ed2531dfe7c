/**
 * The operations as rpcs (A2A 1.0 §10), in the service of each version. All are answered alike, as a stream of one message or of many: on the wire
 * there is no difference, and so credentials are checked before a message is even read.
 */
import type { DescMessage, DescMethod, MessageShape } from '@bufbuild/protobuf'
import {
  type ConnectRouter,
  type ContextValues,
  createConnectRouter,
  type HandlerContext,
  type Interceptor,
} from '@connectrpc/connect'
import type { UniversalHandler } from '@connectrpc/connect/protocol'
import { A2AError } from '../../../a2a/errors.ts'
import type { OperationName, Params, Result } from '../../../a2a/operations.ts'
import type { Call } from '../../../ports.ts'
import { agree } from '../../versions/table.ts'
import { checkParams } from '../bounds.ts'
import { credentialsOf, parametersOf } from '../parameters.ts'
import { type Performed, perform } from '../perform.ts'
import { agentName } from '../targets.ts'
import { agentBefore, type GrpcTools, identify, RPC, type Rpc, refusal, served } from './call.ts'
import { type ReadRequest, readRequest, writeMessage } from './protojson.ts'
import { relay } from './relay.ts'
import { type NamedRpc, RPCS, type Rpcs, rpcsOf } from './rpcs.ts'

/** One handler per rpc path. The version is that of the service's package. */
export function createHandlers(tools: GrpcTools): readonly UniversalHandler[] {
  const router: ConnectRouter = createConnectRouter({
    grpc: true,
    grpcWeb: false,
    connect: false,
    // A compressed message is a bomb that has not gone off yet (SR-62).
    acceptCompression: [],
    readMaxBytes: tools.limits.requestBytesMax,
    interceptors: [doorOf(tools)],
  })
  for (const { codec, name } of RPCS.values()) {
    const rpcs = rpcsOf(codec)
    const method = rpcs.methodOf(name) as DescMethod
    const streaming = { ...method, methodKind: 'server_streaming' } as StreamingMethod
    router.rpc(streaming, (message, context) => answer({ name, method, rpcs }, message, context, tools))
  }
  return router.handlers
}

/** What is asked for. */
interface Asked {
  readonly name: OperationName
  readonly method: DescMethod
  readonly rpcs: Rpcs
}
type StreamingMethod = DescMethod & { methodKind: 'server_streaming'; input: DescMessage; output: DescMessage }

const rpcOf = (values: ContextValues): Rpc => values.get(RPC) as Rpc

/** What comes before the message: who is calling. And what the library refuses of the message, in our words. */
const doorOf =
  (tools: GrpcTools): Interceptor =>
  (next) =>
  async (request) => {
    const rpc = rpcOf(request.contextValues)
    const { name, parent } = request.method
    const named = RPCS.get(`${parent.typeName}/${name}`) as NamedRpc
    rpc.operation = named.name
    rpc.codec = named.codec
    try {
      rpc.agent = agentBefore(rpc.request, tools.publicHostnames)
      rpc.credentials = credentialsOf(rpc.request, rpc.agent ?? '')
      const { authorization, apiKey } = rpc.credentials
      // Without a credential it depends on the agent, and which one that is may stand in the message.
      if (authorization !== undefined || apiKey !== undefined || rpc.agent !== undefined)
        rpc.caller = await identify(rpc, rpc.agent ?? '', tools)
      return await inTime(next(request), request.signal, tools)
    } catch (cause) {
      throw refusal(rpc, cause, request.signal, tools)
    }
  }

/** A message that does not come to its end is not waited for. */
function inTime<T>(reading: Promise<T>, signal: AbortSignal, { clock, limits }: GrpcTools): Promise<T> {
  const read = new AbortController()
  const late = clock.sleep(limits.requestTimeoutMs, read.signal).then((): never => {
    throw new A2AError('INVALID_REQUEST', 'the message did not come in time')
  })
  late.catch(() => {})
  return unlessGone(Promise.race([reading, late]), signal).finally(() => read.abort())
}

/** What was begun goes on; only nobody waits for it any more. */
function unlessGone<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(signal.reason)
    if (signal.aborted) gone()
    else signal.addEventListener('abort', gone, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', gone))
  })
}

async function* answer(
  asked: Asked,
  message: MessageShape<DescMessage>,
  context: HandlerContext,
  tools: GrpcTools,
): AsyncGenerator<MessageShape<DescMessage>> {
  const rpc = rpcOf(context.values)
  const { name, method, rpcs } = asked
  let reply: MessageShape<DescMessage> | undefined
  let opened: Extract<Performed, { stream: unknown }> | undefined
  try {
    const performed = await run(asked, message, rpc, context, tools)
    if ('stream' in performed) opened = performed
    else
      reply = writeMessage(
        method.output,
        rpcs.codec.encodeResult(name, performed.result as Result<typeof name>, 'GRPC'),
      )
  } catch (cause) {
    throw refusal(rpc, cause, context.signal, tools)
  }
  served(rpc, 'OK', tools)
  if (reply) yield reply
  if (!opened) return
  try {
    yield* relay(
      rpc,
      { ...opened, rpcs, signal: context.signal, proveAgain: () => identify(rpc, rpc.agent ?? '', tools) },
      tools,
    )
  } catch (cause) {
    throw refusal(rpc, cause, context.signal, tools)
  }
}

async function run(
  { name, method, rpcs: { codec } }: Asked,
  message: MessageShape<DescMessage>,
  rpc: Rpc,
  context: HandlerContext,
  tools: GrpcTools,
): Promise<Performed> {
  const { limits, performer } = tools
  const { json, weight } = readRequest(method.input, message, limits)
  const { agent, fields } = addressed(rpc, json, tools)
  rpc.agent = agent
  const caller = rpc.caller ?? (await identify(rpc, agent, tools))
  if (agent === '') throw new A2AError('AGENT_NOT_FOUND', 'no such agent; say which by tenant or x-waypost-agent')
  const parameters = parametersOf(rpc.request.headers, '', limits)
  agree(parameters.version, codec)
  const params = codec.decodeParams(name, fields, 'GRPC') as Params<typeof name>
  checkParams(name, params, limits, weight)
  const told = { codec, activated: [] as readonly string[] }
  const call: Call = {
    ...parameters.carried,
    ...{ agent, caller, version: codec.version, binding: 'GRPC', signal: context.signal },
  }
  const performing = perform(performer, told, name, params, call)
  // A stream that comes when its reader has gone is nobody's.
  const performed = await unlessGone(performing, context.signal).catch((cause) => {
    performing.then(discard, () => {})
    throw cause
  })
  if (told.activated.length > 0) context.responseHeader.set('a2a-extensions', told.activated.join(', '))
  return performed
}

function discard(performed: Performed): void {
  if (!('stream' in performed)) return
  performed.release()
  performed.stream.close()
}

/** The tenant of the card's interface is the agent's name; it has done its work once the agent is known. */
function addressed(rpc: Rpc, json: ReadRequest['json'], { rootAgent }: GrpcTools) {
  const named = typeof json.tenant === 'string' ? agentName(json.tenant) : undefined
  const agent = rpc.agent ?? named ?? agentName(rootAgent ?? '')
  const { tenant: _, ...fields } = json
  return { agent, fields: named === agent ? fields : json }
}
