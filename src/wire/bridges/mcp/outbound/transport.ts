/** What a connection runs over: the pipes of a child, or HTTP through the egress. */
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import type { Limits } from '../../../../limits.ts'
import type { Egress } from '../../../../platform/egress.ts'
import type { AgentTarget, McpServerTarget } from '../../../../ports.ts'
import { type CallStreams, egressFetch } from './egressFetch.ts'

export interface TransportTools {
  readonly egress: Egress
  readonly limits: Limits
  /** Variables of our own environment, by name. */
  readonly environment: (names: readonly string[]) => Record<string, string>
  readonly streams: CallStreams
}

const STDERR_CHARS_MAX = 8_192

/** `lastWords`: the last of what a child wrote to its stderr; bounded. */
export function transportTo(
  target: AgentTarget,
  mcp: McpServerTarget,
  { egress, limits, environment, streams }: TransportTools,
) {
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
