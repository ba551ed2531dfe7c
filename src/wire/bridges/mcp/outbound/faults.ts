/** What the library, the egress or a server say when something goes wrong, as verdicts. */
import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client'
import type { Verdict } from '../../../../delivery.ts'
import { EgressError } from './egressFetch.ts'
import { Pausing } from './sessions.ts'

const refused = (
  code: Extract<Verdict, { kind: 'refused' }>['code'],
  reason: string,
  retry: boolean,
  retryAfterMs?: number,
): Verdict => ({ kind: 'refused', code, reason, retry, ...(retryAfterMs !== undefined && { retryAfterMs }) })

export const STOPPED = refused('STOPPED', 'stopped', true)

const REASON_CHARS_MAX = 300
const wordsOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, REASON_CHARS_MAX)

/** The library wraps what its transport threw. */
function egressIn(error: unknown): EgressError | undefined {
  for (let cause = error, depth = 0; cause !== undefined && depth < 5; depth++) {
    if (cause instanceof EgressError) return cause
    cause = (cause as { cause?: unknown }).cause
  }
  return undefined
}

/** The server could not be asked at all: nothing has been called. */
export function unreached(error: unknown): Verdict {
  if (error instanceof Pausing)
    return refused('UNREACHABLE', `the MCP server is not up: ${error.message}`, true, Math.ceil(error.waitMs))
  const { failure } = egressIn(error) ?? {}
  if (failure?.kind === 'blocked') return refused('EGRESS_BLOCKED', failure.reason, false)
  if (failure?.kind === 'aborted') return STOPPED
  if (error instanceof SdkHttpError) return byStatus(error.status, wordsOf(error))
  return refused('UNREACHABLE', `the MCP server does not answer: ${failure?.reason ?? wordsOf(error)}`, true)
}

function byStatus(status: number, words: string): Verdict {
  if (status === 401 || status === 403)
    return refused('UPSTREAM_AUTH', `the MCP server does not take our credentials (HTTP ${status})`, true)
  if (status === 429 || status === 503) return refused('BUSY', `the MCP server is busy (HTTP ${status})`, true)
  return refused('UNREACHABLE', `the MCP server answers HTTP ${status}: ${words}`, true)
}

export type CallFault =
  /** It has not seen the call, or has refused it: the verdict stands whatever the tool is. */
  | { kind: 'verdict'; verdict: Verdict }
  /** It has said that the call failed. */
  | { kind: 'failed'; words: string }
  /** The tool may have run. */
  | { kind: 'unknown'; words: string }

const INVALID_PARAMS = -32602
const METHOD_NOT_FOUND = -32601

/** What became of a call that broke off. */
export function callFault(error: unknown): CallFault {
  if (error instanceof ProtocolError) {
    const known = error.code === INVALID_PARAMS || error.code === METHOD_NOT_FOUND
    return known
      ? { kind: 'verdict', verdict: refused('REJECTED', `the MCP server refuses the call: ${wordsOf(error)}`, false) }
      : { kind: 'failed', words: wordsOf(error) }
  }
  const { failure } = egressIn(error) ?? {}
  if (failure && !failure.sent) return { kind: 'verdict', verdict: unreached(error) }
  if (error instanceof SdkHttpError && error.status < 500) return { kind: 'verdict', verdict: unreached(error) }
  if (error instanceof SdkError) {
    if (error.code === SdkErrorCode.NotConnected) return { kind: 'verdict', verdict: unreached(error) }
    if (error.code === SdkErrorCode.InvalidResult) return { kind: 'failed', words: wordsOf(error) }
  }
  return { kind: 'unknown', words: failure?.reason ?? wordsOf(error) }
}
