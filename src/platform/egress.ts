/**
 * The one outbound door. Every call to another host goes through here, and so through the guard: a URL is checked before,
 * every address a name resolves to is checked in the lookup, and the peer's address is checked after connecting. A guard
 * in the lookup alone is none: Node does not look up literals, and `http://[::ffff:127.0.0.1]/` goes straight through.
 * Behind a proxy there is no lookup and no peer of ours: then the URL is what is checked, and the proxy has to do the rest.
 */
import { lookup as systemLookup } from 'node:dns/promises'
import { isIP, type LookupFunction, connect as openSocket, type Socket } from 'node:net'
import { connect as openTls, rootCertificates, type TLSSocket } from 'node:tls'
import { buildConnector, Pool } from 'undici'
import { addressRefusal, hostOf, isInside, parseAllow, portOf, type UrlRules, urlRefusal } from './addresses.ts'
import {
  type EgressFailure,
  type EgressRequest,
  type EgressResponse,
  type EgressStream,
  openExchange,
  readBody,
} from './exchange.ts'
import { Refused } from './failure.ts'
import { Sessions } from './sessions.ts'
import { createTunnels, type ProxyOptions, type Tunnels } from './tunnels.ts'

export type { EgressFailure, EgressRequest, EgressResponse, EgressStream } from './exchange.ts'

export interface Egress {
  /** Sends, and reads the answer to its end. Never rejects: what goes wrong is a value. Redirects are answers. */
  request(request: EgressRequest): Promise<EgressResponse | EgressFailure>
  /** The same up to the headers: for event streams. */
  open(request: EgressRequest): Promise<EgressStream | EgressFailure>
  /** The check at registration: why this URL cannot be called, or undefined. */
  checkUrl(url: string): string | undefined
  close(): Promise<void>
}

export interface ResolvedAddress {
  readonly address: string
  readonly family: number
}

export interface EgressOptions {
  /** `CIDR[:port]`: private networks that may be reached. Throws a TypeError for anything else. */
  readonly allow: readonly string[]
  readonly onBlocked?: (host: string, reason: string) => void
  readonly lookup?: (hostname: string) => Promise<readonly ResolvedAddress[]>
  readonly httpsOnly?: boolean
  readonly userAgent?: string
  readonly connectMs?: number
  /** Certificates to trust beside the system's, PEM. */
  readonly ca?: string
  /** Origins with open connections; the one not used for longest is closed. */
  readonly originsMax?: number
  /** Above the 16 calls in flight that one agent gets, with room for its open streams. */
  readonly connectionsPerOriginMax?: number
  /** An HTTP/2 connection without calls is closed after this. */
  readonly http2IdleMs?: number
  /** The way to everything but what `allow` covers. The proxy looks names up, so that no resolved address is seen here. */
  readonly proxy?: ProxyOptions
}

/** What is asked of the guard, and the way out. */
interface Door extends EgressOptions {
  readonly rules: UrlRules
  readonly tunnels: Tunnels | undefined
}

