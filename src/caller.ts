/** Who is calling, and what he may. */
/**
 * What a caller may do. `admin`: everything in its tenant; `operator`: that in every tenant, and what concerns the gateway
 * itself; `agent`: what a mailbox agent's token has; `card`: see agents; `observe`: see how everybody's tasks fare, not
 * what they say.
 */
export type Permit = 'operator' | 'admin' | 'send' | 'read' | 'cancel' | 'push' | 'agent' | 'card' | 'observe'

/** The tenant of whoever has not been given another. */
export const DEFAULT_TENANT = 'default'

/** The authenticated party. Every lookup of a task is by (tenant, caller id, task id). */
export interface Caller {
  readonly tenant: string
  /** The owner of what it creates; survives the rotation of its keys. */
  readonly id: string
  readonly kind: 'key' | 'jwt' | 'anonymous' | 'agent' | 'local'
  readonly permits: ReadonlySet<Permit>
  /** Agents it may address; undefined: all of the tenant. */
  readonly agents?: ReadonlySet<string>
  /** Of these, those it may send to; undefined: all. */
  readonly sendTo?: ReadonlySet<string>
  /** By agent, the skills that it may ask of it. */
  readonly skills?: ReadonlyMap<string, ReadonlySet<string>>
  /** Mailboxes that it may collect from without being the agent itself. */
  readonly mailboxes?: ReadonlySet<string>
  /** How many messages its key may send, in place of what callers in general may; without a rate: any number. */
  readonly sendRate?: { readonly key: string; readonly rate: Rate | undefined }
}

/** Whoever may do everything in its tenant: an administrator of that tenant, or an operator of the gateway. */
export const isAdmin = ({ permits }: Caller): boolean => permits.has('admin') || permits.has('operator')

/** How often: a bucket that holds `burst` at most and is filled by `perSecond`. */
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** Who is calling, by the credentials in the headers. Rejects with UNAUTHENTICATED; never answers an empty caller (SR-05). */
export type Authenticate = (credentials: Credentials) => Promise<Caller>
export interface Credentials {
  readonly authorization?: string
  readonly apiKey?: string
  /** Names in the peer's certificate, which a CA of ours has signed. */
  readonly certificate?: readonly string[]
  /** What the header `x-forwarded-client-cert` says: worth something only from a proxy that is known. */
  readonly forwardedCertificate?: string
  /** The peer's address, for the brute-force limit. */
  readonly remote: string
  /** The agent addressed, if any: an agent with `access: anonymous` takes callers without credentials. */
  readonly agent?: string
}

/** `off`, or a number a second and, after a slash, how many at once (default: twice the number, at least 1). */
const RATE_FORM = /^(off|\d{1,7}(\.\d{1,3})?(\/\d{1,7})?)$/

/** undefined: no limit, or not in the form. Nothing is allowed to be never: a rate of 0 is refused by `isRate`. */
export function parseRate(text: string): Rate | undefined {
  if (text === 'off' || !isRate(text)) return undefined
  const [perSecond = 0, burst = Math.max(1, Math.ceil(perSecond * 2))] = text.split('/').map(Number)
  return { perSecond, burst }
}

export const isRate = (text: string): boolean =>
  RATE_FORM.test(text) && (text === 'off' || text.split('/').every((part) => Number(part) > 0))
