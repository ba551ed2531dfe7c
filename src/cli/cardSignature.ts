/** Whether an agent's card is signed by whom it should be (A2A §8.4.3), told as what it is: verified only if it was. */
import { readFileSync } from 'node:fs'
import { decodeProtectedHeader, type JSONWebKeySet } from 'jose'
import { verifyCard } from '../wire/bindings/cardTrust.ts'
import type { FoundCard } from './agentRef.ts'
import { readJson } from './client.ts'
import { usage } from './errors.ts'
import type { Invocation } from './invocation.ts'

export type SignatureOutcome =
  | { readonly kind: 'absent' }
  | { readonly kind: 'verified'; readonly by: string }
  | { readonly kind: 'unverifiable'; readonly why: string }

type Tools = Pick<Invocation, 'option' | 'http' | 'signal'>

/** `source`: where the card came from. Never fails because of the card: an outcome is an answer. */
export async function checkSignature(card: FoundCard, source: string, call: Tools): Promise<SignatureOutcome> {
  if (!Array.isArray(card.signatures) || card.signatures.length === 0) return { kind: 'absent' }
  try {
    const trusted = call.option('trust')
    if (trusted !== undefined) return judged(card, fromFile(trusted), trusted)
    const url = ownKeys(card, source)
    if (!url) return { kind: 'unverifiable', why: 'its keys are not at its own origin; name them: --trust <jwks file>' }
    const response = await call.http(url, {
      headers: { accept: 'application/json' },
      signal: call.signal,
      timeoutMs: 10_000,
    })
    const keys = response.ok ? await readJson(response) : undefined
    if (!keys) return { kind: 'unverifiable', why: `there are no keys at ${url}` }
    return await judged(card, keys as JSONWebKeySet, url)
  } catch (error) {
    if ((error as { code?: string }).code === 'A2ACLI_ERR_USAGE') throw error
    return { kind: 'unverifiable', why: (error as Error).message }
  }
}

async function judged(card: FoundCard, keys: JSONWebKeySet, by: string): Promise<SignatureOutcome> {
  const found = await verifyCard(card, keys)
  return found === 'verified'
    ? { kind: 'verified', by }
    : { kind: 'unverifiable', why: `no signature is by a key of ${by}` }
}

function fromFile(path: string): JSONWebKeySet {
  try {
    const keys = JSON.parse(readFileSync(path, 'utf8')) as JSONWebKeySet
    if (Array.isArray(keys.keys)) return keys
  } catch (error) {
    throw usage(`--trust: ${path} cannot be read: ${(error as Error).message}`)
  }
  throw usage(`--trust: ${path} is no JWKS`)
}

/** A `jku` may be anybody's. The one that counts lies where the card itself lies: then who serves the card has signed it. */
function ownKeys(card: FoundCard, source: string): string | undefined {
  if (!URL.canParse(source)) return undefined
  for (const { protected: header } of card.signatures ?? []) {
    const { jku } = decodeProtectedHeader({ protected: header })
    if (typeof jku === 'string' && URL.canParse(jku) && new URL(jku).origin === new URL(source).origin) return jku
  }
  return undefined
}
