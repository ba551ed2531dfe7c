/** Who may come in, how much of it, and where we may go in return. */
import { resolveTxt } from 'node:dns/promises'
import type { Agent } from './gateway/agents/agent.ts'
import { createAuthenticate, TOKENS } from './gateway/callers/authenticate.ts'
import { createNoteDenial } from './gateway/callers/denials.ts'
import type { Issuer } from './gateway/callers/issuers.ts'
import { createQuotas, parseRate } from './gateway/callers/quotas.ts'
import { createTokenVerifier } from './gateway/callers/tokens.ts'
import { createUsage, quotaOf } from './gateway/callers/usage.ts'
import { createConsent } from './gateway/forwarder/consent.ts'
import { createHostRoom } from './gateway/forwarder/hostRoom.ts'
import type { Ground } from './ground.ts'
import { RESOURCE_METADATA } from './http/wellKnown.ts'
import { certificatesIn, quotasIn, resourceMetadata } from './issuers.ts'
import type { Egress } from './platform/egress.ts'
import type { Caller, ChallengeWebhook } from './ports.ts'
import { reseal } from './reseal.ts'

export interface GuardTools {
  readonly issuers: readonly Issuer[]
  readonly findOpen: (name: string) => Promise<Agent | undefined>
}

/** Who is calling, and what is written down of whom was not let in. */
export function buildGuards(
  { db, clock, signals, limits, secrets, seal, config, url, loopTools }: Ground,
  egress: Egress,
  { issuers, findOpen }: GuardTools,
) {
  const certificates = certificatesIn(config)
  const tokens = issuers.length > 0 ? createTokenVerifier({ egress, clock, issuers }) : undefined
  const authenticate = createAuthenticate({
    db,
    clock,
    signals,
    ...(tokens && { tokens, challenge: () => `resource_metadata="${url()}${RESOURCE_METADATA}"` }),
    ...(certificates && { certificates }),
    adminKey: secrets.adminKey,
    auth: config.auth,
    async openTenant(name) {
      const agent = await findOpen(name)
      return agent?.policy.access === 'anonymous' ? agent.tenant : undefined
    },
    limits,
  })
  const refreshIssuers = async () => {
    const answers = (await tokens?.refresh()) ?? []
    authenticate.forget(TOKENS)
    return answers
  }
  const metadataOf = (resource: string) => resourceMetadata(issuers, resource)
  const noteDenial = createNoteDenial({ db, clock, onError: (error) => loopTools.onError('audit', error) })
  return { authenticate, noteDenial, refreshIssuers, metadataOf, reseal: (by: Caller) => reseal({ db, seal }, by) }
}

/** How often callers may ask, and what tenants may have. */
export function roomIn({ db, clock, config, loopTools }: Ground) {
  const tenantQuotas = quotasIn(config)
  return {
    quotas: createQuotas({
      clock,
      sends: parseRate(config.sendRate),
      others: parseRate(config.requestRate),
      tenantSends: parseRate(config.tenantSendRate),
      rateOfTenant(tenant) {
        const own = quotaOf(tenantQuotas, tenant)?.sendRate
        return own === undefined ? undefined : { rate: parseRate(own) }
      },
    }),
    usage: createUsage({ db, clock, quotas: tenantQuotas, onError: (error) => loopTools.onError('usage', error) }),
  }
}

export type Room = ReturnType<typeof roomIn>

/** Who must have agreed before anything is sent there. */
export const consentIn = (
  { db, clock, config, url, overrides }: Ground,
  { challengeWebhook }: { readonly challengeWebhook: ChallengeWebhook },
) =>
  createConsent({
    db,
    clock,
    mode: config.webhookProof,
    challenge: challengeWebhook,
    resolveTxt: overrides.resolveTxt ?? resolveTxt,
    domains: config.webhookDomains ?? [],
    gatewayHost: () => new URL(url()).hostname,
    hostRoom: hostRoomIn(config.webhookHostRate, clock),
    hostRoomOf: config.webhookHostRate === undefined ? 'strangers' : 'all',
  })

/** What is sent to one host, where nobody has said it. */
const STRANGERS_RATE = '50/100'

function hostRoomIn(rate: string = STRANGERS_RATE, clock: Ground['clock']) {
  const parsed = parseRate(rate)
  return parsed && createHostRoom({ clock, rate: parsed })
}
