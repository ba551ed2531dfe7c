/**
 * Every setting, once: name, default, meaning, secrecy. Help, the README's table, `config show` and
 * `schemas/config.schema.json` are made from it. Flags > environment > `waypost.config.json` > default.
 */
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { z } from 'zod'

export interface Setting<T = unknown> {
  readonly env: string
  readonly flag: string
  readonly schema: z.ZodType<T>
  readonly means: string
  readonly secret?: boolean
}

const setting = <T>(env: string, flag: string, schema: z.ZodType<T>, means: string, secret = false): Setting<T> => ({
  env,
  flag,
  schema,
  means,
  ...(secret && { secret }),
})

const port = (fallback: number) => z.coerce.number().int().min(0).max(65_535).default(fallback)
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean),
)

/** `off`, or a number a second and, after a slash, how many at once; kept as text. */
const rate = z.string().regex(/^(off|(?!0+(\.0+)?(\/|$))\d{1,7}(\.\d{1,3})?(\/(?!0+$)\d{1,7})?)$/, {
  error: 'a number a second and, after a slash, how many at once (50/200), or off',
})
const rateSetting = (env: string, flag: string, fallback: string, means: string) =>
  setting(env, flag, rate.default(fallback), means)

/** A number of days, parts of one too, or `off`; kept as text. */
const daysSetting = (env: string, flag: string, fallback: string, means: string) =>
  setting(
    env,
    flag,
    z.coerce
      .string()
      .regex(/^(off|\d{1,5}(\.\d{1,9})?)$/, { error: 'a number of days (30, 0.5), or off' })
      .default(fallback),
    means,
  )

/** Days of such a setting; Infinity: for ever. */
export const daysOf = (text: string): number => (text === 'off' || Number(text) === 0 ? Infinity : Number(text))

