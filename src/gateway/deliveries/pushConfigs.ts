/** A push configuration between its caller and the store: checked, sealed, shown without its secrets. */
import { A2AError } from '../../a2a/errors.ts'
import type { TaskPushNotificationConfig } from '../../a2a/push.ts'
import { sha256, uuidv7 } from '../../platform/ids.ts'
import type { Seal } from '../../platform/seal.ts'
import type { WebhookLoad } from '../../store/deliveries.ts'
import type { PushConfigRow } from '../../store/pushConfigs.ts'

export interface PushConfigTools {
  readonly seal: Seal
  /** Why an address is not to be called; undefined: it may be. */
  readonly checkUrl: (url: string) => string | undefined
}

export interface PushConfigPlace {
  readonly tenant: string
  readonly taskId: string
  /** The wire version it is registered in: its payloads keep it (D16). */
  readonly version: string
}

export type PushSecret = 'token' | 'credentials' | 'secret'
/** Where a secret of a config stands: sealed for this place, it opens nowhere else. */
export const pushSecretPlace = (place: { tenant: string; taskId: string }, id: string, field: PushSecret): string =>
  `${place.tenant}/push_configs/${place.taskId}/${id}/${field}`

/** One lane per receiver: its own breaker and its own places, so that a dead one delays nobody. */
export const webhookDestination = (url: string): string => `webhook:${new URL(url).origin}/${sha256(url).slice(0, 12)}`

/** A token of this form is a Standard Webhooks secret: it signs and is never sent. */
const SIGNING_SECRET = /^whsec_[A-Za-z0-9+/=_-]{24,}$/

/** Checks and seals. Throws INVALID_PARAMS with the reason why the address or the scheme is refused. */
export function sealPushConfig(
  config: TaskPushNotificationConfig,
  place: PushConfigPlace,
  { seal, checkUrl }: PushConfigTools,
): PushConfigRow {
  const refused = checkUrl(config.url)
  if (refused)
    throw new A2AError('INVALID_PARAMS', `url: ${refused}`, { violations: [{ field: 'url', description: refused }] })
  checkAuthentication(config)
  const id = config.id || uuidv7()
  const sealed = (field: PushSecret, text: string | undefined) =>
    text ? seal.seal(text, pushSecretPlace(place, id, field)) : null
  const signs = config.token !== undefined && SIGNING_SECRET.test(config.token)
  return {
    ...place,
    id,
    url: config.url,
    destination: webhookDestination(config.url),
    token: sealed('token', signs ? undefined : config.token),
    secret: sealed('secret', signs ? config.token : undefined),
    scheme: config.authentication?.scheme ?? null,
    credentials: sealed('credentials', config.authentication?.credentials),
  }
}

/** A token (RFC 9110 §5.6.2); the registered ones have at most a dozen characters. */
const SCHEME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/

function checkAuthentication({ authentication }: TaskPushNotificationConfig): void {
  if (!authentication) return
  const refuse = (description: string) =>
    new A2AError('INVALID_PARAMS', `authentication: ${description}`, {
      violations: [{ field: 'authentication', description }],
    })
  if (!SCHEME.test(authentication.scheme)) throw refuse('the scheme must be one word, as in an Authorization header')
  const scheme = authentication.scheme.toLowerCase()
  if (scheme === 'digest') throw refuse('Digest needs a challenge from the receiver and cannot be sent unasked')
  const decoded = Buffer.from(authentication.credentials ?? '', 'base64').toString('latin1')
  if (scheme === 'basic' && !decoded.includes(':'))
    throw refuse('Basic credentials are base64 of user:password (RFC 7617)')
}

/** As its owner sees it: the secrets are write-only (SR-22). */
export function showPushConfig(row: PushConfigRow): TaskPushNotificationConfig {
  return {
    id: row.id,
    taskId: row.taskId,
    url: row.url,
    ...(row.scheme && { authentication: { scheme: row.scheme } }),
  }
}

/** The secrets of a config, for the request that needs them. */
export function openPushSecrets(
  load: WebhookLoad,
  place: { tenant: string; taskId: string; configId: string },
  seal: Seal,
) {
  const opened = (field: PushSecret, text: string | null) =>
    text ? seal.open(text, pushSecretPlace(place, place.configId, field)) : undefined
  const token = opened('token', load.token)
  const secret = opened('secret', load.secret)
  const credentials = opened('credentials', load.credentials)
  return {
    ...(token && { token }),
    ...(secret && { secret }),
    ...(load.scheme && { authentication: { scheme: load.scheme, ...(credentials && { credentials }) } }),
  }
}
