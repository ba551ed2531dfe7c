/** Who signs for this gateway, and whose signatures count for it. */
import { readFileSync } from 'node:fs'
import { type Config, ConfigError } from './config.ts'
import { rulesOf } from './gateway/agents/signatures.ts'
import { openSigningKeys } from './gateway/callers/signingKeys.ts'
import type { Ground } from './ground.ts'
import type { SignatureRules } from './ports.ts'
import { createSigner, generateSigningKey, type Signer } from './wire/bindings/signing.ts'

/** Who signs, and the keys that all replicas share. */
export async function buildSigner({ db, seal, clock, loopTools, now, config, limits, url }: Ground) {
  let signer: Signer | undefined
  const signingKeys = await openSigningKeys({
    ...{ db, seal, clock, loopTools, now },
    generate: generateSigningKey,
    async use(ring) {
      if (signer) await signer.use(ring)
      else signer = await createSigner({ ...ring, issuer: url, jwksUrl: () => `${url()}/.well-known/jwks.json` })
    },
    graceSeconds: config.keyGraceSeconds,
    everyMs: limits.signingKeysEveryMs,
  })
  if (!signer) throw new Error('no signing key')
  return { signer, signingKeys }
}

/** Whose signatures on cards count. Throws a ConfigError for a file that is not there and keys that are none. */
export function trustIn({ cardSignatures: policy, cardKeys, cardKeyOrigins: keyOrigins }: Config): SignatureRules {
  try {
    const keys = cardKeys === undefined || /^\s*[[{]/.test(cardKeys) ? cardKeys : readFileSync(cardKeys, 'utf8')
    return rulesOf({ policy, keys, keyOrigins })
  } catch (error) {
    throw new ConfigError([
      { setting: 'WAYPOST_CARD_KEYS, WAYPOST_CARD_KEY_ORIGINS', problem: (error as Error).message },
    ])
  }
}
