/** What an agent's gRPC status tells, by the one question: may the request have been acted upon? */
import { fromBinary } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import { REASONS, type Reason } from '../../../a2a/errors.ts'
import type { OperationName } from '../../../a2a/operations.ts'
import type { Clock } from '../../../platform/clock.ts'
import { clip, type Fault, fault, faultOfCode, faultOfStatus, reasonIn, retryAfterMs } from '../faults.ts'
import { ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.ts'

type Fields = Readonly<Record<string, string>>

/** Where a status stood, and for what. */
export interface StatusPlace {
  readonly name: OperationName
  /** It came instead of an answer, not behind one that had begun. */
  readonly alone: boolean
}

/** The HTTP status that stands for a code, where it tells all that there is to tell. */
const HTTP: { readonly [C in Code]?: number } = {
  [Code.InvalidArgument]: 400,
  [Code.NotFound]: 404,
  [Code.AlreadyExists]: 409,
  [Code.PermissionDenied]: 403,
  [Code.ResourceExhausted]: 429,
  [Code.FailedPrecondition]: 400,
  [Code.Aborted]: 409,
  [Code.OutOfRange]: 400,
  [Code.Unauthenticated]: 401,
  [Code.Unavailable]: 503,
}

/** Proxies answer so for a request that they had given on. */
const GIVEN_ON = /before headers|disconnect|connection (reset|terminat|clos)|(reset|closed) by peer/i
/** grpc-js, Go and Python, of a message beyond their limit. */
const TOO_LARGE = /larger than max|message too (large|long)|exceeds? .{0,20}(limit|max)/i

/** Undefined: the status is OK. */
export function faultOfTrailers(fields: Fields, place: StatusPlace, clock: Pick<Clock, 'now'>): Fault | undefined {
  if (fields['grpc-status'] === undefined) return fault('unknown', 'the answer ended without a status')
  const error = errorIn(fields)
  if (!error) return undefined
  const said = clip(error.rawMessage) || 'an error without words'
  const reason = reasonOf(error)
  const found = reason
    ? ofReason(reason, said, delayIn(error, clock))
    : ofCode(error.code, said, place, delayIn(error, clock))
  return { ...found, reason: `${nameOf(error.code)}: ${said}` }
}

const STATUS = 'grpc-status'
/** From all that is told down to the bare code: what nobody can read is left out. */
const READINGS = [[STATUS, 'grpc-message', 'grpc-status-details-bin'], [STATUS, 'grpc-message'], [STATUS]]

function errorIn(fields: Fields): ConnectError | undefined {
  for (const names of READINGS) {
    try {
      const told = names.flatMap((name): [string, string][] =>
        fields[name] === undefined ? [] : [[name, fields[name]]],
      )
      return findTrailerError(new Headers(told))
    } catch {}
  }
  return new ConnectError('a status that nobody can read', Code.Unknown)
}

function detailsOf<T>({ details }: ConnectError, type: string, read: (bytes: Uint8Array) => T): T | undefined {
  for (const detail of details) {
    if (!('type' in detail) || detail.type !== type) continue
    try {
      return read(detail.value)
    } catch {
      return undefined
    }
  }
  return undefined
}

const reasonOf = (error: ConnectError): Reason | undefined =>
  reasonIn([detailsOf(error, ErrorInfoSchema.typeName, (bytes) => fromBinary(ErrorInfoSchema, bytes))])

function delayIn(error: ConnectError, clock: Pick<Clock, 'now'>): number | undefined {
  const info = detailsOf(error, RetryInfoSchema.typeName, (bytes) => fromBinary(RetryInfoSchema, bytes))
  return info?.retryDelay && retryAfterMs(String(info.retryDelay.seconds), clock)
}

/** A reason means the same in every binding. */
function ofReason(reason: Reason, said: string, delay: number | undefined): Fault {
  const { http } = REASONS[reason]
  const known = fault(http >= 500 && reason !== 'INVALID_AGENT_RESPONSE' ? 'unknown' : 'rejected', said, {
    error: reason,
  })
  return faultOfStatus(http, delay, known)
}

/** Without a reason, as 0.3 servers answer, and proxies. */
function ofCode(code: Code, said: string, { name, alone }: StatusPlace, delay: number | undefined): Fault {
  if (code === Code.Unimplemented) return fault('rejected', said, { error: 'METHOD_NOT_FOUND' })
  if (code === Code.Unavailable && (!alone || GIVEN_ON.test(said))) return fault('unknown', said)
  if (code === Code.ResourceExhausted && TOO_LARGE.test(said))
    return fault('rejected', said, { error: 'PAYLOAD_TOO_LARGE' })
  const http = HTTP[code]
  // Internal, unknown, canceled, too late, lost: it may have come from the midst of the work, if the words do not tell.
  if (http === undefined) return faultOfCode(REASONS.INTERNAL.jsonRpc, said)
  const sends = name === 'SendMessage' || name === 'SendStreamingMessage'
  if (code === Code.NotFound && !sends) return fault('rejected', said, { error: 'TASK_NOT_FOUND' })
  if (code === Code.FailedPrecondition && name === 'CancelTask')
    return fault('rejected', said, { error: 'TASK_NOT_CANCELABLE' })
  const sniffed = faultOfCode(REASONS.INTERNAL.jsonRpc, said)
  return faultOfStatus(http, delay, sniffed.error ? sniffed : undefined)
}

/** `FailedPrecondition` → `FAILED_PRECONDITION`. */
const nameOf = (code: Code): string => Code[code].replace(/(?<=.)([A-Z])/g, '_$1').toUpperCase()