export function createEgress(options: EgressOptions): Egress {
  const { onBlocked, originsMax = 512, httpsOnly = false, userAgent = 'waypost', connectMs = 5_000, proxy } = options
  const rules: UrlRules = { allow: parseAllow(options.allow), httpsOnly }
  const tunnels = proxy && createTunnels(proxy, { connectMs, ca: options.ca })
  const door: Door = { ...options, rules, tunnels }
  const pools = new Map<string, Pooled>()
  let closed = false

  const targets = new Map<string, Target>()

  /** What the guard says of a URL and how it is cut never changes: 3 µs for each call, without remembering it. */
  function targetOf(text: string): Target {
    const known = targets.get(text)
    if (known) return known
    const made = cut(text, refusalOf(text, door))
    if (targets.size >= TARGETS_MAX) targets.clear()
    if (made.refusal === undefined) targets.set(text, made)
    return made
  }

  function poolOf(origin: string, http2 = false): Pooled {
    const key = http2 ? `h2 ${origin}` : origin
    const known = pools.get(key)
    // Which one was used last matters only where one may soon have to go.
    if (known && pools.size <= originsMax / 2) return known
    const pool = known ?? (http2 ? guardedSessions : guardedPool)(new URL(origin), door)
    pools.delete(key)
    pools.set(key, pool)
    for (const [other, oldest] of pools) {
      if (pools.size <= originsMax) break
      pools.delete(other)
      // Lets what is running finish; nothing new is sent through it.
      oldest.close().catch(() => undefined)
    }
    return pool
  }

  async function exchange(request: EgressRequest, whole: boolean) {
    if (closed) return { kind: 'aborted', sent: false, reason: 'shutting down' } as const
    const target = targetOf(request.url)
    if (target.refusal) {
      onBlocked?.(target.host.slice(0, 255), target.refusal)
      return { kind: 'blocked', sent: false, reason: target.refusal } as const
    }
    const headers = { 'user-agent': userAgent, ...request.headers, 'accept-encoding': 'identity' }
    const opened = await openExchange(poolOf(target.origin, request.http2), target, { ...request, headers }, whole)
    if (opened.kind === 'blocked') onBlocked?.(target.host, opened.reason)
    return opened
  }

  return {
    open: (request) => exchange(request, false) as Promise<EgressStream | EgressFailure>,
    async request(request) {
      const answer = await exchange(request, request.idleMs === undefined)
      return 'read' in answer ? readBody(answer) : answer
    },
    checkUrl: (url) => refusalOf(url, door),
    async close() {
      closed = true
      const open = [...pools.values()]
      pools.clear()
      await Promise.all(open.map((pool) => pool.destroy().catch(() => undefined)))
    },
  }
}

type Pooled = Pick<Pool, 'dispatch' | 'close' | 'destroy'>

/** A URL as it is asked for. */
interface Target {
  readonly origin: string
  readonly path: string
  readonly host: string
  readonly refusal: string | undefined
}
/** Of at most 2,048 characters each, unless they are refused; all are forgotten together. */
const TARGETS_MAX = 1_000

function cut(text: string, refusal: string | undefined): Target {
  if (!URL.canParse(text)) return { origin: '', path: '', host: '', refusal: refusal ?? 'not a URL' }
  const url = new URL(text)
  const host = refusal === undefined ? hostOf(url) : url.hostname
  return { origin: url.origin, path: url.pathname + url.search, host, refusal }
}

function refusalOf(text: string, { rules, tunnels }: Door): string | undefined {
  const refusal = urlRefusal(text, rules)
  if (refusal !== undefined || !tunnels) return refusal
  const url = new URL(text)
  return isInside(url, rules.allow) ? undefined : tunnels.hostRefusal(hostOf(url), portOf(url))
}

function guardedPool(url: URL, door: Door): Pool {
  const { rules, lookup = allAddresses, connectMs = 5_000, connectionsPerOriginMax = 256, ca } = door
  const port = portOf(url)
  const connect = buildConnector({
    timeout: connectMs,
    lookup: guardedLookup(lookup, port, rules),
    ...(ca && { ca: [...rootCertificates, ca] }),
  })
  return new Pool(url.origin, {
    connections: connectionsPerOriginMax,
    pipelining: 1,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: throughTunnels(connect, url, door) ?? guardedConnect(connect, port, rules),
  })
}

type Connect = ReturnType<typeof buildConnector>

const guardedConnect =
  (connect: Connect, port: number, { allow }: UrlRules): Connect =>
  (target, callback) =>
    connect(target, (...[error, socket]) => {
      if (error) return callback(error, null)
      const fault = peerFault(socket as Socket, port, allow)
      if (!fault) return callback(null, socket as Socket)
      ;(socket as Socket).destroy()
      callback(fault, null)
    })

