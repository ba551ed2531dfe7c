/**
 * Between protobuf messages and canonical JSON, by the generated schemas. A request goes through JSON text, so that it is
 * measured and read exactly as one that came over HTTP.
 */
import { type DescMessage, fromJsonString, type MessageShape, toJsonString } from '@bufbuild/protobuf'
import { A2AError } from '../../../a2a/errors.ts'
import type { Limits } from '../../../limits.ts'
import type { StreamEntry } from '../../../ports.ts'
import type { Weight } from '../bounds.ts'
import { parseBody, refuseShape } from '../scan.ts'
import type { Rpcs } from './rpcs.ts'

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

const made = new WeakMap<StreamEntry, Map<string, MessageShape<DescMessage>>>()

/** One message per entry and version, shared by all its readers. `closing`: this server ends the stream after it. */
export function eventMessage(entry: StreamEntry, { codec, event }: Rpcs, closing: boolean): MessageShape<DescMessage> {
  let known = made.get(entry)
  if (!known) {
    known = new Map()
    made.set(entry, known)
  }
  const key = `${codec.version} ${closing}`
  let message = known.get(key)
  if (!message) {
    message = fromJsonString(event, codec.encodeEvent(entry, 'GRPC', closing), WRITING)
    known.set(key, message)
  }
  return message
}
