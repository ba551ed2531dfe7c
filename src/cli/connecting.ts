/**
 * From `-a` and the credentials that were given to a client that may speak. A credential goes where the card's security
 * scheme wants it (A2A §7.3), and to nobody who has not said that he takes it: a card is asked for without one first.
 */
import type { Clock } from '../platform/clock.ts'
import { type A2AClient, createA2AClient } from './a2aClient.ts'
import { type FoundCard, type ResolvedAgent, resolveAgent } from './agentRef.ts'
import type { Gateway, Http } from './client.ts'
import { STORE_AND_FORWARD } from './deliveryFacts.ts'
import { CliError, usage } from './errors.ts'
import type { Output } from './output.ts'
import { A2A_VERSION, speaks } from './protocolVersion.ts'
import type { TlsOptions } from './tls.ts'
import { openTokenStore, type StoredToken, type TokenStore } from './tokenStore.ts'

/** What it takes of a call. */
export interface Connecting {
  option(flag: string): string | undefined
  list(flag: string): readonly string[]
  readonly http: Http
  readonly gateway: Gateway
  readonly signal: AbortSignal
  readonly out: Output
  readonly clock: Clock
  readonly program: string
  readonly tokensPath: string
  readonly serviceParameters: Readonly<Record<string, string>>
  readonly tls: TlsOptions | undefined
}

/** What goes with every request. */
interface Credential {
  readonly headers: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
}
const NONE: Credential = { headers: {} }

interface Scheme {
  readonly apiKeySecurityScheme?: { readonly location?: string; readonly name: string }
  readonly httpAuthSecurityScheme?: { readonly scheme?: string }
  readonly oauth2SecurityScheme?: object
  readonly openIdConnectSecurityScheme?: object
}
const schemesOf = (card: FoundCard): readonly Scheme[] => Object.values((card.securitySchemes ?? {}) as object)

export async function connect(call: Connecting, instead?: () => Promise<string>): Promise<A2AClient> {
  const ref = call.option('agent-card') ?? (await instead?.())
  if (!ref)
    throw usage('which agent? -a/--agent-card is missing', '-a @name, -a https://agent.example.test, or a card file')
  const version = versionOf(call)
  const agent = await resolveAgent(ref, { ...call, answerChallenge: (challenge) => challenged(challenge, call) })
  const credential = await credentialFor(agent, call)
  const { http, signal, serviceParameters, out } = call
  const { activate, missing } = extensionsOf(agent.card, call.list('extension'))
  return createA2AClient({
    agent,
    http,
    signal,
    headers: {
      ...credential.headers,
      ...(activate.length > 0 && { 'A2A-Extensions': activate.join(', ') }),
      ...serviceParameters,
    },
    ...(credential.query && { query: credential.query }),
    authorized: credential !== NONE,
    missingExtensions: missing,
    version,
    transports: call.list('transport'),
    trace: out.debug,
    tls: call.tls,
  })
}

/** Never empty, which would mean 0.3, and never a version that this program does not speak (a2a-cli §13.2). */
function versionOf(call: Connecting): string {
  const version = call.option('a2a-version') ?? A2A_VERSION
  if (speaks(version)) return version
  throw new CliError('VersionNotSupportedError', `this client speaks A2A ${A2A_VERSION}, not "${version}"`, {
    hint: `reach an older agent through the gateway, which translates: ${call.program} agent add <url>`,
  })
}

/** Extensions that the agent requires are declared if we know them or the user says that he does (A2A §4.6). */
function extensionsOf(card: FoundCard, known: readonly string[]) {
  const offered = Array.isArray(card.capabilities?.extensions) ? card.capabilities.extensions : []
  const required = offered.filter(({ required: must }) => must === true).map(({ uri }) => uri)
  const understood = new Set([STORE_AND_FORWARD, ...known])
  return {
    activate: [...new Set([...required.filter((uri) => understood.has(uri)), ...known])],
    missing: required.filter((uri) => !understood.has(uri)),
  }
}

/** A card that is not public: the way in is what its server names in the challenge, if we were given that. */
function challenged(challenge: string, call: Connecting): Readonly<Record<string, string>> {
  const [bearer, apiKey] = [call.option('bearer'), call.option('api-key')]
  return {
    ...call.serviceParameters,
    ...(bearer && /\bbearer\b/i.test(challenge) && { authorization: `Bearer ${bearer}` }),
    ...(apiKey && /\bapi-?key\b/i.test(challenge) && { 'X-API-Key': apiKey }),
  }
}

