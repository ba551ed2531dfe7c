/** What went wrong with a call to another host, as a value. */

export interface EgressFailure {
  /**
   * `unreachable`: dial, DNS or TLS, or not HTTP/2 where that was asked for. `blocked`: the guard, or a request that cannot be put on the wire. `reset`: the
   * connection ended too early or does not speak HTTP. `aborted`: the caller's signal.
   */
  readonly kind: 'unreachable' | 'blocked' | 'timeout' | 'reset' | 'aborted' | 'too-large'
  /** False: not one byte of the request has left. */
  readonly sent: boolean
  readonly reason: string
}

/** The guard's no, on its way through the connector. */
export class Refused extends Error {
  override readonly name = 'Refused'
}

/** The request had left, and the other side has provably not looked at it. */
export class Unprocessed extends Error {
  override readonly name = 'Unprocessed'
}

/** The proxy, or the way to it, has said no: nothing has reached the host. */
export class Untunneled extends Error {
  override readonly name = 'Untunneled'
}

/** Why an exchange is given up whose reader has heard enough: what ends by itself in a moment may do so. */
export const LEFT = new Error('left')

/** For people: a cause, no address. */
const CAUSES: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name does not resolve now',
  UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
  ETIMEDOUT: 'connecting took too long',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ECONNRESET: 'connection reset',
  UND_ERR_SOCKET: 'connection closed',
  EPIPE: 'connection closed',
  ERR_HTTP2_STREAM_ERROR: 'the stream was reset',
  ERR_NO_HTTP2: 'the other side does not speak HTTP/2',
}

const isTls = (code: string): boolean =>
  /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH|ISSUER/.test(code)

export function failureOf(error: unknown, sent: boolean): EgressFailure {
  if (error instanceof Refused) return { kind: 'blocked', sent: false, reason: error.message }
  if (error instanceof Untunneled) return { kind: 'unreachable', sent: false, reason: error.message }
  if (error instanceof Unprocessed) return { kind: 'reset', sent: false, reason: error.message }
  const code = String((error as NodeJS.ErrnoException | undefined)?.code ?? '')
  if (code === 'UND_ERR_INVALID_ARG') return { kind: 'blocked', sent: false, reason: 'the request is not valid HTTP' }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED')
    return { kind: 'aborted', sent, reason: 'shutting down' }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return { kind: 'too-large', sent, reason: 'the headers are too large' }
  if (code.startsWith('HPE_')) return { kind: 'reset', sent, reason: 'the answer is not HTTP' }
  return { kind: sent ? 'reset' : 'unreachable', sent, reason: causeOf(error) }
}

/** What broke a connection, for people. */
export function causeOf(error: unknown): string {
  const code = String((error as NodeJS.ErrnoException | undefined)?.code ?? '')
  return CAUSES[code] ?? (isTls(code) ? `TLS: ${code}` : code === '' ? 'connection failed' : code)
}
