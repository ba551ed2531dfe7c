/** An agent's refusal, in whatever binding it was said, as one error with the name that A2A gives it (a2a-cli §11.4). */
import { REASONS } from '../a2a/errors.ts'
import { fromReason, type ReasonFacts } from './client.ts'
import { CliError } from './errors.ts'

interface WireError {
  readonly code?: number
  readonly message?: string
  readonly status?: string
  readonly data?: unknown
  readonly details?: unknown
}

export function rpcResult(json: unknown, hadKey: boolean): unknown {
  const { error, result } = (json ?? {}) as { error?: WireError; result?: unknown }
  if (error) throw wireError(error, 200, hadKey)
  if (result === undefined) throw notA2A('the agent', 'a JSON-RPC answer without result and error')
  return result
}

/** An answer that is no success: a JSON-RPC error, an AIP-193 error, a problem document, or nothing of these. */
export function refusal(status: number, json: unknown, hadKey: boolean): CliError {
  const { error, code, detail, hint } = (json ?? {}) as {
    error?: WireError
    code?: string
    detail?: string
    hint?: string
  }
  if (error && typeof error === 'object') return wireError(error, status, hadKey)
  if (typeof code === 'string') return fromReason(code, detail ?? `HTTP ${status}`, { hint, status, hadKey })
  const reason = status === 401 ? 'UNAUTHENTICATED' : status === 403 ? 'PERMISSION_DENIED' : undefined
  if (reason) return fromReason(reason, `HTTP ${status}`, { status, hadKey })
  return notA2A('the agent', `HTTP ${status}`, status)
}

function wireError(error: WireError, status: number, hadKey: boolean): CliError {
  const details = [error.data, error.details].find(Array.isArray) as readonly { reason?: string }[] | undefined
  const reason =
    details?.find((detail) => typeof detail?.reason === 'string')?.reason ??
    reasonOfCode(error.code) ??
    byStatus(status)
  const violations = details?.flatMap((detail) => (detail as { fieldViolations?: Violation[] }).fieldViolations ?? [])
  const told = (violations ?? []).map(({ field, description }) => `${field}: ${description}`)
  const message = [error.message ?? `HTTP ${status}`, ...told].join('; ')
  return refusalBy(reason, message, { a2aCode: error.code ?? status, status, hadKey })
}

/** The error of this reason, by whatever binding it was told. */
export function refusalBy(reason: string, message: string, facts: ReasonFacts): CliError {
  const generic = GENERIC[reason]
  if (!generic) return fromReason(reason, message, facts)
  const hint = 'see what was exchanged: repeat the command with --debug'
  return new CliError(generic, message, { hint, a2aCode: facts.a2aCode })
}

/** What A2A names besides its own errors (A2A §9.5): the same in every binding. */
const GENERIC: Readonly<Record<string, string>> = {
  JSON_PARSE: 'JSONParseError',
  INVALID_REQUEST: 'InvalidRequestError',
  METHOD_NOT_FOUND: 'MethodNotFoundError',
  INVALID_PARAMS: 'InvalidParamsError',
  INTERNAL: 'InternalError',
}

interface Violation {
  readonly field: string
  readonly description: string
}

const INTERNAL_ERROR = -32603

/** The protocol's own codes are one to one; the generic JSON-RPC codes are shared, and the first row is the general one. */
function reasonOfCode(code: number | undefined): string | undefined {
  if (code === undefined || code === -32000) return undefined
  if (code === INTERNAL_ERROR) return 'INTERNAL'
  return Object.entries(REASONS).find(([, row]) => row.jsonRpc === code)?.[0]
}

const byStatus = (status: number): string =>
  ({
    400: 'INVALID_PARAMS',
    401: 'UNAUTHENTICATED',
    403: 'PERMISSION_DENIED',
    404: 'TASK_NOT_FOUND',
    503: 'UNAVAILABLE',
  })[status] ?? 'INTERNAL'

export const notA2A = (who: string, what: string, a2aCode?: number): CliError =>
  new CliError('InvalidAgentResponseError', `${who} did not answer in A2A: ${what}`, {
    hint: 'see what it said: repeat the command with --debug',
    a2aCode,
  })
