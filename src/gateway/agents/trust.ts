/** What the rules about signatures mean for a card that is known already, and for an agent that is to be registered. */
import { within } from '../../platform/aborts.ts'
import type { FetchCard, SignatureRules } from '../../ports.ts'
import type { Agent } from './agent.ts'
import type { ParsedRegistration } from './registration.ts'
import { digestOf } from './signatures.ts'
import { headerOf } from './writes.ts'

/** The rules that hold for an agent. */
export type Rules = (agent: Pick<Agent, 'registration'>) => SignatureRules

/** A card that was found good by other rules than those of now is not shown and not used until it has been fetched again. */
export function withTrustedCard(agent: Agent, rules: SignatureRules): Agent {
  const { card, identity } = agent
  if (!card || rules.policy !== 'required') return agent
  if (identity?.signatures.state === 'verified' && identity.rules === digestOf(rules)) return agent
  const { card: _, cardFetchedAt: __, ...without } = agent
  return without
}

/** An agent need not be up to be registered; one that is, is looked at. */
const REGISTER_FETCH_MS = 5_000

export function createCardRefusal(fetchCard: FetchCard, rules: Rules) {
  return async ({ registration, credentials }: ParsedRegistration, tenant: string): Promise<string | undefined> => {
    const { name, connector } = registration
    const signatures = rules({ registration })
    const { policy, keys, keyOrigins } = signatures
    if (connector.kind !== 'a2a' || policy === 'off') return undefined
    if (policy === 'if-present' && keys.length + keyOrigins.length === 0) return undefined
    const headers = credentials ? headerOf(credentials) : {}
    const target = { tenant, name, url: connector.url, headers, signatures }
    const fetched = await within(REGISTER_FETCH_MS, (signal) => fetchCard(target, signal))
    const { verdict } = fetched.kind === 'failed' ? fetched : { verdict: undefined }
    return verdict?.kind === 'refused' && verdict.code === 'CARD_SIGNATURE' ? verdict.reason : undefined
  }
}