/** Who hung up as soon as we were connected has no address any more: a broken connection, and no refusal of ours. */
export function peerFault(
  { remoteAddress }: Pick<Socket, 'remoteAddress'>,
  port: number,
  allow: UrlRules['allow'],
): Error | undefined {
  if (remoteAddress === undefined) return Object.assign(new Error(), { code: 'ECONNRESET' })
  const refusal = addressRefusal(remoteAddress, port, allow)
  return refusal === undefined ? undefined : new Refused(refusal)
}

/** undefined: this place is reached without the proxy. */
function throughTunnels(connect: Connect, url: URL, { rules, tunnels }: Door): Connect | undefined {
  if (!tunnels || isInside(url, rules.allow)) return undefined
  return (target, callback) => {
    tunnels.open(hostOf(url), portOf(url)).then(
      (socket) =>
        url.protocol === 'https:' ? connect({ ...target, httpSocket: socket }, callback) : callback(null, socket),
      (error) => callback(error, null),
    )
  }
}

function guardedSessions(url: URL, door: Door): Sessions {
  const { connectMs = 5_000, http2IdleMs = 60_000 } = door
  const open = () => guardedSocket(url, door)
  return new Sessions({ origin: url.origin, open, greetingMs: connectMs, idleMs: http2IdleMs })
}

/** A socket of our own, because undici offers HTTP/1.1 before HTTP/2, and some servers follow the client's order. */
async function guardedSocket(url: URL, door: Door): Promise<Socket> {
  const { rules, tunnels, lookup = allAddresses, connectMs = 5_000, ca } = door
  const port = portOf(url)
  const host = hostOf(url)
  const tunnel = tunnels && !isInside(url, rules.allow) ? await tunnels.open(host, port) : undefined
  const secure = url.protocol === 'https:'
  if (tunnel && !secure) return tunnel.on('error', () => undefined)
  const guarded = guardedLookup(lookup, port, rules)
  const direct = { host, port, lookup: guarded, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }
  const where = tunnel ? { socket: tunnel } : direct
  return new Promise((resolve, reject) => {
    const socket = secure
      ? openTls({
          ...where,
          ALPNProtocols: ['h2'],
          ...(isIP(host) === 0 && { servername: host }),
          ...(ca && { ca: [...rootCertificates, ca] }),
        })
      : openSocket(direct)
    const fail = (error: Error) => {
      clearTimeout(late)
      socket.destroy()
      reject(error)
    }
    const late = setTimeout(() => fail(Object.assign(new Error(), { code: 'ETIMEDOUT' })), connectMs)
    socket.once('error', fail)
    socket.once('connect', () => {
      const fault = tunnel ? undefined : peerFault(socket, port, rules.allow)
      if (fault) fail(fault)
    })
    socket.once(secure ? 'secureConnect' : 'connect', () => {
      if (socket.destroyed) return
      if (secure && (socket as TLSSocket).alpnProtocol !== 'h2')
        return fail(Object.assign(new Error(), { code: 'ERR_NO_HTTP2' }))
      clearTimeout(late)
      // From here on whoever uses it hears of its end; an error that nobody hears ends the program.
      socket.off('error', fail).on('error', () => undefined)
      resolve(socket)
    })
  })
}

/** `verbatim` keeps the resolver's order; all of it, because one private address among public ones is an attack. */
const allAddresses = (hostname: string) => systemLookup(hostname, { all: true, verbatim: true })

/** One address that may not be reached refuses the whole answer: which one is tried first is not ours to choose. */
function guardedLookup(
  lookup: NonNullable<EgressOptions['lookup']>,
  port: number,
  { allow }: UrlRules,
): LookupFunction {
  return (hostname, wanted, callback) => {
    lookup(hostname).then(
      (addresses) => {
        const first = addresses[0]
        if (!first) return callback(Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), '', 0)
        for (const { address } of addresses) {
          const refusal = addressRefusal(address, port, allow)
          if (refusal) return callback(new Refused(`the name resolves to a ${refusal}`), '', 0)
        }
        if (wanted.all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    )
  }
}
