/**
 * Which hosts a request may name. A browser page of another site can be made to resolve its own name to this machine, and
 * then its requests are same-origin there; only the Host header still tells (SR-50).
 */
import type { IncomingMessage } from 'node:http'
import { isLoopbackAddress } from '../gateway/callers/authenticate.ts'

export interface HostRules {
  /** The gateway's public URL, and with it `<agent>.<its host>`. */
  readonly publicUrl: () => string
  /** The address that is listened on. */
  readonly bind: string
}

export type HostRefusal = {
  readonly status: 400 | 421
  readonly code: 'INVALID_HOST' | 'MISDIRECTED'
  readonly detail: string
}

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/
const LOOPBACK_NAMES = new Set(['localhost', '[::1]'])

const isLoopbackName = (name: string): boolean =>
  LOOPBACK_NAMES.has(name) || name.endsWith('.localhost') || isLoopbackAddress(name.replace(/^\[|\]$/g, ''))

/** Whether the listener can be reached from this machine only. */
export const isLoopbackBind = (bind: string): boolean => bind === 'localhost' || isLoopbackAddress(bind)

/** Whether a URL leads back to the gateway at this public URL, an agent's own host or another name of this machine included. */
export function leadsHere(url: string, publicUrl: string): boolean {
  const [to, own] = [new URL(url), new URL(publicUrl)]
  if (to.protocol !== own.protocol || to.port !== own.port) return false
  if (to.hostname === own.hostname || to.hostname.endsWith(`.${own.hostname}`)) return true
  return isLoopbackName(to.hostname) && isLoopbackName(own.hostname)
}

/** Why the request is refused, or undefined. */
export function createHostCheck({ publicUrl, bind }: HostRules): (request: IncomingMessage) => HostRefusal | undefined {
  const onLoopback = isLoopbackBind(bind)
  const wildcard = bind === '0.0.0.0' || bind === '::'
  return (request) => {
    const named = hostsOf(request)
    if (named.length !== 1) return { status: 400, code: 'INVALID_HOST', detail: 'exactly one Host header is needed' }
    const host = (named[0] as string).toLowerCase()
    const matched = HOST.exec(host)
    if (!matched) return { status: 400, code: 'INVALID_HOST', detail: 'the Host header is not a host' }
    const absolute = /^https?:\/\/([^/?#]*)/i.exec(request.url ?? '')
    if (absolute && absolute[1]?.toLowerCase() !== host)
      return { status: 400, code: 'INVALID_HOST', detail: 'the request target names another host' }
    const name = matched[1] as string
    const own = new URL(publicUrl())
    if (host === own.host || name === own.hostname || name.endsWith(`.${own.hostname}`)) return undefined
    if (onLoopback && isLoopbackName(name)) return undefined
    // Who binds an address means it; a probe of the machine itself and of its orchestrator comes by address.
    if (!onLoopback && (name === bind || (wildcard && isOwnAddress(name, request)))) return undefined
    return { status: 421, code: 'MISDIRECTED', detail: 'this gateway is not that host: see PUBLIC_URL' }
  }
}

/** As they came: Node joins or drops repeated headers. */
function hostsOf({ rawHeaders }: IncomingMessage): string[] {
  const hosts: string[] = []
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.toLowerCase() === 'host') hosts.push(rawHeaders[at + 1] as string)
  return hosts
}

/** On a wildcard bind: the very address that the connection came in at, which no foreign name can be, or a loopback name from here. */
function isOwnAddress(name: string, { socket }: IncomingMessage): boolean {
  const local = socket.localAddress?.replace(/^::ffff:/i, '')
  if (local !== undefined && name.replace(/^\[|\]$/g, '') === local) return true
  return isLoopbackName(name) && isLoopbackAddress(socket.remoteAddress ?? '')
}
