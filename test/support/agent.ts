/**
 * A scripted upstream agent for everybody's tests: a real server on 127.0.0.1, no SDK. Speaks 1.0 JSON-RPC (`/rpc`),
 * 1.0 HTTP+JSON (`/rest`) and 0.3 JSON-RPC (`/rpc` too, told apart by the method's name).
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StreamResponse } from '../../src/a2a/events.ts'
import type { Json } from './agentDialects.ts'
import type { Wire } from './agentScripts.ts'
import { serve } from './agentServer.ts'
import { createAgentTasks, type Execution, type Ran } from './agentTasks.ts'
import { createLog, type Log } from './log.ts'

export interface AgentOptions {
  readonly name?: string
  /** In the card's order of preference. */
  readonly interfaces?: readonly ('1.0 JSONRPC' | '1.0 HTTP+JSON' | '0.3 JSONRPC' | '0.2 JSONRPC')[]
  /** Declared in the card; when false the streaming methods answer -32004. */
  readonly streaming?: boolean
  readonly dedupe?: boolean
  /** The exact Authorization header that it demands; anything else: 401. */
  readonly authorization?: string
  /** Does the work before it answers, whatever the caller asked. */
  readonly alwaysBlocks?: boolean
  /** Posts events to the push URL of the request. */
  readonly push?: boolean
  /** 0: any free port, kept over restarts. */
  readonly port?: number
  /** What the connection of this request does, whatever its message says. */
  readonly meddle?: () => Wire | undefined
  /** Changes the card before it is served. */
  readonly card?: (card: Json) => unknown
}

/** One request as the agent received it. */
export interface Received {
  readonly method: string
  readonly path: string
  /** When it had come, by this process's monotonic clock. */
  readonly at: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** The operation's 1.0 name, or 'card', or '' when not understood. */
  readonly operation: string
  readonly messageId?: string
  readonly text?: string
}

export interface ScriptedAgent {
  /** Base address, ends with '/'. */
  readonly url: string
  readonly log: Log<Received>
  /** How often a message was executed: the ground truth of "never silently doubled". */
  executionsOf(messageId: string): number
  /** All executions, in their order. */
  readonly runs: readonly Ran[]
  readonly executions: ReadonlyMap<string, Execution>
  /** Lets `delay` scripts of this message, or all now and later, go on. */
  release(messageId?: string): void
  /** Cuts all open connections; the executions go on. */
  cutAll(): void
  start(): Promise<void>
  /** Nobody listens on the port any more; open connections are cut. Executions go on and tasks are kept. */
  stop(): Promise<void>
  /** The same port again; `forget` loses all tasks, as agents with a memory store do. */
  restart(options?: { forget?: boolean }): Promise<void>
}

/** Started and ready. */
export async function startAgent(options: AgentOptions = {}): Promise<ScriptedAgent> {
  const agent = createAgent(options)
  await agent.start()
  return agent
}

export function createAgent(options: AgentOptions = {}): ScriptedAgent {
  const log = createLog<Received>()
  const tasks = createAgentTasks({ dedupe: options.dedupe ?? false, ...(options.push && { onEvent: pushEvent }) })
  let server: Server | undefined
  let port = options.port ?? 0
  const url = () => `http://127.0.0.1:${port}/`
  const stop = async () => {
    const open = server
    server = undefined
    if (!open) return
    open.closeAllConnections()
    await new Promise((resolve) => open.close(resolve))
  }
  const start = async () => {
    const next = createServer((request, response) => {
      void serve({ options, tasks, request, response, log, url }).catch(() => response.destroy())
    })
    await new Promise<void>((resolve, reject) => {
      next.once('error', reject)
      next.listen(port, '127.0.0.1', resolve)
    })
    port = (next.address() as AddressInfo).port
    server = next
  }
  return {
    get url() {
      return url()
    },
    log,
    executionsOf: tasks.countOf,
    runs: tasks.runs,
    executions: tasks.executions,
    release: tasks.release,
    cutAll: () => server?.closeAllConnections(),
    start,
    stop,
    async restart({ forget = false } = {}) {
      await stop()
      if (forget) tasks.clear()
      await start()
    },
  }
}

/** Best effort, as the official SDKs push: no retry. */
function pushEvent(execution: Execution, event: StreamResponse) {
  if (!execution.push) return
  const headers = {
    'content-type': 'application/a2a+json',
    ...(execution.push.token && { 'x-a2a-notification-token': execution.push.token }),
  }
  void fetch(execution.push.url, { method: 'POST', headers, body: JSON.stringify(event) }).catch(() => undefined)
}
