/**
 * OAuth 2.1 for a command line: the device code flow (RFC 8628), client credentials, refreshing; and OpenID Connect,
 * whose discovery document says where the endpoints are. What an agent wants is in its card (A2A §4.5).
 */
import type { Clock } from '../platform/clock.ts'
import type { FoundCard } from './agentRef.ts'
import { type Http, readJson } from './client.ts'
import { CliError } from './errors.ts'
import { verifyIdToken } from './idToken.ts'

export interface OAuthTools {
  readonly http: Http
  readonly clock: Clock
  readonly signal: AbortSignal
}

export interface OAuthClient {
  readonly id: string
  readonly secret?: string | undefined
}

export interface Endpoints {
  /** The card's name for the scheme. */
  readonly scheme: string
  readonly tokenUrl: string
  readonly deviceUrl?: string
  readonly clientCredentials: boolean
  readonly scopes: readonly string[]
  /** With OpenID Connect: whose tokens these are, and where their keys are. */
  readonly issuer?: string
  readonly jwksUrl?: string
}

export interface Granted {
  readonly accessToken: string
  readonly refreshToken?: string
  readonly expiresAt?: string
}

export interface DeviceCode {
  readonly url: string
  readonly code: string
}

interface Flow {
  readonly tokenUrl?: string
  readonly deviceAuthorizationUrl?: string
  readonly scopes?: Readonly<Record<string, string>>
}
interface Scheme {
  readonly oauth2SecurityScheme?: { readonly flows?: Readonly<Record<string, Flow>> }
  readonly openIdConnectSecurityScheme?: { readonly openIdConnectUrl?: string }
}

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/** Secrets and tokens travel encrypted, or not off this machine. */
function secure(url: string | undefined, what: string): string {
  const at = url !== undefined && URL.canParse(url) ? new URL(url) : undefined
  if (at && (at.protocol === 'https:' || (at.protocol === 'http:' && LOOPBACK.test(at.hostname)))) return at.href
  throw new CliError('A2ACLI_ERR_CARD_INVALID', `the card's ${what} must be an https URL, not ${url ?? 'nothing'}`, {
    hint: 'ask who runs the agent to correct its card',
  })
}

const REQUEST_MS = 30_000

/** What the card offers to a program without a browser; undefined: nothing. `wanted` names one of its schemes. */
export async function findEndpoints(
  card: FoundCard,
  tools: OAuthTools,
  wanted?: string,
): Promise<Endpoints | undefined> {
  for (const [scheme, given] of Object.entries((card.securitySchemes ?? {}) as Record<string, Scheme>)) {
    if (wanted !== undefined && scheme !== wanted) continue
    const { deviceCode, clientCredentials } = given.oauth2SecurityScheme?.flows ?? {}
    const flow = deviceCode ?? clientCredentials
    if (flow) {
      return {
        scheme,
        tokenUrl: secure(flow.tokenUrl, 'tokenUrl'),
        ...(deviceCode && { deviceUrl: secure(deviceCode.deviceAuthorizationUrl, 'deviceAuthorizationUrl') }),
        clientCredentials: clientCredentials !== undefined,
        scopes: Object.keys(flow.scopes ?? {}),
      }
    }
    const discovery = given.openIdConnectSecurityScheme?.openIdConnectUrl
    if (discovery) return discover(scheme, secure(discovery, 'openIdConnectUrl'), tools)
  }
  return undefined
}

async function discover(scheme: string, url: string, { http, signal }: OAuthTools): Promise<Endpoints> {
  const response = await http(url, { headers: { accept: 'application/json' }, signal, timeoutMs: REQUEST_MS })
  const said = (await readJson(response)) as Record<string, unknown> | undefined
  const text = (name: string) => (typeof said?.[name] === 'string' ? (said[name] as string) : undefined)
  const issuer = text('issuer')
  // OpenID Connect Discovery §4.3: another issuer's document is no document.
  if (!response.ok || !issuer || !url.startsWith(issuer.replace(/\/$/, ''))) {
    throw new CliError('A2ACLI_ERR_AUTH_FAILED', `${url} is no OpenID Connect discovery document`, {
      hint: 'see what it says: repeat the command with --debug',
    })
  }
  const [deviceUrl, jwksUrl] = [text('device_authorization_endpoint'), text('jwks_uri')]
  const grants = said?.grant_types_supported
  return {
    scheme,
    tokenUrl: secure(text('token_endpoint'), 'token_endpoint'),
    ...(deviceUrl && { deviceUrl: secure(deviceUrl, 'device_authorization_endpoint') }),
    clientCredentials: Array.isArray(grants) ? grants.includes('client_credentials') : deviceUrl === undefined,
    scopes: ['openid'],
    issuer,
    ...(jwksUrl && { jwksUrl: secure(jwksUrl, 'jwks_uri') }),
  }
}

