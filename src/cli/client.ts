/**
 * The command line's only HTTP client: one function for any request, and the gateway's management surface on top.
 * Node's own fetch is right here, on the user's machine and in the user's name; the guarded egress is the gateway's.
 */
import { REASONS } from '../a2a/errors.ts'
import type { Clock } from '../platform/clock.ts'
import { CliError } from './errors.ts'
import type { Output } from './output.ts'

export interface HttpRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal | undefined
  /** Until the answer's head is there; streams go on for as long as they like. */
  readonly timeoutMs?: number | undefined
}

/** Sends a request. A failure to reach anybody is an UNREACHABLE with the cause in words. */
export type Http = (url: string, request?: HttpRequest) => Promise<Response>

const SECRET_HEADERS = new Set(['authorization', 'x-api-key', 'cookie', 'set-cookie'])

const shown = (headers: Iterable<readonly [string, string]>, secrets: ReadonlySet<string>) =>
  [...headers]
    .map(([name, value]) => `${name}: ${SECRET_HEADERS.has(name.toLowerCase()) || secrets.has(name) ? '****' : value}`)
    .join(', ')

export interface HttpSettings {
  readonly out: Output
  /** Header names that carry a secret besides the usual ones. */
  readonly secretHeaders?: readonly string[]
  readonly fetch?: typeof fetch
  readonly clock: Pick<Clock, 'now'>
}

/** With --debug every request and every answer is told as it goes over the wire, without its secrets. */
export function createHttp({ out, secretHeaders = [], fetch: send = fetch, clock }: HttpSettings): Http {
  const secrets = new Set(secretHeaders)
  const tellAnswer = async (url: string, response: Response, startedAt: number) => {
    out.debug(
      `< ${response.status} ${url} after ${clock.now().getTime() - startedAt} ms (${shown(response.headers, secrets)})`,
    )
    const type = response.headers.get('content-type') ?? ''
    // A stream is told event by event, where it is read.
    if (!type.startsWith('text/event-stream') && response.body) out.debug(`< ${await response.clone().text()}`)
  }
  return async (url, { method = 'GET', headers = {}, body, signal, timeoutMs } = {}) => {
    out.debug(`> ${method} ${url} (${shown(Object.entries(headers), secrets)})${body ? ` ${body}` : ''}`)
    const startedAt = clock.now().getTime()
    const headTimeout = new AbortController()
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => headTimeout.abort(), timeoutMs)
    const signals = [headTimeout.signal, ...(signal ? [signal] : [])]
    try {
      const response = await send(url, {
        method,
        headers,
        redirect: 'manual',
        signal: AbortSignal.any(signals),
        ...(body !== undefined && { body }),
      })
      if (out.debugging) await tellAnswer(url, response, startedAt)
      return response
    } catch (error) {
      if (headTimeout.signal.aborted) {
        throw new CliError('A2ACLI_ERR_TIMEOUT', `no answer from ${url} within ${timeoutMs} ms`, {
          hint: 'give it longer: --timeout 2m',
        })
      }
      if (signal?.aborted) throw error
      throw unreachable(url, error)
    } finally {
      clearTimeout(timer)
    }
  }
}

function unreachable(url: string, error: unknown): CliError {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause
  const reason = cause?.code ?? cause?.message ?? (error as Error).message
  const { origin } = new URL(url)
  return new CliError('A2ACLI_ERR_UNREACHABLE', `nobody answers at ${origin} (${reason})`, {
    hint: 'is it running? check the address with: waypost card get -a <address>, and the gateway with: waypost status',
  })
}

