/**
 * The tools of `waypost mcp`: each call is one request to the gateway's /mcp. Nothing is kept here, so a host may be
 * started, killed and started again. A call that can be repeated without harm is, while the gateway restarts.
 */
import { uuidv7 } from '../platform/ids.ts'
import { type ToolName, toolForm, WAIT_SECONDS_MAX } from '../wire/bridges/mcp/catalogue.ts'
import type { ReadResource, RunTool, ToolAnswer, Turn } from '../wire/bridges/mcp/server.ts'
import { readJson } from './client.ts'
import { CliError } from './errors.ts'
import { readEvents } from './eventStream.ts'
import type { Invocation } from './invocation.ts'
import type { McpIdentity } from './mcpIdentity.ts'

export interface Relay {
  readonly runTool: RunTool
  readonly readResource: ReadResource
}

/** How long a gateway that was there is waited for, and one that was not; hosts cut a call at about 60 s. */
const PATIENCE_MS = 25_000
const FIRST_PATIENCE_MS = 3_000
const AGAIN_FIRST_MS = 250
const AGAIN_LONGEST_MS = 2_000

interface RpcAnswer {
  readonly result?: {
    readonly structuredContent?: Record<string, unknown>
    readonly content?: readonly { readonly text?: string }[]
    readonly contents?: readonly { readonly text?: string }[]
    readonly isError?: boolean
  }
  readonly error?: { readonly code: number; readonly message: string }
}

export function createRelay(call: Invocation, identity: McpIdentity): Relay {
  const { clock } = call
  let wasThere = false
  const ask = async (method: string, params: Record<string, unknown>, turn: Turn, repeatable: boolean) => {
    const began = clock.elapsed()
    const patience = { turn, repeatable, clock, ms: wasThere ? PATIENCE_MS : FIRST_PATIENCE_MS }
    const again = () => askOnce(method, withinLimit(params, clock.elapsed() - began), turn, { call, identity })
    const answer = await patiently(again, patience)
    wasThere = true
    return answer
  }
  return {
    async runTool(name, input, turn) {
      try {
        const args = withKey(name, input as Record<string, unknown>)
        return toAnswer(await ask('tools/call', { name, arguments: args }, turn, isRepeatable(name)))
      } catch (error) {
        return failure(error)
      }
    },
    async readResource(uri, turn) {
      const { result, error } = await ask('resources/read', { uri }, turn, true)
      if (error) throw new Error(error.message)
      return result?.contents?.[0]?.text
    },
  }
}

/** Whether the same call again does no more than once. */
function isRepeatable(name: ToolName): boolean {
  const { annotations = {} } = toolForm(name)
  return (
    name === 'delegate_task' || name === 'take_task' || Boolean(annotations.readOnlyHint ?? annotations.idempotentHint)
  )
}

/** With a key the gateway makes one task of it, however often it is asked. */
const withKey = (name: ToolName, input: Record<string, unknown>) =>
  name === 'delegate_task' && input.key === undefined ? { ...input, key: uuidv7() } : input

/** What a repeated call may still wait, so that all of them together are no longer than one. */
function withinLimit(params: Record<string, unknown>, elapsedMs: number): Record<string, unknown> {
  const given = params.arguments as { wait?: number } | undefined
  if (given?.wait === undefined) return params
  const wait = Math.max(0, Math.min(given.wait, WAIT_SECONDS_MAX - Math.ceil(elapsedMs / 1_000)))
  return { ...params, arguments: { ...given, wait } }
}

interface Patience {
  readonly ms: number
  readonly turn: Turn
  readonly repeatable: boolean
  readonly clock: Invocation['clock']
}

