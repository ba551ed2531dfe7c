/**
 * The way out through an operator's proxy (CONNECT, RFC 9110 §9.3.6). The proxy looks names up and opens the connections; TLS
 * is with the host itself, so that the proxy hears a name and a port and no more. What the guard can still check is the URL.
 */
import type { Socket } from 'node:net'
import { rootCertificates } from 'node:tls'
import { buildConnector, Client } from 'undici'
import { within } from './aborts.ts'
import { causeOf, Untunneled } from './failure.ts'

export interface ProxyOptions {
  /** `http://` or `https://`, host and port, with user and password before an @ if it wants them. */
  readonly url: string
  /** `host[:port]` or `*.domain[:port]`: nothing else is called through it. Default: everything. */
  readonly hosts?: readonly string[]
}

export interface Tunnels {
  /** Why this host is not to be called through the proxy; undefined: it may be. */
  hostRefusal(host: string, port: number): string | undefined
  /** A socket that ends at the host. Rejects with an Untunneled: not a byte of the request has left. */
  open(host: string, port: number): Promise<Socket>
}

/** Throws a TypeError for an address or a list that is of no use. */
export function createTunnels(
  { url, hosts }: ProxyOptions,
  { connectMs, ca }: { connectMs: number; ca?: string | undefined },
): Tunnels {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new TypeError('the proxy is not an http or https URL')
  const { origin, username, password } = new URL(url)
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  const rules = hosts?.map(ruleIn)
  const connect = buildConnector({ timeout: connectMs, ...(ca && { ca: [...rootCertificates, ca] }) })

  async function ask(path: string, signal: AbortSignal): Promise<Socket> {
    const client = new Client(origin, { connect })
    const headers = { host: path, ...(username !== '' && { 'proxy-authorization': `Basic ${credentials}` }) }
    try {
      const { socket, statusCode } = await client.connect({ path, headers, signal })
      if (statusCode >= 200 && statusCode < 300) return socket as Socket
      socket.on('error', () => undefined).destroy()
      throw new Untunneled(`the proxy answered ${statusCode}`)
    } finally {
      client.close().catch(() => undefined)
    }
  }

  return {
    hostRefusal: (host, port) =>
      rules && !rules.some((rule) => rule(host, port)) ? 'host that the proxy is not for' : undefined,
    async open(host, port) {
      const authority = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
      return within(connectMs, async (signal) => {
        try {
          return await ask(authority, signal)
        } catch (error) {
          if (error instanceof Untunneled) throw error
          throw new Untunneled(`the proxy: ${signal.aborted ? 'connecting took too long' : causeOf(error)}`)
        }
      })
    },
  }
}

const RULE = /^(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?$/

function ruleIn(entry: string): (host: string, port: number) => boolean {
  const form = RULE.exec(entry.trim().toLowerCase())
  if (!form) throw new TypeError(`not host[:port] or *.domain[:port]: ${entry}`)
  const [, below, written = '', only] = form
  const name = written.replace(/^\[|\]$/g, '')
  return (host, port) => {
    if (only !== undefined && Number(only) !== port) return false
    const asked = host.toLowerCase().replace(/\.$/, '')
    return below ? asked.endsWith(`.${name}`) : asked === name
  }
}
