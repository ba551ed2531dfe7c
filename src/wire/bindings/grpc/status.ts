/** What went wrong, as a gRPC status: its code, and in `grpc-status-details-bin` the same details as in every binding. */
import { type DescMessage, fromJson, type JsonObject } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { A2AError } from '../../../a2a/errors.ts'
import type { VersionCodec } from '../../versions/codec.ts'
import { detailsOf, grpcCode, type Quirks } from '../errors.ts'
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.ts'

const DETAILS: ReadonlyMap<unknown, DescMessage> = new Map(
  [ErrorInfoSchema, BadRequestSchema, RetryInfoSchema].map((schema) => [
    `type.googleapis.com/${schema.typeName}`,
    schema,
  ]),
)

/** `FAILED_PRECONDITION` → 9. */
function codeOf(name: string): Code {
  const key = name.toLowerCase().replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return Code[key as keyof typeof Code]
}

/** Half a surrogate pair, cut from the caller's words, cannot be written into a trailer. */
const wellFormed = (text: string): string => Buffer.from(text).toString()

export function toStatus(error: A2AError, codec: VersionCodec, quirks: Quirks | undefined): ConnectError {
  const details = detailsOf(error).flatMap((detail) => {
    const { '@type': type, ...fields } = detail as JsonObject
    const desc = DETAILS.get(type)
    return desc ? [{ desc, value: fromJson(desc, fields) }] : []
  })
  return new ConnectError(wellFormed(error.message), codeOf(grpcCode(error, codec, quirks)), undefined, details)
}

/** What the library refused by itself, in our words; undefined: it is of the transport, and stays as it is. */
export function refusedByLibrary({ code, rawMessage }: ConnectError, bytesMax: number): A2AError | undefined {
  if (code === Code.ResourceExhausted)
    return new A2AError('PAYLOAD_TOO_LARGE', `the message is larger than ${bytesMax} bytes`, {
      metadata: { limit: String(bytesMax) },
    })
  if (code !== Code.Internal || !rawMessage.startsWith('parse binary')) return undefined
  const description = /recursion/.test(rawMessage)
    ? 'must be nested less deeply (DATA_DEPTH)'
    : 'must be a protobuf message of this operation, its strings in UTF-8'
  return new A2AError('INVALID_PARAMS', `invalid parameters: the message ${description}`, {
    violations: [{ field: '', description }],
  })
}

const MESSAGE = 'grpc-message'

/**
 * The library escapes more of a message than the protocol asks for, and grpc-js unescapes less of it: only what is not
 * visible ASCII, and the escape itself, is to be escaped.
 */
export function tellPlainly(trailer: Headers): void {
  const escaped = trailer.get(MESSAGE)
  if (escaped === null) return
  trailer.set(MESSAGE, decodeURIComponent(escaped).replace(/[^ -$&-~]+/g, encodeURIComponent))
}
