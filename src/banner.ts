/** The first page of output: every address, what is kept where, who may do what, and what to type next. */
import type { Config } from './config.ts'

export interface BannerFacts {
  readonly version: string
  readonly url: string
  readonly config: Config
  readonly adminKeyFile?: string
  readonly agents: readonly string[]
  readonly waiting: number
  readonly readyMs: number
}

function persistence({ databaseUrl, dataDir }: Config): string {
  if (!databaseUrl) return `${dataDir}  (embedded PostgreSQL 18, fsync on, 1 node)    use DATABASE_URL for replicas`
  const { host, pathname } = new URL(databaseUrl)
  return `PostgreSQL ${host}${pathname}    as many replicas as you like`
}

function auth(facts: BannerFacts): string {
  if (facts.config.auth === 'off') return 'off: whoever calls from this machine is the operator'
  return facts.adminKeyFile
    ? `keys required · local admin key in ${facts.adminKeyFile} (0600)`
    : 'keys required · admin key from WAYPOST_ADMIN_KEY'
}

/** Lines for a terminal; ends with the time it took. */
export function banner(facts: BannerFacts): string {
  const { version, url, agents, waiting, readyMs } = facts
  const { host, grpcPort } = facts.config
  const rows: [string, string][] = [
    ['Gateway', `${url}           A2A 1.0 (JSON-RPC, HTTP+JSON), 0.3 accepted`],
    ...(grpcPort > 0 ? [['gRPC', `${host}:${grpcPort}           A2A 1.0, without TLS`] as [string, string]] : []),
    ['Health', `${url}/readyz?verbose · ${url}/metrics`],
    ['Persistence', persistence(facts.config)],
    ['Auth', auth(facts)],
    [
      'Agents',
      agents.length > 0
        ? `${agents.length} from ${facts.config.cardsDir}: ${agents.join(', ')}`
        : 'none yet: ./waypost agent add http://127.0.0.1:9100/ --name echo',
    ],
    ['Waiting', waiting === 1 ? '1 task waiting' : `${waiting} tasks waiting`],
    ['Next', './waypost demo-server · ./waypost send -a @echo --text hi · ./waypost doctor'],
  ]
  const node = `node ${process.version}${process.version.startsWith('v20.') ? ' (past its end of life: 24 LTS is recommended)' : ''}`
  const lines = rows.map(([name, text]) => `  ${name.padEnd(12)}  ${text}`)
  return [`waypost ${version} · ${node}`, '', ...lines, '', `ready in ${(readyMs / 1000).toFixed(1)} s`, ''].join('\n')
}
