/** From what `-a/--agent-card` was given to a card: a host, a URL, a file, or `@name` in the gateway's catalogue. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { AgentCard } from '../a2a/agentCard.ts'
import { LIMITS } from '../limits.ts'
import { type Gateway, type Http, readJson } from './client.ts'
import { CliError, usage } from './errors.ts'
import { A2A_VERSION } from './protocolVersion.ts'
import { readPage } from './records.ts'

/** A card as it was found. Fields may be missing: real cards are what they are, and `card get` must show them. */
export type FoundCard = Partial<AgentCard> & Readonly<Record<string, unknown>>

export interface ResolvedAgent {
  readonly ref: string
  readonly card: FoundCard
  /** Where the card came from. */
  readonly source: string
  /** The interfaces are the gateway's own, so the gateway's key belongs there. */
  readonly atGateway: boolean
  /**
   * Where the gateway is reached from here, if the agent was named in its catalogue. Its cards say PUBLIC_URL, which may
   * be another machine's way to it (a container, a tunnel); and the key goes where the user has said, nowhere else.
   */
  readonly reachedAt?: string
}

export interface ResolveTools {
  readonly http: Http
  readonly gateway: Gateway
  /** A server that wants to know who asks is answered with these headers; nothing is sent before it has said so. */
  readonly answerChallenge?: (challenge: string) => Readonly<Record<string, string>>
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal
}

const WELL_KNOWN = ['.well-known/agent-card.json', '.well-known/agent.json'] as const

export async function resolveAgent(ref: string, tools: ResolveTools): Promise<ResolvedAgent> {
  if (ref.startsWith('@') || ADDRESS.test(ref)) return fromCatalogue(ref, tools)
  const file = asFile(ref)
  if (file) return { ref, card: parseCard(readFileSync(file, 'utf8'), file), source: file, atGateway: false }
  const url = asUrl(ref)
  const atGateway = sameServer(url, tools.gateway.url)
  const tried: string[] = []
  for (const candidate of cardUrls(url)) {
    const response = await fetchCard(candidate, atGateway, tools)
    if (response) return { ref, card: parseCard(response, candidate), source: candidate, atGateway }
    tried.push(candidate)
  }
  throw new CliError('A2ACLI_ERR_CARD_NOT_FOUND', `there is no agent card at ${tried.join(' or ')}`, {
    hint: 'give the address of the card itself, or a name of the gateway: -a @name (see: waypost agent list)',
  })
}