async function patiently(ask: () => Promise<RpcAnswer>, { turn, repeatable, clock, ms }: Patience): Promise<RpcAnswer> {
  const until = clock.elapsed() + ms
  for (let waitMs = AGAIN_FIRST_MS; ; waitMs = Math.min(waitMs * 2, AGAIN_LONGEST_MS)) {
    try {
      return await ask()
    } catch (error) {
      const again = !turn.signal.aborted && clock.elapsed() < until && mayAskAgain(error, repeatable)
      if (!again) throw error
      await clock.sleep(waitMs, turn.signal)
    }
  }
}

/** Who refused the connection has seen nothing of the call. */
function mayAskAgain(error: unknown, repeatable: boolean): boolean {
  if (!(error instanceof CliError)) return false
  if (error.code === 'A2ACLI_ERR_UNREACHABLE') return repeatable || /ECONNREFUSED|ENOTFOUND/.test(error.message)
  return error.code === BROKEN && repeatable
}

const BROKEN = 'A2ACLI_ERR_TIMEOUT'

interface Asking {
  readonly call: Invocation
  readonly identity: McpIdentity
}

async function askOnce(
  method: string,
  params: Record<string, unknown>,
  turn: Turn,
  asking: Asking,
): Promise<RpcAnswer> {
  const { identity } = asking
  const token = await identity.token()
  const first = await post(method, params, turn, { ...asking, token })
  if (first.status !== 401) return readAnswer(first, turn)
  // Removed, or another database: registered anew, with a new token.
  identity.forget(token)
  return readAnswer(await post(method, params, turn, { ...asking, token: await identity.token() }), turn)
}

function post(
  method: string,
  params: Record<string, unknown>,
  { signal, progress }: Turn,
  { call, token }: Asking & { token: string },
): Promise<Response> {
  const body = {
    jsonrpc: '2.0',
    id: 1,
    method,
    params: { ...params, ...(progress && { _meta: { progressToken: 1 } }) },
  }
  return call.http(`${call.gateway.url}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
    },
    body: JSON.stringify(body),
    signal,
  })
}

async function readAnswer(response: Response, turn: Turn): Promise<RpcAnswer> {
  const type = response.headers.get('content-type') ?? ''
  if (!response.ok) throw await refused(response)
  if (!type.startsWith('text/event-stream')) return ((await readJson(response)) ?? {}) as RpcAnswer
  try {
    for await (const { data } of readEvents(response)) {
      if (data === '') continue
      const message = JSON.parse(data) as RpcAnswer & { params?: { progress: number; message?: string } }
      if (message.result || message.error) return message
      if (message.params) await turn.progress?.(message.params.progress, message.params.message ?? '')
    }
  } catch (error) {
    if (turn.signal.aborted) throw error
  }
  throw new CliError(BROKEN, 'the gateway broke off before it had answered', { hint: 'call again' })
}

async function refused(response: Response): Promise<CliError> {
  const { detail, hint, code } = ((await readJson(response)) ?? {}) as { detail?: string; hint?: string; code?: string }
  const message = `the gateway refuses: ${detail ?? code ?? `HTTP ${response.status}`}`
  const passing = response.status === 429 || response.status === 503
  return new CliError(passing ? 'A2ACLI_ERR_UNREACHABLE' : 'A2ACLI_ERR_CREDENTIALS_MISSING', message, {
    ...(hint !== undefined && { hint }),
  })
}

function toAnswer({ result, error }: RpcAnswer): ToolAnswer {
  if (error || !result) {
    return {
      result: { error: 'INVALID_REQUEST', message: error?.message ?? 'the gateway gave no result' },
      isError: true,
    }
  }
  const structured = result.structuredContent ?? jsonOf(result.content?.[0]?.text ?? '')
  return { result: structured, ...(result.isError && { isError: true }) }
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return { message: text }
  }
}

function failure(error: unknown): ToolAnswer {
  if (!(error instanceof CliError)) throw error
  const { code, message, hint } = error
  return {
    result: { error: code.replace(/^A2ACLI_ERR_/, 'GATEWAY_'), message, ...(hint !== undefined && { next: hint }) },
    isError: true,
  }
}
