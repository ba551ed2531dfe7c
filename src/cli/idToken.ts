/** OpenID Connect Core §3.1.3.7: an identity token is believed only if its issuer has signed it, for us, and lately. */
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { CliError } from './errors.ts'

export interface IdTokenRules {
  readonly issuer: string
  readonly audience: string
  /** The issuer's JWKS, as it was fetched. */
  readonly keys: unknown
}

/** @throws CliError A2ACLI_ERR_AUTH_FAILED */
export async function verifyIdToken(token: string, { issuer, audience, keys }: IdTokenRules): Promise<void> {
  try {
    await jwtVerify(token, createLocalJWKSet(keys as JSONWebKeySet), { issuer, audience })
  } catch (error) {
    throw new CliError('A2ACLI_ERR_AUTH_FAILED', `the identity token is not ${issuer}'s: ${(error as Error).message}`, {
      hint: 'the authorization server does not do what its discovery document says; ask who runs it',
    })
  }
}
