/**
 * Which addresses, names and URLs outbound calls may reach. Pure. The rule is an allow-rule: global unicast, or covered by
 * the operator's list; what is link-local, a metadata service or not one host is refused whatever the list says.
 */
import ipaddr from 'ipaddr.js'

type Ip = ipaddr.IPv4 | ipaddr.IPv6
type Network = [Ip, number]

/** One entry of the operator's allow-list: `CIDR[:port]`. */
export interface AllowRule {
  readonly network: Network
  /** Undefined: every port. */
  readonly port?: number
}

const networks = (...cidrs: string[]): Network[] => cidrs.map((cidr) => ipaddr.parseCIDR(cidr))

/** Cloud metadata services and what does not name one other host. No list can open these. */
const NEVER: readonly (readonly [string, Network[]])[] = [
  [
    'metadata service',
    networks('100.100.100.200/32', '192.0.0.192/32', '168.63.129.16/32', 'fd00:ec2::254/128', 'fd20:ce::254/128'),
  ],
  ['link-local', networks('169.254.0.0/16', 'fe80::/10')],
  ['unspecified', networks('0.0.0.0/8', '::/128')],
  ['multicast', networks('224.0.0.0/4', 'ff00::/8')],
  ['broadcast', networks('255.255.255.255/32')],
]

/** Forms of IPv6 that carry an IPv4 address, by the byte it begins at. `ipaddr.js` calls some of `::/96` unicast. */
const EMBEDDED: readonly (readonly [Network, number])[] = [
  [ipaddr.parseCIDR('::/96'), 12],
  [ipaddr.parseCIDR('::ffff:0:0:0/96'), 12],
  [ipaddr.parseCIDR('64:ff9b::/96'), 12],
  [ipaddr.parseCIDR('2002::/16'), 2],
]
const LOOPBACK_V6 = ipaddr.parse('::1')
/** All that IANA has given out as global unicast (RFC 4291 §2.4). */
const GLOBAL_V6 = ipaddr.parseCIDR('2000::/3')

/** Ports of mail, shells and stores, where an HTTP request could be read as commands; a list entry with the port opens one. */
const PORTS_REFUSED: ReadonlySet<number> = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 2375, 2379, 3306,
  3389, 3659, 4045, 4190, 5060, 5061, 5432, 5984, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042,
  10080, 11211, 27017,
])

/** Suffixes that no public zone answers for. */
const PRIVATE_SUFFIXES = ['internal', 'local', 'localdomain', 'lan', 'home', 'corp', 'intranet', 'home.arpa']

const URL_CHARS_MAX = 2_048

const matches = (address: Ip, network: Network): boolean =>
  address.kind() === network[0].kind() && address.match(network as never)

/** Throws a TypeError for an entry that is not `CIDR[:port]`; a single address stands for itself. */
export function parseAllow(entries: readonly string[]): AllowRule[] {
  return entries.map((entry) => {
    const form = /^(?:\[([^\]]+)\]|([^/[\]]+?))(\/\d+)?(?::(\d+))?$/.exec(entry.trim())
    // `::1` without brackets or prefix reads as an address with a port: an IPv6 address alone wins.
    const bare = ipaddr.isValid(entry.trim()) ? entry.trim() : undefined
    const host = bare ?? form?.[1] ?? form?.[2]
    if (host === undefined || !ipaddr.isValid(host)) throw new TypeError(`not CIDR[:port]: ${entry}`)
    const address = ipaddr.process(host)
    const bits = bare === undefined ? form?.[3]?.slice(1) : undefined
    const longest = address.kind() === 'ipv4' ? 32 : 128
    const port = bare === undefined && form?.[4] !== undefined ? Number(form[4]) : undefined
    if (Number(bits ?? longest) > longest || (port ?? 1) > 65_535) throw new TypeError(`not CIDR[:port]: ${entry}`)
    return { network: [address, Number(bits ?? longest)], ...(port !== undefined && { port }) }
  })
}

const allowed = (address: Ip, port: number, allow: readonly AllowRule[]): boolean =>
  allow.some((rule) => (rule.port ?? port) === port && matches(address, rule.network))

