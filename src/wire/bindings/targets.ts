/** Raw request targets: whose they are, and what is too odd to be routed (SR-56). Node gives them as they came. */
import type { IncomingMessage } from 'node:http'
import { A2AError } from '../../a2a/errors.ts'

export interface Target {
  /** By name, case-folded; '' for a name that no agent can have. */
  readonly agent: string
  /** Below the interface URL, raw: '', '/' or '/…'. */
  readonly path: string
  /** Without the question mark. */
  readonly query: string
}

const PREFIX = '/agents/'
const AGENT = /^[a-z0-9][a-z0-9_.-]{0,62}$/
const CARDS = ['/.well-known/agent-card.json', '/.well-known/agent.json']
/**
 * What the root agent owns at `/`. Its `/v1/…` paths are the management interface's, so 0.3's HTTP+JSON lives under the
 * agent's own path only.
 */
const ROOT_PATHS = ['/message:send', '/message:stream', '/tasks', '/extendedAgentCard', ...CARDS]

/** What stands before the name of a channel in a path, or in a tenant. */
const CHANNELS = 'channels/'

/** Case-folded; '' for what no agent is called. A channel, `channels/<name>`, is called `#<name>` inside. */
export const agentName = (text: string): string => {
  const folded = text.toLowerCase()
  const name = folded.startsWith(CHANNELS) ? folded.slice(CHANNELS.length) : folded
  if (!AGENT.test(name)) return ''
  return name === folded ? name : `#${name}`
}

/** Undefined: not ours. */
export function locator(publicHost: string, rootAgent: string | undefined): (r: IncomingMessage) => Target | undefined {
  const suffix = `.${publicHost.toLowerCase()}`
  return (request) => {
    const target = request.url ?? ''
    if (!target.startsWith('/')) return undefined
    const mark = target.indexOf('?')
    const path = mark < 0 ? target : target.slice(0, mark)
    const query = mark < 0 ? '' : target.slice(mark + 1)
    if (path.startsWith(PREFIX)) return { ...byPath(path), query }
    const host = request.headers.host?.toLowerCase() ?? ''
    if (host.endsWith(suffix)) {
      const others = path.startsWith('/.well-known/') && !CARDS.includes(path)
      return others ? undefined : { agent: agentName(host.slice(0, -suffix.length)), path, query }
    }
    if (rootAgent === undefined || !isRootPath(path, request.method)) return undefined
    return { agent: agentName(rootAgent), path, query }
  }
}

function byPath(path: string): { agent: string; path: string } {
  const ofChannel = path.startsWith(CHANNELS, PREFIX.length)
  const slash = path.indexOf('/', PREFIX.length + (ofChannel ? CHANNELS.length : 0))
  const text = slash < 0 ? path.slice(PREFIX.length) : path.slice(PREFIX.length, slash)
  const name = decoded(text)
  // What must not be routed stays in the path, where it is refused.
  if (name === undefined || name === '.' || name === '..' || name.includes('\\'))
    return { agent: '', path: path.slice(PREFIX.length - 1) }
  return { agent: agentName(name), path: slash < 0 ? '' : path.slice(slash) }
}

/** A browser that opens `/` wants to see something; only a POST there is meant for the agent. */
const isRootPath = (path: string, method: string | undefined): boolean =>
  path === '/'
    ? method === 'POST'
    : ROOT_PATHS.some((own) => path === own || (own === '/tasks' && path.startsWith('/tasks/')))

function decoded(text: string): string | undefined {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

const NONE: readonly string[] = []

/**
 * The path's segments, each decoded once: an encoded slash stays inside its segment.
 * @throws A2AError INVALID_REQUEST for dot segments, backslashes and bad percent encoding
 */
export function segmentsOf(path: string): readonly string[] {
  if (path === '' || path === '/') return NONE
  return path
    .slice(1)
    .split('/')
    .map((raw) => {
      const segment = decoded(raw)
      if (segment === undefined) throw new A2AError('INVALID_REQUEST', 'the path has a bad percent encoding')
      if (segment === '.' || segment === '..' || segment.includes('\\'))
        throw new A2AError('INVALID_REQUEST', 'the path has dot segments or backslashes')
      return segment
    })
}