/** A body that should be JSON; undefined when it is not. */
export async function readJson(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export const withQuery = (url: string, query: Query = {}): string => {
  const params = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`],
  )
  return params.length === 0 ? url : `${url}${url.includes('?') ? '&' : '?'}${params.join('&')}`
}

/** The gateway's management routes; every answer that is not a success is thrown as its code, message and hint. */
export interface Gateway {
  readonly url: string
  readonly key: string | undefined
  get(path: string, query?: Query): Promise<unknown>
  send(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<unknown>
  /** The bare answer, whatever its status. */
  raw(path: string): Promise<Response>
}

export interface GatewaySettings {
  readonly url: string
  readonly key?: string | undefined
  /** An operator's: to act in this tenant instead of his own. */
  readonly tenant?: string | undefined
  readonly http: Http
  readonly signal?: AbortSignal
  readonly timeoutMs?: number | undefined
}

/** A management route answers from its own books; longer than this it is not well. */
const MANAGEMENT_TIMEOUT_MS = 30_000

export function createGateway(settings: GatewaySettings): Gateway {
  const { url, key, tenant, http, signal, timeoutMs = MANAGEMENT_TIMEOUT_MS } = settings
  const ask = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const headers = {
      accept: 'application/json',
      ...(key && { authorization: `Bearer ${key}` }),
      ...(tenant !== undefined && { 'x-waypost-tenant': tenant }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const request = { method, headers, signal, timeoutMs, ...(body !== undefined && { body: JSON.stringify(body) }) }
    try {
      return await http(`${url}${path}`, request)
    } catch (error) {
      if (!(error instanceof CliError) || error.code !== 'A2ACLI_ERR_UNREACHABLE') throw error
      throw new CliError('A2ACLI_ERR_UNREACHABLE', error.message.replace('nobody', 'no gateway'), {
        hint: 'start it: waypost serve (or npm start); elsewhere? --gateway URL or WAYPOST_URL',
      })
    }
  }
  const answer = async (response: Response): Promise<unknown> => {
    const json = await readJson(response)
    if (response.ok) return json ?? {}
    throw problem(response.status, json, key !== undefined)
  }
  return {
    url,
    key,
    get: async (path, query) => answer(await ask('GET', withQuery(path, query))),
    send: async (method, path, body) => answer(await ask(method, path, body)),
    raw: (path) => ask('GET', path),
  }
}

interface Problem {
  readonly code?: string
  readonly title?: string
  readonly detail?: string
  readonly hint?: string
  readonly traceId?: string
  readonly violations?: readonly { readonly field: string; readonly description: string }[]
}

const CODE_BY_STATUS: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
}

/** An RFC 9457 problem document as an error of ours. */
export function problem(status: number, json: unknown, hadKey: boolean): CliError {
  const { code, title, detail, hint, traceId, violations = [] } = (json ?? {}) as Problem
  const reason = code ?? CODE_BY_STATUS[status] ?? 'INTERNAL'
  // The first violation is the detail itself.
  const told = violations.slice(1).map(({ field, description }) => `${field}: ${description}`)
  const said = [detail ?? title ?? `HTTP ${status}`, ...told].join('; ')
  const message = status >= 500 && traceId ? `${said} (trace ${traceId})` : said
  return fromReason(reason, message, { hint, status, hadKey })
}

export interface ReasonFacts {
  readonly hint?: string | undefined
  readonly status?: number | undefined
  readonly a2aCode?: string | number | undefined
  readonly hadKey: boolean
}

const KEY_HINT =
  'give a key: --key, WAYPOST_KEY, or run where ./.waypost/admin.key can be read (WAYPOST_DATA names another directory)'

/** The errors that A2A names keep that name (a2a-cli §11.4); what the gateway adds is WAYPOST_ERR_*. */
export function fromReason(reason: string, message: string, facts: ReasonFacts): CliError {
  const a2aCode = facts.a2aCode ?? facts.status
  if (reason === 'UNAUTHENTICATED') {
    const code = facts.hadKey ? 'A2ACLI_ERR_AUTH_FAILED' : 'A2ACLI_ERR_CREDENTIALS_MISSING'
    return new CliError(code, message, { hint: facts.hint ?? KEY_HINT, a2aCode })
  }
  const row = REASONS[reason as keyof typeof REASONS]
  if (row && !('domain' in row)) {
    return new CliError(protocolName(reason), message, { hint: facts.hint ?? PROTOCOL_HINTS[reason], a2aCode })
  }
  const code = reason.startsWith('WAYPOST_ERR_') ? reason : `WAYPOST_ERR_${reason}`
  return new CliError(code, message, { hint: facts.hint ?? `waypost explain ${code}`, a2aCode })
}

/** TASK_NOT_FOUND is what the wire says, TaskNotFoundError what the specification calls it. */
export const protocolName = (reason: string): string =>
  `${reason
    .split('_')
    .map((word) => word[0] + word.slice(1).toLowerCase())
    .join('')}Error`

const PROTOCOL_HINTS: Readonly<Record<string, string>> = {
  TASK_NOT_FOUND: 'list the tasks that this key may see: waypost task list -a <agent>; details with --debug',
  TASK_NOT_CANCELABLE: 'it has already ended; see it: waypost task get <taskId>',
  PUSH_NOTIFICATION_NOT_SUPPORTED: 'follow it instead: waypost task subscribe <taskId>',
  UNSUPPORTED_OPERATION:
    'a task that has ended takes no more messages; start a new one in its context: --context-id; details with --debug',
  CONTENT_TYPE_NOT_SUPPORTED:
    'say what a part is: --media-type text/plain behind it; what the agent takes: waypost card get -o json',
  VERSION_NOT_SUPPORTED: 'register it at the gateway, which translates: waypost agent add <url>',
}
