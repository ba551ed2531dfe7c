/**
 * Addresses as people write them: `shout`, `shout@gw.example`, `#reviews`, `#reviews@gw.example`. Inside, the part before
 * the gateway's host is all there is; an address at another host is not reachable from here.
 */
import { A2AError } from '../../a2a/errors.ts'
import { AGENT_NAME } from './registration.ts'

export interface Addressing {
  /** `host[:port]` of the public URL. */
  readonly publicHost: string
}

const invalid = (text: string, description: string): A2AError =>
  new A2AError('INVALID_PARAMS', `"${text.slice(0, 64)}" ${description}`, {
    violations: [{ field: 'agent', description }],
  })

/**
 * The agent's name, or `#` and the channel's, case-folded. The host may be given with or without its port.
 *
 * @throws A2AError INVALID_PARAMS for what is no address, and for one at another gateway
 */
export function addressed(text: string, { publicHost }: Addressing): string {
  const [local = '', host, ...more] = text.trim().toLowerCase().split('@')
  const name = local.startsWith('#') ? local.slice(1) : local
  if (more.length > 0 || !AGENT_NAME.test(name))
    throw invalid(text, 'is not an address: name, name@gateway, #channel or #channel@gateway')
  const own = publicHost.toLowerCase()
  if (host !== undefined && host !== own && host !== own.replace(/:\d+$/, ''))
    throw invalid(text, `is at another gateway: this one is ${publicHost}, and sends to agents of its own only`)
  return local
}
