/**
 * Between protobuf messages and canonical JSON, by the generated schemas. A request goes through JSON text, so that it is
 * measured and read exactly as one that came over HTTP.
 */
import { type DescMessage, type DescMethod, fromJsonString, type MessageShape, toJsonString } from '@bufbuild/protobuf'
import { A2AError } from '../../../a2a/errors.ts'
import type { OperationName } from '../../../a2a/operations.ts'
import type { Limits } from '../../../limits.ts'
import type { StreamEntry } from '../../../ports.ts'
import type { VersionCodec } from '../../versions/codec.ts'
import type { Weight } from '../bounds.ts'
import { parseBody, refuseShape } from '../scan.ts'
import { A2AService, type StreamResponse, StreamResponseSchema } from './gen/a2a/1.0/a2a_pb.ts'

const METHODS: ReadonlyMap<string, DescMethod> = new Map(A2AService.methods.map((method) => [method.name, method]))

/** The rpc of an operation: they bear the same names. */
export const methodOf = (name: OperationName): DescMethod => METHODS.get(name) as DescMethod

export interface ReadRequest {
  readonly json: Readonly<Record<string, unknown>>
  readonly weight: Weight
}

/** @throws A2AError INVALID_PARAMS for what has no JSON form, PAYLOAD_TOO_LARGE and INVALID_REQUEST by its size and shape */
export function readRequest(schema: DescMessage, message: MessageShape<DescMessage>, limits: Limits): ReadRequest {
  const { json, scan } = parseBody(Buffer.from(textOf(schema, message)), limits)
  refuseShape(scan, limits)
  return { json: json as ReadRequest['json'], weight: scan }
}

/** A Value without a kind, a NaN in a Struct, a time beyond year 9999: protobuf can say what JSON cannot. */
function textOf(schema: DescMessage, message: MessageShape<DescMessage>): string {
  try {
    return toJsonString(schema, message)
  } catch (error) {
    const description = (error as Error).message.slice(0, limitOfWords)
    throw new A2AError('INVALID_PARAMS', `invalid parameters: ${description}`, {
      violations: [{ field: '', description }],
    })
  }
}
const limitOfWords = 200

/** What we tell was once read by us, so it may be deeper than what a reader of protobuf takes from strangers. */
const WRITING = { ignoreUnknownFields: true, recursionLimit: 256 } as const

export const writeMessage = <D extends DescMessage>(schema: D, json: unknown): MessageShape<D> =>
  fromJsonString(schema, JSON.stringify(json), WRITING)

const made = new WeakMap<StreamEntry, StreamResponse>()

/** One message per entry, shared by all its readers. */
export function eventMessage(entry: StreamEntry, codec: VersionCodec): StreamResponse {
  const known = made.get(entry)
  if (known) return known
  const message = fromJsonString(StreamResponseSchema, codec.encodeEvent(entry, 'GRPC', entry.last), WRITING)
  made.set(entry, message)
  return message
}
