/**
 * Who a host is at the gateway: an agent with a name, registered at the first run, whose token stays in the user's own
 * configuration folder; or just a key that sends.
 */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { readJson } from './client.ts'
import { CliError } from './errors.ts'
import type { Invocation } from './invocation.ts'
import { openSecretFile, type SecretFile } from './tokenStore.ts'

export interface McpIdentity {
  /** The token to send. Registers if there is none. Throws CliError when the gateway does not take us, or is not there. */
  token(): Promise<string>
  /** The gateway does not know this token any more. */
  forget(token: string): void
}

export function mcpIdentity(call: Invocation): McpIdentity {
  const given = explicitKey(call)
  const named = call.option('name')
  if (named === undefined && given !== undefined) return { token: async () => given, forget: () => {} }
  const name = (named ?? defaultName()).toLowerCase()
  const store = openSecretFile<string>(join(call.tokensPath, '../agents.json'), 'correct it or remove it')
  const place = `${call.gateway.url} ${name}`
  let registering: Promise<string> | undefined
  return {
    async token() {
      const known = store.get(place)
      if (known !== undefined) {
        call.out.hide(known)
        return known
      }
      registering ??= register(name, place, store, call).finally(() => {
        registering = undefined
      })
      return registering
    },
    forget(token) {
      if (store.get(place) === token) store.remove(place)
    },
  }
}

/** One that was given for this call; the operator's key in a data directory nearby is not meant for a host. */
const explicitKey = ({ key }: Invocation): string | undefined =>
  key && /^(flag|env) /.test(key.source) ? key.key : undefined

const defaultName = (): string =>
  `mcp-${hostname()
    .toLowerCase()
    .replace(/\..*$/, '')
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 50)}`.replace(/-+$/, '')

/** Another process of the same name may have registered a moment ago, and be about to store the token. */
const LOOKS = 20
const LOOK_MS = 100

async function register(name: string, place: string, store: SecretFile<string>, call: Invocation): Promise<string> {
  const document = { name, description: `${name}: a coding host, over MCP` }
  const answer = await post(document, explicitKey(call), call)
  // From elsewhere, or where agents do not enrol by themselves, a key is needed.
  const { status, json } = answer.status === 401 && call.key ? await post(document, call.key.key, call) : answer
  const { token, detail = `HTTP ${status}`, hint } = (json ?? {}) as { token?: string; detail?: string; hint?: string }
  if (status >= 400) {
    const advice = status === 409 ? 'choose another name: waypost mcp --name …' : hint
    throw new CliError('A2ACLI_ERR_CREDENTIALS_MISSING', `the gateway does not register ${name}: ${detail}`, {
      ...(advice !== undefined && { hint: advice }),
    })
  }
  if (token !== undefined) {
    call.out.hide(token)
    store.put(place, token)
    return token
  }
  for (let look = 0; look < LOOKS; look++) {
    const known = store.get(place)
    if (known !== undefined) return known
    await call.clock.sleep(LOOK_MS, call.signal)
  }
  throw new CliError('A2ACLI_ERR_CREDENTIALS_MISSING', `${name} is registered, and its token is not in ${store.path}`, {
    hint: `choose another name, or make a new token (the old one ends): ${call.program} agent rotate-key ${name}, and give it as WAYPOST_KEY`,
  })
}

async function post(document: object, key: string | undefined, { gateway, http, signal }: Invocation) {
  const response = await http(`${gateway.url}/v1/agents`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify(document),
    signal,
    timeoutMs: 10_000,
  })
  return { status: response.status, json: await readJson(response) }
}