function embeddedIn(address: Ip): ipaddr.IPv4 | undefined {
  if (address.kind() === 'ipv4' || address.toString() === LOOPBACK_V6.toString()) return undefined
  const form = EMBEDDED.find(([network]) => matches(address, network))
  return form && new ipaddr.IPv4(address.toByteArray().slice(form[1], form[1] + 4))
}

/** `ipaddr.js` takes the dotted form `::8.8.8.8`, in which systems print `::/96`, for the IPv4-mapped `::ffff:8.8.8.8`. */
function inHex(text: string): string {
  if (!text.includes(':')) return text
  const literal = `http://[${text.replace(/%.*$/, '')}]/`
  return URL.canParse(literal) ? hostOf(new URL(literal)) : text
}

/** Why this address may not be reached at this port; undefined: it may. The reason names the class, not the address. */
export function addressRefusal(text: string, port: number, allow: readonly AllowRule[]): string | undefined {
  const plain = inHex(text)
  if (!ipaddr.isValid(plain)) return 'not an address'
  const parsed = ipaddr.parse(plain)
  const address = parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress() ? parsed.toIPv4Address() : parsed
  const inner = embeddedIn(address)
  const never = NEVER.find(([, list]) => list.some((net) => matches(address, net) || (inner && matches(inner, net))))
  if (never) return `${never[0]} address`
  if (allowed(address, port, allow)) return undefined
  if (inner) return 'address with an embedded IPv4 address'
  const range = address.range()
  if (range !== 'unicast') return `${range} address`
  return address.kind() === 'ipv6' && !matches(address, GLOBAL_V6) ? 'reserved address' : undefined
}

/** Why this name may not even be looked up. What it resolves to is checked again, at each connect. */
export function nameRefusal(hostname: string, port: number, allow: readonly AllowRule[]): string | undefined {
  const name = hostname.toLowerCase().replace(/\.$/, '')
  if (name === '') return 'no host'
  if (name === 'localhost' || name.endsWith('.localhost'))
    return addressRefusal('127.0.0.1', port, allow) && addressRefusal('::1', port, allow) && 'loopback name'
  const closed = !name.includes('.') || PRIVATE_SUFFIXES.some((suffix) => name.endsWith(`.${suffix}`))
  if (closed && !allow.some((rule) => (rule.port ?? port) === port)) return 'private name'
  return undefined
}

/** The host of a URL without an IPv6 literal's brackets. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '')

export const portOf = (url: URL): number =>
  url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)

export interface UrlRules {
  readonly allow: readonly AllowRule[]
  /** Plain http only to what the list covers. */
  readonly httpsOnly?: boolean
}

/** Whether the operator's list names it: an address that it covers, or a name that only a private zone answers for. */
export function isInside(url: URL, allow: readonly AllowRule[]): boolean {
  const [host, port] = [hostOf(url), portOf(url)]
  return ipaddr.isValid(host)
    ? allowed(ipaddr.process(host), port, allow)
    : nameRefusal(host, port, []) !== undefined && nameRefusal(host, port, allow) === undefined
}

/** Why this URL may not be called, as far as can be told without the network; undefined: it may be tried. */
export function urlRefusal(text: string, { allow, httpsOnly = false }: UrlRules): string | undefined {
  if (text.length > URL_CHARS_MAX) return `longer than ${URL_CHARS_MAX} characters`
  // The URL parser drops tabs and newlines and turns backslashes, so that another reader may see another host.
  for (const char of text)
    if (char <= ' ' || char === '\\' || char === '\x7f') return 'control character, space or backslash'
  if (!/^https?:\/\/[^/?#]/i.test(text)) return 'not an absolute http or https URL'
  if (/^[^:]+:\/\/[^/?#]*@/.test(text)) return 'credentials in the URL'
  if (text.includes('#')) return 'fragment in the URL'
  if (!URL.canParse(text)) return 'not a URL'
  const url = new URL(text)
  const port = portOf(url)
  if (PORTS_REFUSED.has(port) && !allow.some((rule) => rule.port === port)) return `port ${port}`
  const host = hostOf(url)
  const literal = ipaddr.isValid(host)
  const refusal = literal ? addressRefusal(host, port, allow) : nameRefusal(host, port, allow)
  if (refusal) return refusal
  return httpsOnly && url.protocol === 'http:' && !isInside(url, allow) ? 'plain http' : undefined
}
