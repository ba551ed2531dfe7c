/** What a connection runs over: the pipes of a child, or HTTP through the egress. */
import { StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client'
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import type { Limits } from '../../../../limits.ts'
import type { Egress } from '../../../../platform/egress.ts'
import type { AgentTarget, McpServerTarget } from '../../../../ports.ts'
import { type CallStreams, egressFetch } from './egressFetch.ts'

export interface Link {
  readonly transport: Transport
  /** The last of what a child wrote to its stderr; bounded. */
  readonly lastWords: () => string
  /**
   * Whether it knows the newer protocol is asked on the connection itself. A server that ends at what it does not know is
   * started once more, and spoken to in the older one.
   */
  readonly asksInPlace?: boolean
}
/** Opens nothing yet: the library does, with the first word. */
export type OpenLink = (target: AgentTarget, mcp: McpServerTarget, streams: CallStreams) => Link

export interface LinkTools {
  readonly egress: Egress
  readonly limits: Limits
  /** Variables of our own environment, by name. */
  readonly environment: (names: readonly string[]) => Record<string, string>
}

const STDERR_CHARS_MAX = 8_192

export const linksThrough =
  ({ egress, limits, environment }: LinkTools): OpenLink =>
  (target, mcp, streams) => {
    const [command, ...args] = mcp.command ?? []
    if (command === undefined) {
      const options = {
        fetch: egressFetch(egress, limits, streams) as never,
        requestInit: { headers: { ...target.headers } },
        reconnectionOptions: RECONNECTS,
      }
      return { transport: new StreamableHTTPClientTransport(new URL(target.url), options), lastWords: () => '' }
    }
    const transport = new StdioClientTransport({
      command,
      args,
      env: { ...getDefaultEnvironment(), ...environment(mcp.env) },
      stderr: 'pipe',
      maxBufferSize: limits.agentReplyBytesMax,
    })
    let said = ''
    transport.stderr?.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString('utf8')}`.slice(-STDERR_CHARS_MAX)
    })
    return { transport, lastWords: () => said }
  }

/** A stream that broke is taken up again a few times; then the call is over. */
const RECONNECTS = {
  initialReconnectionDelay: 500,
  maxReconnectionDelay: 5_000,
  reconnectionDelayGrowFactor: 2,
  maxRetries: 3,
}