export const SETTINGS = {
  databaseUrl: setting(
    'DATABASE_URL',
    'database-url',
    z
      .string()
      .regex(/^postgres(ql)?:\/\//, { error: 'a postgres:// URL' })
      .optional(),
    'Postgres to keep tasks in; unset: an embedded database in the data directory',
    true,
  ),
  dataDir: setting(
    'WAYPOST_DATA',
    'data',
    z.string().min(1).default('./.waypost'),
    'data directory: embedded database, keys, lock, local socket',
  ),
  host: setting('HOST', 'host', z.string().min(1).default('127.0.0.1'), 'address to listen on'),
  port: setting('PORT', 'port', port(4280), 'HTTP port; 0: any free one'),
  grpcPort: setting('GRPC_PORT', 'grpc-port', port(4281), 'gRPC port; 0: off'),
  tlsCert: setting(
    'WAYPOST_TLS_CERT',
    'tls-cert',
    z.string().min(1).optional(),
    'PEM file with the certificate chain of the HTTP port; with WAYPOST_TLS_KEY. A changed file is read again by itself (default: HTTP in the clear)',
  ),
  tlsKey: setting(
    'WAYPOST_TLS_KEY',
    'tls-key',
    z.string().min(1).optional(),
    'PEM file with the private key for WAYPOST_TLS_CERT',
  ),
  tlsClientCa: setting(
    'WAYPOST_TLS_CLIENT_CA',
    'tls-client-ca',
    z.string().min(1).optional(),
    'PEM file with the authorities whose client certificates count, on the HTTP port and on the gRPC port if it has TLS',
  ),
  tlsClients: setting(
    'WAYPOST_TLS_CLIENTS',
    'tls-clients',
    z.enum(['optional', 'required']).default('optional'),
    'with WAYPOST_TLS_CLIENT_CA: whether one without such a certificate may connect at all',
  ),
  clientIdentities: setting(
    'WAYPOST_CLIENT_IDENTITIES',
    'client-identities',
    z.string().min(1).optional(),
    'who is known by a client certificate: a JSON document by the name in it (SAN URI or DNS) with tenant, caller, permits, or the path of a file that holds it',
  ),
  trustedProxies: setting(
    'WAYPOST_TRUSTED_PROXIES',
    'trusted-proxies',
    list.optional(),
    'networks (CIDR, comma-separated) of proxies whose X-Forwarded-Client-Cert is believed; nobody else’s is',
  ),
  grpcTlsCert: setting(
    'GRPC_TLS_CERT',
    'grpc-tls-cert',
    z.string().min(1).optional(),
    'PEM file with the certificate chain of the gRPC port; with GRPC_TLS_KEY (default: HTTP/2 in the clear)',
  ),
  grpcTlsKey: setting(
    'GRPC_TLS_KEY',
    'grpc-tls-key',
    z.string().min(1).optional(),
    'PEM file with the private key for GRPC_TLS_CERT',
  ),
  grpcPublicAddress: setting(
    'GRPC_PUBLIC_ADDRESS',
    'grpc-public-address',
    z
      .string()
      .regex(/^(https?:\/\/)?(\{agent\}\.)?([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:.]+\])(:\d{1,5})?$/, {
        error: 'host:port, with {agent}. before the host where each agent has a name of its own',
      })
      .optional(),
    'where clients reach the gRPC port, as agent cards say it: host:port, or {agent}.host:port where each agent has a name of its own, which A2A 0.3 needs (default: the host of PUBLIC_URL with GRPC_PORT)',
  ),
  publicUrl: setting(
    'PUBLIC_URL',
    'public-url',
    z.url().optional(),
    'where clients reach this gateway; goes into every agent card and link (default http://localhost:<port>)',
  ),
  cardsDir: setting(
    'WAYPOST_CARDS',
    'cards',
    z.string().min(1).default('./agent-cards'),
    'folder of agents provisioned at start',
  ),
  auth: setting(
    'WAYPOST_AUTH',
    'auth',
    z.enum(['required', 'off']).default('required'),
    'required, or off (on a loopback bind only)',
  ),
  enroll: setting(
    'WAYPOST_ENROLL',
    'enroll',
    z.enum(['loopback', 'off']).default('loopback'),
    'who may register a mailbox agent without a key',
  ),
  adminKey: setting(
    'WAYPOST_ADMIN_KEY',
    'admin-key',
    z
      .string()
      .regex(/^wp_[A-Za-z0-9]{1,32}_[A-Za-z0-9_-]{32,}$/, {
        error: 'wp_<id>_<secret>, the secret at least 32 characters',
      })
      .optional(),
    "the operator's key; made at the first start, in the data directory",
    true,
  ),
  masterKey: setting(
    'WAYPOST_MASTER_KEY',
    'master-key',
    z
      .string()
      .regex(/^[A-Za-z0-9+/_-]{43}=?$/, { error: '32 bytes as base64' })
      .optional(),
    'encrypts stored credentials; made at the first start; must be given with DATABASE_URL',
    true,
  ),
  masterKeyOthers: setting(
    'WAYPOST_MASTER_KEY_OTHERS',
    'master-key-others',
    list.optional(),
    'further master keys, comma-separated: what is sealed under them opens too, while the key is rotated',
    true,
  ),
  rootAgent: setting(
    'WAYPOST_ROOT_AGENT',
    'root-agent',
    z.string().default('directory'),
    "the agent whose surface is also served at '/'; by default the gateway's own, which finds agents and delegates",
  ),
  demoRooms: setting(
    'WAYPOST_DEMO_ROOMS',
    'demo-rooms',
    z.enum(['on', 'off']).default('off'),
    'whether rooms may be opened and joined without a key: for a day each, three from one address',
  ),
  cardSignatures: setting(
    'WAYPOST_CARD_SIGNATURES',
    'card-signatures',
    z.enum(['off', 'if-present', 'required']).default('if-present'),
    "signatures on agents' cards: off, if-present (what is signed must be good, as far as a key is known) or required",
  ),
  cardKeys: setting(
    'WAYPOST_CARD_KEYS',
    'card-keys',
    z.string().min(1).optional(),
    'public keys trusted to sign cards: a JWK or JWKS document, or the path of a file that holds one',
  ),
  cardKeyOrigins: setting(
    'WAYPOST_CARD_KEY_ORIGINS',
    'card-key-origins',
    list.optional(),
    'origins trusted to publish such keys, comma-separated: a signature may say (jku) that its key is there',
  ),
  keyGraceSeconds: setting(
    'WAYPOST_KEY_GRACE_SECONDS',
    'key-grace-seconds',
    z.coerce.number().int().min(600).max(2_592_000).default(86_400),
    'how long a signing key stays published after another has taken its place: 600 to 2592000',
  ),
  blockSeconds: setting(
    'WAYPOST_BLOCK_SECONDS',
    'block-seconds',
    z.coerce.number().min(0).max(600).default(25),
    'longest wait of a blocking send; then the task is answered as it is',
  ),
  sendRate: rateSetting(
    'WAYPOST_SEND_RATE',
    'send-rate',
    '1000/5000',
    'messages a second that one caller may send to one replica, and how many at once; off: no limit. Operators have none',
  ),
  requestRate: rateSetting(
    'WAYPOST_REQUEST_RATE',
    'request-rate',
    '2000/10000',
    'the same for everything else that a caller asks of agents',
  ),
  tenantSendRate: rateSetting(
    'WAYPOST_TENANT_SEND_RATE',
    'tenant-send-rate',
    'off',
    'the same for the messages of all callers of a tenant together',
  ),
  oidcIssuers: setting(
    'WAYPOST_OIDC_ISSUERS',
    'oidc-issuers',
    z.string().min(1).optional(),
    'whose JWT bearer tokens are taken: a JSON document (or a list) with issuer, audience and what its scopes mean here, or the path of a file that holds it; see SECURITY.md',
  ),
  tenantQuotas: setting(
    'WAYPOST_TENANT_QUOTAS',
    'tenant-quotas',
    z.string().min(1).optional(),
    'what tenants may have here: a JSON document by tenant (* for the rest) with sendRate, streams, waiting, bytes, webhooks, retentionDays, or the path of a file that holds it',
  ),
  webhookProof: setting(
    'WAYPOST_WEBHOOK_PROOF',
    'webhook-proof',
    z.enum(['required', 'optional', 'off']).default('optional'),
    'whether receivers of webhooks must agree first: required, optional (those of tenants other than the default one), or off',
  ),
  webhookDomains: setting(
    'WAYPOST_WEBHOOK_DOMAINS',
    'webhook-domains',
    list.optional(),
    'domains, comma-separated, that agree to have webhooks without being asked, with all below them',
  ),
  webhookHostRate: setting(
    'WAYPOST_WEBHOOK_HOST_RATE',
    'webhook-host-rate',
    rate.optional(),
    'webhooks a second that one replica sends to one host, for all tenants together, and how many at once, 5 of them side by side; off: no limit (default: 50/100 for the tenants whose receivers must agree, no limit for the others)',
  ),
  readerUrl: setting(
    'WAYPOST_READER_URL',
    'reader-url',
    z
      .string()
      .regex(/^postgres(ql)?:\/\//, { error: 'a postgres:// URL' })
      .optional(),
    'the same database as a role that owns nothing: what callers read goes through it, and row level security shows each tenant its own rows only; see SECURITY.md',
    true,
  ),
  egressAllow: setting(
    'WAYPOST_EGRESS_ALLOW',
    'egress-allow',
    list.optional(),
    'private networks that outbound calls may reach: CIDR[:port], comma-separated (default: loopback only on the embedded database, nothing with DATABASE_URL)',
  ),
  egressHttps: setting(
    'WAYPOST_EGRESS_HTTPS',
    'egress-https',
    z.enum(['required', 'optional']).optional(),
    'whether webhooks and agents outside of those networks must be https (default: required with DATABASE_URL, optional on the embedded database)',
  ),
  retentionDays: daysSetting(
    'WAYPOST_RETENTION_DAYS',
    'retention-days',
    '30',
    'how long tasks are kept after they have ended; then they go with all that is theirs. 0 or off: for ever',
  ),
  deadLetterDays: daysSetting(
    'WAYPOST_DEAD_LETTER_DAYS',
    'dead-letter-days',
    '90',
    'how long dead letters are kept, and their tasks; never shorter than WAYPOST_RETENTION_DAYS. 0 or off: for ever',
  ),
  egressProxy: setting(
    'WAYPOST_EGRESS_PROXY',
    'egress-proxy',
    z.url({ protocol: /^https?$/, error: 'an http:// or https:// URL' }).optional(),
    'a proxy (CONNECT) through which everything outside of WAYPOST_EGRESS_ALLOW is called, http://user:password@host:port; it looks names up, so it must refuse private addresses itself; see SECURITY.md',
    true,
  ),
  egressProxyHosts: setting(
    'WAYPOST_EGRESS_PROXY_HOSTS',
    'egress-proxy-hosts',
    list.optional(),
    'the only hosts that are called through it: host[:port] or *.domain[:port], comma-separated (default: all)',
  ),
  log: setting(
    'WAYPOST_LOG',
    'log',
    z.enum(['pretty', 'json']).optional(),
    'log form (default: pretty on a terminal, else json)',
  ),
  logLevel: setting(
    'WAYPOST_LOG_LEVEL',
    'log-level',
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
    'lowest level that is logged',
  ),
  quirks: setting(
    'WAYPOST_A2A_QUIRKS',
    'a2a-quirks',
    z.enum(['1.0.0']).optional(),
    'answer as that patch version did (media type, status codes), for old kits',
  ),
  failpoints: setting(
    'WAYPOST_FAILPOINTS',
    'failpoints',
    z.string().max(2_000).optional(),
    'for tests only: where this process dies, stops, stalls or fails, as in `*=kill@7`; refused with NODE_ENV=production',
  ),
} as const

export type SettingName = keyof typeof SETTINGS
export type Settings = { readonly [N in SettingName]: z.infer<(typeof SETTINGS)[N]['schema']> }
export type Source = 'flag' | 'env' | 'file' | 'default'

export interface Config extends Settings {
  /** Where each value came from, for `config show` and `doctor`. */
  readonly sources: Readonly<Record<SettingName, Source>>
}

export interface ConfigProblem {
  readonly setting: string
  readonly problem: string
}

/** The configuration cannot be used; says every problem at once. */
export class ConfigError extends Error {
  readonly code = 'WAYPOST_ERR_CONFIG'
  readonly problems: readonly ConfigProblem[]
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(({ setting, problem }) => `${setting}: ${problem}`).join('; '))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

export interface ConfigInput {
  readonly flags?: Readonly<Record<string, string | undefined>>
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Path of the file; missing files are fine. */
  readonly file?: string
}

const NAMES = Object.keys(SETTINGS) as SettingName[]

/** Reads, checks and freezes the settings. Throws ConfigError. */
export function readConfig({
  flags = {},
  env = process.env,
  file = './waypost.config.json',
}: ConfigInput = {}): Config {
  const problems: ConfigProblem[] = []
  const inFile = readFile(file, problems)
  const values: Record<string, unknown> = {}
  const sources: Record<string, Source> = {}
  for (const name of NAMES) {
    const { env: variable, flag, schema } = SETTINGS[name]
    const [source, raw] = pick(flags[flag], env[variable], inFile[name])
    const parsed = schema.safeParse(raw)
    sources[name] = source
    if (parsed.success) values[name] = parsed.data
    else
      problems.push({
        setting: source === 'flag' ? `--${flag}` : source === 'file' ? name : variable,
        problem: parsed.error.issues[0]?.message ?? 'not valid',
      })
  }
  const config = { ...(values as unknown as Settings), sources: sources as Config['sources'] }
  if (problems.length === 0) problems.push(...contradictions(config))
  if (config.failpoints && env.NODE_ENV === 'production') {
    const problem = 'failpoints end this process on purpose and are for tests; unset it, or unset NODE_ENV=production'
    problems.push({ setting: SETTINGS.failpoints.env, problem })
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return Object.freeze(config)
}

function pick(flag: string | undefined, env: string | undefined, file: unknown): [Source, unknown] {
  if (flag !== undefined) return ['flag', flag]
  if (env !== undefined && env !== '') return ['env', env]
  if (file !== undefined) return ['file', fromFile(file)]
  return ['default', undefined]
}

/** A list of words is as it would be in a variable; a document stays one. */
function fromFile(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const words = Array.isArray(value) && value.every((item) => typeof item !== 'object')
  return words ? value.join(',') : JSON.stringify(value)
}

function readFile(path: string, problems: ConfigProblem[]): Partial<Record<SettingName, unknown>> {
  if (!existsSync(path)) return {}
  try {
    const json: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof json !== 'object' || json === null) throw new Error('not an object')
    for (const key of Object.keys(json)) {
      if (!(key in SETTINGS) && key !== '$schema')
        problems.push({ setting: `${path}: ${key}`, problem: unknownKey(key) })
    }
    return json
  } catch (error) {
    problems.push({ setting: path, problem: `cannot be read: ${(error as Error).message}` })
    return {}
  }
}

function unknownKey(key: string): string {
  const near = NAMES.find((name) => name.toLowerCase().startsWith(key.toLowerCase().slice(0, 4)))
  return near ? `unknown; did you mean ${near}?` : `unknown; known are ${NAMES.join(', ')}`
}

/** Variables of our own environment that an operator has named for a program we start. */
export const environment = (names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]])),
  )

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))