async function credentialFor(agent: ResolvedAgent, call: Connecting): Promise<Credential> {
  const [bearer, apiKey] = [call.option('bearer'), call.option('api-key')]
  if (bearer) return { headers: { authorization: `Bearer ${bearer}` } }
  // The gateway's own key goes to the gateway only.
  if (agent.atGateway && !('authorization' in call.serviceParameters)) {
    const key = apiKey ?? call.gateway.key
    if (key) return { headers: { authorization: `Bearer ${key}` } }
  }
  if (apiKey) return keyed(apiKey, agent.card)
  const token = await storedToken(agent, call)
  return token ? { headers: { authorization: `Bearer ${token}` } } : NONE
}

/** An API key in the header, the query or the cookie that the card names (A2A §4.5.2). */
function keyed(key: string, card: FoundCard): Credential {
  const schemes = schemesOf(card)
  const { location, name = 'X-API-Key' } =
    schemes.find(({ apiKeySecurityScheme }) => apiKeySecurityScheme)?.apiKeySecurityScheme ?? {}
  if (location === 'query') return { headers: {}, query: { [name]: key } }
  if (location === 'cookie') return { headers: { cookie: `${name}=${key}` } }
  return { headers: { [name]: key } }
}

/** What `auth login` has got for this card, refreshed if need be. */
async function storedToken(agent: ResolvedAgent, call: Connecting): Promise<string | undefined> {
  const store = openTokenStore(call.tokensPath)
  const known = store.get(agent.source)
  if (!known) return undefined
  call.out.hide(known.accessToken)
  call.out.hide(known.refreshToken)
  if (!stillWanted(known, agent.card)) {
    call.out.warn(
      `warning: the card at ${agent.source} has moved or changed its security since you signed in; the token is not sent. Sign in again: ${call.program} auth login -a ${agent.ref}`,
    )
    return undefined
  }
  if (known.expiresAt === undefined || Date.parse(known.expiresAt) - call.clock.now().getTime() > EARLY_MS)
    return known.accessToken
  return renewed(known, agent, store, call)
}
const EARLY_MS = 10_000

/** A card that now sends us elsewhere, or no longer has the scheme, gets no token. */
function stillWanted({ scheme, origins }: StoredToken, card: FoundCard): boolean {
  return card.securitySchemes?.[scheme] !== undefined && originsOf(card).every((origin) => origins.includes(origin))
}

export const originsOf = (card: FoundCard): readonly string[] => [
  ...new Set((card.supportedInterfaces ?? []).flatMap(({ url }) => (URL.canParse(url) ? [new URL(url).origin] : []))),
]

async function renewed(known: StoredToken, agent: ResolvedAgent, store: TokenStore, call: Connecting): Promise<string> {
  const again = `${call.program} auth login -a ${agent.ref}`
  if (!known.refreshToken)
    throw new CliError('A2ACLI_ERR_CREDENTIALS_MISSING', 'the stored token has expired', { hint: again })
  const { refresh } = await import('./oauth.ts')
  const client = { id: known.clientId, secret: call.option('client-secret') }
  const granted = await refresh(known.tokenUrl, known.refreshToken, client, call)
  store.put(agent.source, { ...known, ...granted })
  call.out.hide(granted.accessToken)
  return granted.accessToken
}

/**
 * For the extended card: only by a scheme that the public card advertises (a2a-cli §12.4).
 * @throws CliError A2ACLI_ERR_CREDENTIALS_MISSING; nothing was sent
 */
export function mustBeAdvertised(card: FoundCard, call: Pick<Connecting, 'option' | 'program'>, ref: string): void {
  const schemes = schemesOf(card)
  const takesKey = schemes.some(({ apiKeySecurityScheme }) => apiKeySecurityScheme)
  const takesBearer = schemes.some(
    ({ httpAuthSecurityScheme: http, oauth2SecurityScheme, openIdConnectSecurityScheme }) =>
      oauth2SecurityScheme || openIdConnectSecurityScheme || http?.scheme?.toLowerCase() === 'bearer',
  )
  const unwanted = call.option('bearer') ? !takesBearer : call.option('api-key') ? !takesKey && !takesBearer : false
  if (!unwanted && (takesKey || takesBearer)) return
  const names = Object.keys(card.securitySchemes ?? {})
  throw new CliError(
    'A2ACLI_ERR_CREDENTIALS_MISSING',
    `the public card ${names.length > 0 ? `takes ${names.join(', ')}` : 'advertises no security scheme'}; nothing was sent`,
    { hint: `see what it takes: ${call.program} card get -a ${ref}` },
  )
}