/** `#channel`, `#channel@gateway`, `name@gateway`. */
const ADDRESS = /^(#[\w.-]+(@[^/@]+)?|[\w][\w.-]*@[^/@]+)$/

/** The part before the gateway's host, which may be left out. An agent of another gateway is named by its URL. */
function localPart(ref: string, gateway: Gateway): string {
  const [name = '', host] = ref.replace(/^@/, '').toLowerCase().split('@')
  const own = new URL(gateway.url)
  if (host === undefined || host === own.host || host === own.hostname) return name
  throw usage(
    `${ref} is at another gateway: this one is ${own.host}`,
    `an agent there is named by its URL: -a https://${host}/agents/${name.replace(/^#/, 'channels/')}/`,
  )
}

async function fromCatalogue(ref: string, tools: ResolveTools): Promise<ResolvedAgent> {
  const name = localPart(ref, tools.gateway)
  const place = name.startsWith('#') ? `channels/${encodeURIComponent(name.slice(1))}` : encodeURIComponent(name)
  const base = `${tools.gateway.url}/agents/${place}/`
  const source = `${base}${WELL_KNOWN[0]}`
  const text = await fetchCard(source, true, tools)
  if (text) return { ref, card: parseCard(text, source), source, atGateway: true, reachedAt: tools.gateway.url }
  const near = await nearName(name, tools.gateway)
  throw new CliError('A2ACLI_ERR_CARD_NOT_FOUND', `no agent named "${name}" at ${tools.gateway.url}`, {
    hint: `${near ? `did you mean @${near}?  ` : ''}List them: waypost agent list`,
  })
}

const bearer = (gateway: Gateway): Record<string, string> =>
  gateway.key ? { authorization: `Bearer ${gateway.key}` } : {}

/** undefined: there is no card. The gateway shows some cards to key holders only, and calls them unknown to others. */
async function fetchCard(url: string, atGateway: boolean, tools: ResolveTools): Promise<string | undefined> {
  const open = await askFor(url, {}, tools)
  if (open.ok) return open.text()
  const closed = open.status === 401 || open.status === 403
  if (!closed && !(atGateway && open.status === 404)) return undefined
  const challenge = open.headers.get('www-authenticate') ?? ''
  const headers = { ...(atGateway && bearer(tools.gateway)), ...tools.answerChallenge?.(challenge) }
  const offered = Object.keys(headers).length > 0
  const response = offered ? await askFor(url, headers, tools) : open
  if (response.ok) return response.text()
  if (response.status === 401 || response.status === 403) throw await notAdmitted(response, offered, url)
  return undefined
}

const askFor = (url: string, headers: Readonly<Record<string, string>>, { http, timeoutMs, signal }: ResolveTools) =>
  http(url, {
    headers: { accept: 'application/json', 'A2A-Version': A2A_VERSION, ...headers },
    timeoutMs: timeoutMs ?? LIMITS.cardFetchMs,
    signal,
  })

async function notAdmitted(response: Response, offered: boolean, url: string): Promise<CliError> {
  const json = (await readJson(response)) as { detail?: string; hint?: string } | undefined
  return new CliError(
    offered ? 'A2ACLI_ERR_AUTH_FAILED' : 'A2ACLI_ERR_CREDENTIALS_MISSING',
    json?.detail ?? `HTTP ${response.status} from ${url}`,
    {
      hint:
        json?.hint ??
        'pass the credential that its WWW-Authenticate names: A2ACLI_BEARER or A2ACLI_API_KEY; or give the card as a file',
      a2aCode: response.status,
    },
  )
}

function parseCard(text: string, from: string): FoundCard {
  try {
    const json: unknown = JSON.parse(text)
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as FoundCard
  } catch {
    // Told below, like anything else that is not a JSON object.
  }
  throw new CliError('A2ACLI_ERR_CARD_INVALID', `what is at ${from} is no agent card: not a JSON object`, {
    hint: 'open the address in a browser, or run the same command with --debug',
  })
}

function asFile(ref: string): string | undefined {
  if (ref.startsWith('file:')) return existingFile(fileURLToPath(ref))
  const looksLikePath = ref.startsWith('.') || ref.startsWith('/') || ref.startsWith('~')
  if (looksLikePath) return existingFile(ref)
  return !ref.includes('://') && ref.endsWith('.json') && existsSync(ref) ? ref : undefined
}

function existingFile(path: string): string {
  if (existsSync(path)) return path
  throw new CliError('A2ACLI_ERR_CARD_NOT_FOUND', `there is no file ${path}`, {
    hint: 'a card file, a host, a URL, or @name: waypost help send',
  })
}

export const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** A bare host is https, except on this machine, where nobody has certificates. */
function asUrl(ref: string): URL {
  const written = /^https?:\/\//i.test(ref) ? ref : `https://${ref}`
  if (!URL.canParse(written)) throw usage(`--agent-card: ${ref} is neither a host, a URL, a file, nor @name`)
  const url = new URL(written)
  if (written !== ref && LOOPBACK.test(url.hostname)) url.protocol = 'http:'
  return url
}

/** A full card URL is used as it is; to a base address the well-known path is appended. */
function cardUrls(url: URL): string[] {
  if (url.pathname.endsWith('.json') || url.pathname.includes('/.well-known/')) return [url.href]
  const base = url.href.endsWith('/') ? url.href : `${url.href}/`
  return WELL_KNOWN.map((path) => `${base}${path}`)
}

/** localhost, 127.0.0.1 and ::1 with the same port are one server: cards say the one, people type the other. */
export function sameServer(url: URL | string, gateway: string): boolean {
  const [a, b] = [new URL(url), new URL(gateway)]
  if (a.origin === b.origin) return true
  return a.protocol === b.protocol && a.port === b.port && LOOPBACK.test(a.hostname) && LOOPBACK.test(b.hostname)
}

async function nearName(name: string, gateway: Gateway): Promise<string | undefined> {
  try {
    const { items } = await readPage<{ name: string }>(gateway, '/v1/agents', { limit: 100 })
    const names = items.map((agent) => agent.name)
    return names.find((known) => distance(known, name) <= 2) ?? names.find((known) => known.startsWith(name))
  } catch {
    // Without the right to list agents there is no suggestion; the error itself is told by the caller.
    return undefined
  }
}

/** Levenshtein: how many letters were mistyped. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change))
    }
    row = next
  }
  return row[b.length] ?? 0
}
