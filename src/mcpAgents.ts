/** MCP servers that stand as agents, in front of whoever speaks with A2A agents. Loaded by the first agent of that kind. */
import { environment } from './config.ts'
import type { Ground } from './ground.ts'
import type { Egress } from './platform/egress.ts'
import type { Service } from './platform/service.ts'
import type { AgentTarget, CheckMessage, FetchCard, Peer } from './ports.ts'
import { readTotals } from './store/queues.ts'
import { VERSION } from './version.ts'
import type { McpPeer } from './wire/bridges/mcp/outbound/peer.ts'

export interface McpAgents extends Service {
  readonly peer: Peer
  readonly fetchCard: FetchCard
  readonly check: CheckMessage
}

export function buildMcpAgents(
  { db, clock, limits, signals }: Ground,
  { egress, peer, fetchCard }: { egress: Egress; peer: Peer; fetchCard: FetchCard },
): McpAgents {
  let loading: Promise<McpPeer> | undefined
  async function load(): Promise<McpPeer> {
    const [{ createMcpPeer }, { linksThrough }] = await Promise.all([
      import('./wire/bridges/mcp/outbound/peer.ts'),
      import('./wire/bridges/mcp/outbound/transport.ts'),
    ])
    return createMcpPeer({
      ...{ clock, limits },
      openLink: linksThrough({ egress, limits, environment }),
      version: VERSION,
      others: async () => (await readTotals(db)).replicas > 1,
      toolsChanged: ({ tenant, name }) => signals.emit('agent.toolsChanged', { tenant, agent: name }),
      onEnded: ({ name }, lastWords) =>
        signals.emit('service.failed', {
          service: `mcp ${name}`,
          error: `the server has ended. ${lastWords.slice(-600)}`,
        }),
    })
  }
  const bridge = () => {
    loading ??= load()
    return loading
  }
  const at = async (target: AgentTarget): Promise<Peer> => (target.mcp ? (await bridge()).peer : peer)
  return {
    name: 'mcp agents',
    start: () => {},
    stop: async () => (await loading)?.close(),
    peer: {
      send: async (target, ...rest) => (await at(target)).send(target, ...rest),
      follow: async (target, ...rest) => (await at(target)).follow(target, ...rest),
      find: async (target, ...rest) => (await at(target)).find(target, ...rest),
      cancel: async (target, ...rest) => (await at(target)).cancel(target, ...rest),
      extendedCard: async (target, ...rest) => (await at(target)).extendedCard(target, ...rest),
    },
    fetchCard: async (target, signal) => (target.mcp ? (await bridge()).fetchCard : fetchCard)(target, signal),
    async check(...of) {
      const { checkToolCall } = await import('./wire/bridges/mcp/outbound/choose.ts')
      return checkToolCall(...of)
    },
  }
}