export async function clientCredentials(
  ends: Endpoints,
  client: OAuthClient,
  scopes: readonly string[],
  tools: OAuthTools,
) {
  const form = { grant_type: 'client_credentials', ...(scopes.length > 0 && { scope: scopes.join(' ') }) }
  return granted(await askToken(ends.tokenUrl, form, client, tools), ends, client, tools)
}

export async function refresh(
  tokenUrl: string,
  token: string,
  client: OAuthClient,
  tools: OAuthTools,
): Promise<Granted> {
  const answer = await askToken(tokenUrl, { grant_type: 'refresh_token', refresh_token: token }, client, tools)
  const next = grant(answer, tools.clock)
  return { ...next, refreshToken: next.refreshToken ?? token }
}

export interface DeviceLogin {
  readonly client: OAuthClient
  readonly scopes: readonly string[]
  /** Tells a person where to go; called once. */
  readonly show: (code: DeviceCode) => void
}

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** RFC 8628: shows the code, then asks at the pace that the server wants until somebody has decided. */
export async function deviceCode(ends: Endpoints, { client, scopes, show }: DeviceLogin, tools: OAuthTools) {
  const asked = { client_id: client.id, ...(scopes.length > 0 && { scope: scopes.join(' ') }) }
  const { ok, said } = await post(ends.deviceUrl as string, asked, {}, tools)
  const [code, url] = [said.user_code, said.verification_uri_complete ?? said.verification_uri]
  if (!ok || typeof said.device_code !== 'string' || typeof url !== 'string') throw refused(said)
  show({ url, code: String(code) })
  const { clock, signal } = tools
  const until = clock.now().getTime() + Number(said.expires_in ?? 600) * 1_000
  let everyMs = Number(said.interval ?? 5) * 1_000
  while (clock.now().getTime() < until) {
    await clock.sleep(everyMs, signal)
    signal.throwIfAborted()
    const form = { grant_type: DEVICE_GRANT, device_code: said.device_code, client_id: client.id }
    const answer = await askToken(ends.tokenUrl, form, client, tools, ['authorization_pending', 'slow_down'])
    // RFC 8628 §3.5: five seconds more, from now on.
    if (answer.error === 'slow_down') everyMs += 5_000
    else if (answer.error === undefined) return granted(answer, ends, client, tools)
  }
  throw new CliError('A2ACLI_ERR_TIMEOUT', 'nobody has approved the code in time', { hint: 'run auth login again' })
}

type Said = Readonly<Record<string, unknown>>

/** `waits`: errors that are an answer. */
async function askToken(
  url: string,
  form: Readonly<Record<string, string>>,
  { id, secret }: OAuthClient,
  tools: OAuthTools,
  waits: readonly string[] = [],
): Promise<Said> {
  const basic = secret && Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')
  const body = basic ? form : { client_id: id, ...form }
  const { ok, said } = await post(url, body, basic ? { authorization: `Basic ${basic}` } : {}, tools)
  if (ok || waits.includes(String(said.error))) return said
  throw refused(said)
}

async function post(
  url: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>>,
  { http, signal }: OAuthTools,
): Promise<{ ok: boolean; said: Said }> {
  const response = await http(url, {
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(form).toString(),
    signal,
    timeoutMs: REQUEST_MS,
  })
  return { ok: response.ok, said: ((await readJson(response)) ?? {}) as Said }
}

const refused = ({ error, error_description: why }: Said): CliError =>
  new CliError(
    'A2ACLI_ERR_AUTH_FAILED',
    `the authorization server refused: ${String(why ?? error ?? 'no reason given')}`,
    {
      hint: 'check --client-id, the client secret and --scope; what was exchanged: --debug',
      ...(typeof error === 'string' && { a2aCode: error }),
    },
  )

/** With OpenID Connect an identity token that comes along must be the issuer's and for us. */
async function granted(said: Said, ends: Endpoints, client: OAuthClient, tools: OAuthTools): Promise<Granted> {
  if (ends.issuer !== undefined && typeof said.id_token === 'string') {
    const keys = ends.jwksUrl && (await readJson(await tools.http(ends.jwksUrl, { signal: tools.signal })))
    await verifyIdToken(said.id_token, { issuer: ends.issuer, audience: client.id, keys })
  }
  return grant(said, tools.clock)
}

function grant(said: Said, clock: Clock): Granted {
  if (typeof said.access_token !== 'string') throw refused({ error: 'an answer without an access token' })
  const seconds = Number(said.expires_in)
  return {
    accessToken: said.access_token,
    ...(typeof said.refresh_token === 'string' && { refreshToken: said.refresh_token }),
    ...(seconds > 0 && { expiresAt: new Date(clock.now().getTime() + seconds * 1_000).toISOString() }),
  }
}