/** What no single setting can see. */
function contradictions(config: Settings): ConfigProblem[] {
  const problems: ConfigProblem[] = []
  if (config.auth === 'off' && !isLoopback(config.host)) {
    problems.push({
      setting: 'HOST',
      problem: `refusing to listen on ${config.host} while WAYPOST_AUTH is off: require keys, or bind 127.0.0.1`,
    })
  }
  if ((config.grpcTlsCert === undefined) !== (config.grpcTlsKey === undefined)) {
    problems.push({
      setting: config.grpcTlsCert === undefined ? 'GRPC_TLS_CERT' : 'GRPC_TLS_KEY',
      problem: 'must be given too: a certificate and its key belong together',
    })
  }
  if ((config.tlsCert === undefined) !== (config.tlsKey === undefined)) {
    problems.push({
      setting: config.tlsCert === undefined ? 'WAYPOST_TLS_CERT' : 'WAYPOST_TLS_KEY',
      problem: 'must be given too: a certificate and its key belong together',
    })
  }
  if (config.tlsClientCa && !config.tlsCert && !config.grpcTlsCert) {
    problems.push({ setting: 'WAYPOST_TLS_CLIENT_CA', problem: 'is of no use without TLS: WAYPOST_TLS_CERT' })
  }
  if (config.readerUrl && !config.databaseUrl) {
    problems.push({ setting: 'WAYPOST_READER_URL', problem: 'is for Postgres: DATABASE_URL must be given too' })
  }
  if (config.egressProxyHosts && !config.egressProxy) {
    problems.push({ setting: 'WAYPOST_EGRESS_PROXY_HOSTS', problem: 'is of no use without WAYPOST_EGRESS_PROXY' })
  }
  if (config.databaseUrl && !config.masterKey) {
    problems.push({
      setting: 'WAYPOST_MASTER_KEY',
      problem: 'must be given with DATABASE_URL, the same for every replica (openssl rand -base64 32)',
    })
  }
  return problems
}

/** Where clients reach this gateway, without a trailing slash. `port` is the one that was really bound. */
export const publicUrl = (config: Settings, port: number): string =>
  (config.publicUrl ?? `${config.tlsCert ? 'https' : 'http'}://localhost:${port}`).replace(/\/+$/, '')

/** Where clients reach the gRPC port, as cards say it, perhaps with `{agent}` in it; undefined: it is off. */
export const grpcAddress = (config: Settings, publicUrl: string): string | undefined =>
  config.grpcPort === 0 ? undefined : (config.grpcPublicAddress ?? `${new URL(publicUrl).hostname}:${config.grpcPort}`)
