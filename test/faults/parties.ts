/** Who uses the gateway: tenants with their agents, callers with their keys, and the agents that collect. */
import { ADMIN_KEY } from '../support/replicas.ts'
import type { Party } from './record.ts'
import { createSpeech } from './speech.ts'

/** Three tenants; in the first there are two who must not see each other either. */
const CALLERS = { ada: 'alpha', ann: 'alpha', bob: 'beta', eve: 'gamma' } as const
const TENANTS = [...new Set(Object.values(CALLERS))]
/** Names of agents are unique over all tenants. */
const nameIn = (tenant: string) => (agent: string) => `${agent}-${tenant}`
/** The agent that collects, in every tenant. */
export const COLLECTS = 'box'

export interface Enrolled {
  readonly parties: readonly Party[]
  /** In the default tenant. */
  readonly prober: Party
  readonly collectorTokens: readonly string[]
  readonly admins: readonly Pick<Party, 'tenant' | 'key' | 'addressOf'>[]
}

/** Registers all agents in every tenant and makes the keys; what must stay secret is added to `secrets`. */
export async function enrol(
  gateway: string,
  agents: readonly { readonly name: string }[],
  secrets: string[],
): Promise<Enrolled> {
  const call = async (path: string, key: string, body: unknown) => {
    const response = await fetch(gateway + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as { key: string; token: string }
  }
  const party = async (caller: string, tenant: string, addressOf: Party['addressOf']): Promise<Party> => {
    const { key } = await call('/v1/keys', ADMIN_KEY, { caller, tenant, permits: ['send', 'read', 'cancel', 'push'] })
    secrets.push(key)
    return { caller, tenant, key, speech: createSpeech(key), addressOf }
  }
  const collectorTokens: string[] = []
  const admins: Enrolled['admins'][number][] = []
  for (const tenant of TENANTS) {
    const { key } = await call('/v1/keys', ADMIN_KEY, { caller: `${tenant}-admin`, tenant, permits: ['admin'] })
    for (const agent of agents) await call('/v1/agents', key, { ...agent, name: nameIn(tenant)(agent.name) })
    const box = { name: nameIn(tenant)(COLLECTS), connector: { kind: 'mailbox' }, maxAttempts: 50, maxInflight: 64 }
    collectorTokens.push((await call('/v1/agents', key, box)).token)
    secrets.push(key)
    admins.push({ tenant, key, addressOf: nameIn(tenant) })
  }
  secrets.push(...collectorTokens)
  const parties: Party[] = []
  for (const [caller, tenant] of Object.entries(CALLERS)) parties.push(await party(caller, tenant, nameIn(tenant)))
  return { parties, prober: await party('prober', 'default', (name) => name), collectorTokens, admins }
}
