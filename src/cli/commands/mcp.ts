/** `mcp`: an MCP server on stdio, started by a coding host. stdout belongs to the protocol. */
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio'
import { VERSION } from '../../version.ts'
import { createMcpServer } from '../../wire/bridges/mcp/server.ts'
import type { Invocation, Run } from '../invocation.ts'
import { type McpIdentity, mcpIdentity } from '../mcpIdentity.ts'
import { createRelay } from '../mcpRelay.ts'

/** Clients start a second process to see what it speaks, and kill it: that one must not register and take the token with it. */
const PROBED_MS = 1_000

/** Found by others from the start on, not only when the first tool is called; if that fails, the first call tries again. */
async function appear(call: Invocation, identity: McpIdentity): Promise<void> {
  await call.clock.sleep(PROBED_MS, call.signal)
  await identity.token().catch((error: Error) => call.out.note(`note: ${error.message}`))
}

export const mcp: Run = async (call) => {
  const identity = mcpIdentity(call)
  const relay = createRelay(call, identity)
  void appear(call, identity)
  const ended = new Promise<void>((resolve) => {
    process.stdin.once('close', resolve)
    process.stdin.once('end', resolve)
    call.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const profile = call.has('send-only') ? 'send' : 'all'
  const server = serveStdio(() => createMcpServer({ version: VERSION, profile, ...relay }), {
    transport: new StdioServerTransport(),
    onerror: (error) => call.out.debug(error.message),
  })
  await ended
  await server.close()
  return 0
}
