/** gRPC towards an agent (A2A 1.0 §10): one HTTP/2 stream for each rpc, through the same egress as everything else. */
import { type DescMessage, type DescMethod, fromBinary, toBinary, toJsonString } from '@bufbuild/protobuf'
import type { OperationName, Params } from '../../../a2a/operations.ts'
import { LIMITS, type Limits } from '../../../limits.ts'
import type { EgressFailure, EgressRequest, EgressStream } from '../../../platform/egress.ts'
import {
  type AgentClient,
  type AgentEvents,
  type AgentFace,
  type ClientTools,
  decoding,
  notOffered,
} from '../agentClient.ts'
import { readAgentJson } from '../agentJson.ts'
import { clip, type Fault, fault, faultOfEgress, faultOfStatus, retryAfterMs } from '../faults.ts'
import { enveloped, readEnvelopes } from './envelopes.ts'
import { faultOfTrailers } from './faults.ts'
import { writeMessage } from './protojson.ts'
import { type Rpcs, rpcsOf } from './rpcs.ts'

/** An rpc whose answer has begun, as gRPC. */
interface Begun {
  readonly kind: 'begun'
  readonly stream: EgressStream
  /** The status; undefined: OK. To be asked for when the body has ended. */
  readonly status: () => Fault | undefined
}

/** `face.url` has a scheme and is followed to its port only: gRPC's paths are fixed. */
export function createGrpcClient(face: AgentFace, tools: ClientTools): AgentClient {
  const { limits = LIMITS } = tools
  const rpcs = rpcsOf(face.codec)
  const { codec } = face
  return {
    async call(name, params, { signal, headersMs, totalMs }) {
      const method = rpcs.methodOf(name)
      if (!method) return notOffered(name)
      const bounds = { signal, headersMs, totalMs, bytesMax: limits.agentReplyBytesMax }
      const begun = await begin(name, { method, params, face, bounds }, tools)
      if (begun.kind === 'fault') return begun
      const answer = await loneMessage(begun, limits)
      if (answer.kind === 'fault') return answer
      const json = jsonOf(method.output, answer.bytes)
      if ('kind' in json) return json
      const bytes = answer.bytes.length
      return decoding(() => ({ kind: 'result', result: codec.decodeResult(name, json.json, 'GRPC'), bytes }))
    },

    async stream(name, params, signal) {
      const method = rpcs.methodOf(name)
      if (!method) return notOffered(name)
      // Servers answer with the headers when the first event exists: no sooner than the agent has something to say.
      const silence = { headersMs: limits.agentIdleMs, idleMs: limits.agentIdleMs }
      const bounds = { signal, ...silence, bytesMax: limits.bytesPerTaskMax }
      const begun = await begin(name, { method, params, face, bounds }, tools)
      if (begun.kind === 'fault') return begun
      return { kind: 'events', events: eventsOf(begun, face, rpcs, limits) }
    },
  }
}

interface Asking {
  readonly method: DescMethod
  readonly params: object
  readonly face: AgentFace
  readonly bounds: Pick<EgressRequest, 'headersMs' | 'idleMs' | 'totalMs' | 'bytesMax' | 'signal'>
}

/** Sends, and looks at how the answer begins: a refusal without a body is told here. */
async function begin(name: OperationName, asking: Asking, { egress, clock }: ClientTools): Promise<Begun | Fault> {
  const { method, face, bounds } = asking
  const body = bodyOf(name, asking)
  if ('kind' in body) return body
  const opened: EgressStream | EgressFailure = await egress.open({
    ...bounds,
    method: 'POST',
    http2: true,
    url: `${new URL(face.url).origin}/${method.parent.typeName}/${method.name}`,
    headers: {
      ...face.headers,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      'grpc-accept-encoding': 'identity',
      ...(bounds.totalMs !== undefined && { 'grpc-timeout': `${bounds.totalMs}m` }),
    },
    body,
  })
  if (opened.kind !== 'answered') return faultOfEgress(opened)
  const { status, headers } = opened
  const refused =
    status !== 200
      ? faultOfStatus(status, retryAfterMs(headers['retry-after'], clock))
      : /^application\/grpc(\+proto)?\s*(;|$)/i.test(headers['content-type'] ?? '')
        ? headers['grpc-status'] !== undefined && faultOfTrailers(headers, { name, alone: true }, clock)
        : fault('invalid', 'the answer is not gRPC')
  if (refused) {
    opened.close()
    return refused
  }
  const last = () => (headers['grpc-status'] === undefined ? opened.trailers() : headers)
  return { kind: 'begun', stream: opened, status: () => faultOfTrailers(last(), { name, alone: false }, clock) }
}

function bodyOf(name: OperationName, { method, params, face }: Asking): Buffer | Fault {
  const tenanted = face.tenant === undefined ? params : { ...params, tenant: face.tenant }
  try {
    const json = face.codec.encodeParams(name, tenanted as Params<typeof name>, 'GRPC')
    return enveloped(toBinary(method.input, writeMessage(method.input, json)))
  } catch (error) {
    return fault('rejected', `the request has no protobuf form: ${clip((error as Error).message, 200)}`)
  }
}

/** An rpc with one answer: a message and then a good status, nothing less and nothing more. */
async function loneMessage(
  { stream, status }: Begun,
  { agentReplyBytesMax }: Limits,
): Promise<{ kind: 'message'; bytes: Buffer } | Fault> {
  const envelopes = readEnvelopes(stream, agentReplyBytesMax)
  const first = await envelopes.next()
  if (first.kind === 'fault') return first
  const more = first.kind === 'end' ? first : await envelopes.next()
  if (more.kind === 'fault') return more
  if (more.kind === 'message') {
    stream.close()
    return fault('invalid', 'more than one answer')
  }
  const failed = status()
  if (failed) return failed
  return first.kind === 'message' ? first : fault('invalid', 'a good status without an answer')
}

/** Through JSON text, so that it is bounded and cleaned as what comes over HTTP. */
function jsonOf(schema: DescMessage, bytes: Buffer): { json: unknown } | Fault {
  try {
    const json = readAgentJson(Buffer.from(toJsonString(schema, fromBinary(schema, bytes))))
    return json === undefined ? fault('invalid', 'the answer is nested too deeply') : { json }
  } catch {
    return fault('invalid', 'the answer is not the message that it should be')
  }
}

function eventsOf({ stream, status }: Begun, { codec }: AgentFace, { event }: Rpcs, limits: Limits): AgentEvents {
  const envelopes = readEnvelopes(stream, limits.streamEventBytesMax)
  return {
    async next() {
      const next = await envelopes.next()
      if (next.kind === 'end') return status() ?? { kind: 'end' }
      if (next.kind === 'fault') return next
      const json = jsonOf(event, next.bytes)
      const decoded =
        'kind' in json
          ? json
          : decoding(() => ({
              kind: 'event' as const,
              ...codec.decodeEvent(json.json, 'GRPC'),
              bytes: next.bytes.length,
            }))
      if (decoded.kind === 'fault') stream.close()
      return decoded
    },
    close: () => stream.close(),
  }
}
