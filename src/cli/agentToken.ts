/**
 * The token with which an agent of this machine collects its work: given, or kept from when it was registered, in the
 * user's own configuration folder (`agents.json`, mode 0600, shared with `waypost mcp`).
 */
import { join } from 'node:path'
import { chance } from '../platform/ids.ts'
import { CliError } from './errors.ts'
import type { Invocation } from './invocation.ts'
import { openSecretFile } from './tokenStore.ts'

export interface AgentToken {
  /** WAYPOST_TOKEN, else the stored one; undefined: none is known. */
  known(): string | undefined
  /** Registers the agent if there is none. Throws CliError when it cannot, or when its token is somebody else's secret. */
  enrol(document: Readonly<Record<string, unknown>>): Promise<string>
  /** The gateway does not know it any more. False: it was given from outside, and is not ours to forget. */
  forget(): boolean
}

export function agentToken(name: string, call: Invocation): AgentToken {
  const store = openSecretFile<string>(join(call.tokensPath, '../agents.json'), 'correct it or remove it')
  const place = `${call.gateway.url} ${name}`
  const given = call.around.get('WAYPOST_TOKEN')
  const hidden = (token: string | undefined) => {
    call.out.hide(token)
    return token
  }
  return {
    known: () => hidden(given ?? store.get(place)),
    async enrol(document) {
      const { token } = (await registered({ name, ...document }, call)) as { token?: string }
      // Another process may have registered it a moment ago, or be writing to the file for another agent.
      for (let look = 0; look < LOOKS; look++) {
        if (token !== undefined && store.get(place) !== token) store.put(place, token)
        await call.clock.sleep(LOOK_MS * (1 + chance()), call.signal)
        const stored = store.get(place)
        if (stored !== undefined && (token === undefined || stored === token)) return hidden(stored) as string
      }
      if (token === undefined) throw notOurs(name, call)
      return hidden(token) as string
    },
    forget: () => given === undefined && store.remove(place),
  }
}

const LOOKS = 20
const LOOK_MS = 50

/** On its own machine a gateway asks for no key; elsewhere ours is tried. */
async function registered(document: object, call: Invocation): Promise<unknown> {
  const { gateway, http, signal } = call
  const { createGateway } = await import('./client.ts')
  try {
    return await createGateway({ url: gateway.url, http, signal }).send('POST', '/v1/agents', document)
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== 'A2ACLI_ERR_CREDENTIALS_MISSING' || !gateway.key) throw error
    return gateway.send('POST', '/v1/agents', document)
  }
}

export const notOurs = (name: string, { program }: Invocation): CliError =>
  new CliError('WAYPOST_ERR_AGENT_TOKEN', `${name} is registered, and its token is not known here`, {
    hint: `give it as WAYPOST_TOKEN, or make another (the old one ends): ${program} agent rotate-key ${name}`,
  })
