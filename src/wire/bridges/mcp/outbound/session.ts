/**
 * A connection to one MCP server: a child process and its pipes, or HTTP through the egress; either protocol era. What it
 * knows of a call is the call's; a connection that has ended is never used again.
 */
import { Client, SdkError, SdkErrorCode } from '@modelcontextprotocol/client'
import type { Limits } from '../../../../limits.ts'
import type { AgentTarget, McpServerTarget } from '../../../../ports.ts'
import { type Calls, createCalls } from './calls.ts'
import type { CallResult } from './content.ts'
import { CALL_KEY } from './egressFetch.ts'
import { createOwners, type Owners } from './owner.ts'
import type { Elicitation, ElicitationAnswer } from './question.ts'
import type { Run } from './run.ts'
import { schemaValidator } from './schemas.ts'
import type { ServerFacts, ServerTool } from './tools.ts'
import type { OpenLink } from './transport.ts'

export interface SessionTools {
  readonly limits: Limits
  readonly version: string
  readonly openLink: OpenLink
  /** The server offers other tools than before. */
  readonly toolsChanged: (target: AgentTarget) => void
}

export interface Session {
  facts(signal: AbortSignal): Promise<ServerFacts>
  /** Rejects with what the library or the egress says. */
  call(run: Run, name: string, given: Readonly<Record<string, unknown>>): Promise<CallResult>
  readonly ended: () => boolean
  /** Calls that have begun. */
  readonly running: () => number
  /** The last of what a child wrote to its stderr; bounded. */
  readonly lastWords: () => string
  close(): Promise<void>
  /** Closes it as soon as no call runs. */
  retire(): void
}

/** The library's own time-out must never be the first: ours are the run's. */
const NEVER_MS = 2_147_483_647
const ROUNDS_MAX = 20

export async function openSession(
  target: AgentTarget,
  mcp: McpServerTarget,
  tools: SessionTools,
  onEnd: () => void,
): Promise<Session> {
  const { limits } = tools
  const owners = createOwners<Run>()
  const calls = createCalls()
  let ended = false
  let running = 0
  let retired = false
  const over = () => {
    ended = true
    owners.close()
    onEnd()
  }
  const { client, lastWords } = await connected({ target, mcp, tools, owners, calls, over })
  const closeIfIdle = () => {
    if (retired && running === 0) void client.close().catch(() => {})
  }

  return {
    async facts(signal) {
      const { tools: listed } = await client.listTools(undefined, { signal, timeout: limits.mcpConnectMs })
      const { title, name, version: theirs } = client.getServerVersion() ?? {}
      const instructions = client.getInstructions()
      return { title: title ?? name, version: theirs, instructions, tools: listed as readonly ServerTool[] }
    },
    async call(run, name, given) {
      await owners.enter(run)
      running++
      calls.enter(run)
      try {
        return await rounds(client, run, { name, arguments: { ...given } })
      } finally {
        running--
        calls.end(run)
        owners.leave(run)
        closeIfIdle()
      }
    },
    ended: () => ended,
    running: () => running,
    lastWords,
    close: () => client.close(),
    retire() {
      retired = true
      closeIfIdle()
    },
  }
}

interface Connecting {
  readonly target: AgentTarget
  readonly mcp: McpServerTarget
  readonly tools: SessionTools
  readonly owners: Owners<Run>
  readonly calls: Calls
  /** It has ended. */
  readonly over: () => void
}

/** Rejects when the server cannot be spoken to. */
async function connected(how: Connecting, negotiates = true): Promise<{ client: Client; lastWords: () => string }> {
  const { target, mcp, tools, owners, calls, over } = how
  const client = newClient(target, tools, negotiates)
  const { transport, lastWords, asksInPlace = false } = tools.openLink(target, mcp, calls)
  client.setRequestHandler('elicitation/create', async ({ params }, { mcpReq }) => {
    const run = calls.whoAsked(String(mcpReq.id)) ?? (await owners.ask())
    if (!run) return { action: 'cancel' }
    const answer = await run.ask(params as Elicitation)
    owners.resume(run)
    return { ...answer }
  })
  let onClose = asksInPlace && negotiates ? () => {} : over
  client.onclose = () => onClose()
  try {
    await client.connect(transport, { timeout: tools.limits.mcpConnectMs })
  } catch (error) {
    await client.close().catch(() => {})
    const endedAtOurs = error instanceof SdkError && error.code === SdkErrorCode.EraNegotiationFailed
    if (!negotiates || !asksInPlace || !endedAtOurs) throw error
    return connected(how, false)
  }
  if (!client.transport) throw new Error('it has ended')
  onClose = over
  return { client, lastWords }
}

function newClient(target: AgentTarget, { limits, version, toolsChanged }: SessionTools, negotiates: boolean): Client {
  return new Client(
    { name: 'waypost', version },
    {
      capabilities: { elicitation: { form: {}, url: {} } },
      ...(negotiates && { versionNegotiation: { mode: 'auto' as const, probe: { timeoutMs: limits.mcpProbeMs } } }),
      inputRequired: { autoFulfill: false },
      jsonSchemaValidator: schemaValidator as never,
      listChanged: { tools: { autoRefresh: false, onChanged: () => toolsChanged(target) } },
    },
  )
}

/** In the newer protocol a tool that asks answers with its question, and is called again with the answer. */
async function rounds(client: Client, run: Run, call: object): Promise<CallResult> {
  let more: object = {}
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const request = { ...call, _meta: { [CALL_KEY]: run.ids.taskId }, ...more }
    const result = (await client.callTool(request as never, {
      timeout: NEVER_MS,
      signal: run.stop.signal,
      allowInputRequired: true,
      onprogress: ({ message, progress, total }) => run.progress(message, progress, total),
    })) as CallResult & InputRequired
    if (result.resultType !== 'input_required') return result
    more = await answersTo(result, run)
  }
  throw new Error(`the tool asked more than ${ROUNDS_MAX} times`)
}

interface InputRequired {
  readonly resultType?: string
  readonly inputRequests?: Readonly<Record<string, { readonly method: string; readonly params?: unknown }>>
  readonly requestState?: string
}

/** One question after the other; what is no question to a person (sampling, roots) is not answered. */
async function answersTo({ inputRequests = {}, requestState }: InputRequired, run: Run): Promise<object> {
  const inputResponses: Record<string, ElicitationAnswer> = {}
  for (const [key, { method, params }] of Object.entries(inputRequests)) {
    if (method !== 'elicitation/create') throw new Error(`the tool asks for ${method}, which is not offered`)
    inputResponses[key] = await run.ask(params as Elicitation)
  }
  return { inputResponses, ...(requestState !== undefined && { requestState }) }
}
