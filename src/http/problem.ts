/** Errors of the management interface: RFC 9457 problem documents, each with a stable code, what to do next, and a trace id. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { A2AError, type FieldViolation, REASONS, type Reason } from '../a2a/errors.ts'
import { LIMITS } from '../limits.ts'
import { isUnstorable, StoreError } from '../store/db.ts'
import { Refusal } from './refusal.ts'
import { SAFE_HEADERS } from './safeHeaders.ts'

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: string
  readonly hint?: string
  readonly traceId: string
  readonly violations?: readonly FieldViolation[]
  readonly headers: Readonly<Record<string, string>>
}

/** What to do about it, where that can be said without knowing more. */
const HINTS: { readonly [R in Reason]?: string } = {
  UNAUTHENTICATED: 'send Authorization: Bearer wp_<id>_<secret>, or X-API-Key; make one: waypost key create',
  PERMISSION_DENIED: 'use a key with this permit: waypost key create --permits …',
  AGENT_NOT_FOUND: 'list them: waypost agent list',
  TASK_NOT_FOUND: 'list them: waypost task list',
  CARD_SIGNATURE: 'give the key that signs it, or another policy, in the member "signatures"',
  RATE_LIMITED: 'wait as long as Retry-After says',
  UNSUPPORTED_MEDIA_TYPE: 'send JSON with Content-Type: application/json',
  PAYLOAD_TOO_LARGE: 'send less',
  UNAVAILABLE: 'try again in a moment; see /readyz?verbose',
  OUTCOME_UNKNOWN: 'look whether it was done before doing it again',
  INTERNAL: 'this is a mistake of the gateway: its log has more under this trace id',
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad request',
  401: 'Unauthenticated',
  403: 'Forbidden',
  404: 'Not found',
  405: 'Method not allowed',
  409: 'Conflict',
  413: 'Too large',
  415: 'Unsupported media type',
  408: 'Timed out',
  414: 'Target too long',
  421: 'Misdirected request',
  429: 'Too many requests',
  431: 'Headers too large',
  500: 'Internal error',
  503: 'Unavailable',
}

export interface ProblemOptions {
  readonly hint?: string | undefined
  readonly violations?: readonly FieldViolation[] | undefined
  readonly headers?: Readonly<Record<string, string>>
}

export function problem(
  status: number,
  code: string,
  detail: string,
  traceId: string,
  { hint, violations, headers = {} }: ProblemOptions = {},
): Problem {
  return {
    type: 'about:blank',
    title: TITLES[status] ?? 'Error',
    status,
    detail,
    code,
    ...(hint !== undefined && { hint }),
    traceId,
    ...(violations && violations.length > 0 && { violations: violations.slice(0, LIMITS.violationsMax) }),
    headers,
  }
}

/** What was thrown, as a problem. What is our own mistake says nothing of itself. */
export function problemOf(error: unknown, traceId: string): Problem {
  if (error instanceof A2AError) return ofA2A(error, traceId)
  if (error instanceof Refusal) return problem(error.status, error.code, error.message, traceId, { hint: error.hint })
  if (isUnstorable(error)) return problem(400, 'INVALID_PARAMS', 'something in the request cannot be stored', traceId)
  if (error instanceof StoreError) {
    const [code, detail] =
      error.outcome === 'unknown'
        ? (['OUTCOME_UNKNOWN', 'the store did not say whether it was done'] as const)
        : (['UNAVAILABLE', 'the store cannot do it now'] as const)
    return problem(503, code, detail, traceId, { hint: HINTS[code], headers: { 'Retry-After': '1' } })
  }
  return problem(500, 'INTERNAL', 'internal error', traceId, { hint: HINTS.INTERNAL })
}

function ofA2A({ reason, message, detail }: A2AError, traceId: string): Problem {
  const { http: status } = REASONS[reason]
  const headers: Record<string, string> = {}
  if (status === 401)
    headers['WWW-Authenticate'] =
      `Bearer realm="waypost"${detail.challenge ? `, ${detail.challenge}` : ''}, ApiKey realm="waypost", header="X-API-Key"`
  if (status === 403 && detail.metadata?.scope)
    headers['WWW-Authenticate'] = `Bearer realm="waypost", error="insufficient_scope", scope="${detail.metadata.scope}"`
  if (status === 429 || status === 503) headers['Retry-After'] = String(detail.retryAfterSeconds ?? 1)
  if (status === 405 && detail.metadata?.allow) headers.Allow = detail.metadata.allow
  if (detail.metadata?.acceptEncoding) headers['Accept-Encoding'] = detail.metadata.acceptEncoding
  return problem(status, reason, message, traceId, {
    hint: detail.metadata?.hint ?? HINTS[reason],
    violations: detail.violations,
    headers,
  })
}

export const problemText = ({ headers: _, ...document }: Problem): string => JSON.stringify(document)
export const PROBLEM_TYPE = 'application/problem+json'

/** On Node's response, for what is refused before there is a framework around it. */
export function writeProblem(response: ServerResponse, refused: Problem): void {
  const headers = { ...SAFE_HEADERS, ...refused.headers, 'Content-Type': PROBLEM_TYPE, Connection: 'close' }
  response.writeHead(refused.status, headers)
  response.end(problemText(refused))
}

/** The trace that the request belongs to (W3C), or a new one. */
export function traceIdOf(request: IncomingMessage): string {
  const given = request.headers.traceparent
  const found =
    typeof given === 'string' ? /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(given)?.[1] : undefined
  return found && !/^0+$/.test(found) ? found : randomBytes(16).toString('hex')
}
