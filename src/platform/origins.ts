/** Which place a URL leads to. */

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Scheme, host and port as one text; the names of this machine are one name, so that `localhost` may be said for
 * `127.0.0.1`. An address without a scheme (`host:port`, as gRPC has them) is its own text. undefined: not an address.
 */
export function originOf(url: string): string | undefined {
  if (/^(\[[0-9a-f:.]+\]|[\w.-]+):\d{1,5}$/i.test(url)) return `//${named(url.toLowerCase())}`
  if (!URL.canParse(url)) return undefined
  const { origin, protocol, hostname, port } = new URL(url)
  if (origin === 'null') return undefined
  return LOOPBACK.has(hostname) ? `${protocol}//localhost${port && `:${port}`}` : origin
}

const named = (address: string): string => address.replace(/^(127\.0\.0\.1|\[::1\])(?=:)/, 'localhost')

/** Host and port as `//host:port`, whatever the scheme: where plain text and TLS share an address. undefined: not an address. */
export function bareOrigin(url: string): string | undefined {
  const origin = originOf(url)
  if (origin === undefined || origin.startsWith('//')) return origin
  const { protocol, hostname, port } = new URL(origin)
  return `//${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}

/** The same host, whatever scheme and port. */
export function isSameHost(one: string, other: string): boolean {
  const [a, b] = [hostOf(one), hostOf(other)]
  return a !== undefined && a === b
}

const hostOf = (url: string): string | undefined => {
  const bare = bareOrigin(url.startsWith('//') ? url.slice(2) : url)
  return bare?.replace(/:\d+$/, '')
}

/** Scheme, host and port are equal. */
export function isSameOrigin(one: string, other: string): boolean {
  const [a, b] = [originOf(one), originOf(other)]
  return a !== undefined && a === b && !a.startsWith('//')
}
