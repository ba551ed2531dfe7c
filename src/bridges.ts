/** Builds the bridges to other protocols and introduces them to the rest. */
import type { Parties, Queue } from './assembly.ts'
import type { Ground } from './ground.ts'
import { createAccess } from './http/face.ts'
import { type McpFace, mcpRoutes } from './http/mcp/route.ts'
import type { Execute } from './ports.ts'
import { derivedKey } from './secrets.ts'
import { VERSION } from './version.ts'

/** MCP hosts become clients and agents of this gateway. */
export function buildMcp(
  ground: Ground,
  { agents, authenticate, noteDenial }: Parties,
  queue: Queue,
  execute: Execute,
): McpFace {
  const { db, clock, signals, limits, url, secrets, draining } = ground
  // What an MCP server offers is its card: looked at anew when it says so, and only then.
  signals.on('agent.toolsChanged', async ({ tenant, agent: name }) => {
    const agent = await agents.find(tenant, name).catch(() => undefined)
    if (agent) await agents.probe(agent, draining.signal).catch(() => {})
  })
  return mcpRoutes({
    ...{ db, clock, signals, limits, agents, execute },
    access: createAccess(authenticate, noteDenial),
    mailbox: queue.mailbox,
    follow: queue.hub.follow,
    publicUrl: url,
    pageKey: derivedKey(secrets.masterKey, 'page tokens'),
    draining: draining.signal,
    version: VERSION,
  })
}
