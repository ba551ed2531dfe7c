/** Everybody who may ask, by what they are: keys made at a running gateway with two tenants. */
import { makeKey, revokeKey } from '../e2e/surfaces.ts'
import type { World } from '../support/world.ts'

export const PRINCIPALS = [
  'nobody',
  'made up',
  'expired',
  'revoked',
  'other tenant',
  'other tenant’s admin',
  'other owner',
  'owner',
  'reader',
  'observer',
  'only cards',
  'for another agent',
  'agent',
  'other agent',
  'admin',
  'operator',
] as const
export type Principal = (typeof PRINCIPALS)[number]

/** What nobody but its owner, and who may read everything, must ever see. */
export const CANARY = 'canary-8d20f4'
/** What is for its tenant only. */
export const PRIVATE = 'canary-2b7e91'

export const UNKNOWN: ReadonlySet<Principal> = new Set(['nobody', 'made up', 'expired', 'revoked'])
export const ELSEWHERE: ReadonlySet<Principal> = new Set(['other tenant', 'other tenant’s admin'])

type Wish = Parameters<typeof makeKey>[1] & { readonly tenant?: string; readonly scopes?: readonly string[] }
const WISHES: { readonly [P in Principal]?: Wish } = {
  expired: { caller: 'owner', ttlSeconds: 1 },
  revoked: { caller: 'owner' },
  'other tenant': { tenant: 'globex', caller: 'owner' },
  'other tenant’s admin': { tenant: 'globex', permits: ['admin'] },
  'other owner': { caller: 'other' },
  owner: { caller: 'owner' },
  reader: { caller: 'reader', scopes: ['task:read'] },
  observer: { caller: 'observer', permits: ['observe'] },
  'only cards': { caller: 'cards', scopes: ['card:read'] },
  'for another agent': { caller: 'elsewhere', agents: ['other'] },
  admin: { caller: 'admin', permits: ['admin'] },
}

/** undefined: no credential. */
export type Keys = Readonly<Record<Principal, string | undefined>>

export async function makePrincipals(world: World): Promise<Keys> {
  const keys: Record<string, string | undefined> = {
    nobody: undefined,
    'made up': `wp_0123456789abcdef_${'x'.repeat(49)}`,
    operator: world.gateway.adminKey,
  }
  for (const [name, wish] of Object.entries(WISHES)) {
    const { id, key } = await makeKey(world, wish as never)
    keys[name] = key
    if (name === 'revoked') await revokeKey(world, id)
  }
  keys.agent = await tokenOf(world, 'box')
  keys['other agent'] = await tokenOf(world, 'other')
  return keys as Keys
}

async function tokenOf(world: World, agent: string): Promise<string> {
  const response = await fetch(`${world.gateway.url}/v1/agents/${agent}/rotate-key`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.gateway.adminKey}` },
  })
  if (!response.ok) throw new Error(await response.text())
  return ((await response.json()) as { token: string }).token
}
