/** The one document by which an agent is registered: in a card file, in a request, behind the command line. Strict. */
import { z } from 'zod'
import { AgentExtension, AgentSkill } from '../../a2a/agentCard.ts'
import { A2AError, type FieldViolation } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { isRate } from '../../ports.ts'
import { cadenceMs } from './cadence.ts'
import { Signatures } from './signatures.ts'

/** Case-folded before it is checked; ASCII only, so that no name can look like another (SR-45). */
export const AGENT_NAME = /^[a-z0-9][a-z0-9\-_.]{0,62}$/

/** Segments of our own routes and names of our own. */
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
  'v1',
  'tasks',
  'message',
  'extendedagentcard',
  'channels',
  'directory',
  'waypost',
])

// C0 but tab and line ends, C1, bidirectional overrides, tag characters: text that shows other than it is (SR-46).
const DECEPTIVE = /[^\P{Cc}\t\n\r]|[\u202a-\u202e\u2066-\u2069]|[\u{e0000}-\u{e007f}]/u
export const isPlainText = (text: string): boolean => !DECEPTIVE.test(text)
/** The same text without what deceives, well-formed. */
export const plainText = (text: string): string =>
  Buffer.from(text.replace(new RegExp(DECEPTIVE, 'gu'), '')).toString('utf8')

const text = (charsMax: number) =>
  z.string().min(1).max(charsMax).refine(isPlainText, { error: 'no control or invisible characters' })
const webUrl = z
  .string()
  .max(LIMITS.urlCharsMax)
  .regex(/^https?:\/\/\S+$/, { error: 'an http:// or https:// URL' })
const modes = z
  .array(z.string().regex(/^[\w.+*-]+\/[\w.+*-]+(;.*)?$/, { error: 'a media type' }))
  .min(1)
  .max(32)
const headerText = z
  .string()
  .min(1)
  .max(4_096)
  .regex(/^[\x20-\x7e]+$/, { error: 'visible ASCII characters only' })

const binding = z.enum(['JSONRPC', 'HTTP+JSON', 'GRPC'])
const a2a = z.strictObject({ kind: z.literal('a2a'), url: webUrl, binding: binding.optional() })
const mailbox = z.strictObject({ kind: z.literal('mailbox') })
const webhook = z.strictObject({ kind: z.literal('webhook'), url: webUrl })
const toolNames = z.array(text(256)).max(512)
const mcp = z
  .strictObject({
    kind: z.literal('mcp'),
    url: webUrl.optional(),
    command: z.array(z.string().min(1).max(4_096)).min(1).max(64).optional(),
    /** Names of variables, not their values: secrets stay in the gateway's environment. */
    env: z
      .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'the name of a variable' }))
      .max(64)
      .optional(),
    tools: z.strictObject({ allow: toolNames.optional(), deny: toolNames.optional() }).optional(),
    idempotent: toolNames.optional(),
  })
  .refine(({ url, command }) => (url === undefined) !== (command === undefined), {
    error: 'either url or command',
  })
  .refine(({ env, command }) => env === undefined || command !== undefined, {
    error: 'only a command has an environment',
    path: ['env'],
  })
export const Connector = z.discriminatedUnion('kind', [a2a, mailbox, webhook, mcp])
export type Connector =
  | { kind: 'a2a'; url: string; binding?: z.infer<typeof binding> }
  | { kind: 'mailbox' }
  | { kind: 'webhook'; url: string }
  /** Ours: what is sent there is given to others. */
  | { kind: 'channel' }
  | { kind: 'directory' }
  | {
      kind: 'mcp'
      url?: string
      command?: readonly string[]
      env?: readonly string[]
      tools?: { allow?: readonly string[]; deny?: readonly string[] }
      idempotent?: readonly string[]
    }

/** Headers that belong to the exchange itself, or would carry it elsewhere. */
const OWN_HEADERS =
  /^(host|content-.*|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|a2a-.*|proxy-.*|cookie)$/i
const headerCredential = z.strictObject({
  header: z
    .string()
    .max(128)
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, { error: 'a header name' })
    .refine((name) => !OWN_HEADERS.test(name), { error: 'this header is not for credentials' }),
  value: headerText,
})
const schemeCredential = z.strictObject({
  scheme: z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/, { error: 'an HTTP authentication scheme' }),
  token: headerText,
})
export const Credentials = z.union([headerCredential, schemeCredential])
export type Credentials = z.infer<typeof Credentials>

const skill = z.strictObject({
  ...AgentSkill.shape,
  id: text(128),
  name: text(256).optional(),
  description: text(4_096).optional(),
  tags: z.array(text(64)).max(64).optional(),
})
const backoff = z
  .strictObject({ firstMs: z.int().min(10).max(3_600_000), longestMs: z.int().min(10).max(86_400_000) })
  .refine(({ firstMs, longestMs }) => firstMs <= longestMs, { error: 'longestMs is at least firstMs' })

export const Registration = z.strictObject({
  $schema: z.string().optional(),
  name: z
    .string()
    .transform((name) => name.toLowerCase())
    .refine((name) => AGENT_NAME.test(name), { error: '1–63 characters: a–z, 0–9, then also - _ .' })
    .refine((name) => !RESERVED_NAMES.has(name), { error: 'this name is reserved' }),
  connector: Connector.default({ kind: 'mailbox' }),
  description: text(4_096).optional(),
  version: text(64).optional(),
  provider: z.strictObject({ url: webUrl, organization: text(256) }).optional(),
  documentationUrl: webUrl.optional(),
  iconUrl: webUrl.optional(),
  skills: z.array(skill).max(200).optional(),
  defaultInputModes: modes.optional(),
  defaultOutputModes: modes.optional(),
  extensions: z.array(AgentExtension).max(LIMITS.extensionsMax).optional(),
  redelivery: z.enum(['atMostOnce', 'atLeastOnce']).optional(),
  idempotency: z.enum(['uuid', 'always', 'header']).optional(),
  whenOffline: z.enum(['queue', 'reject']).optional(),
  maxInflight: z.int().min(1).max(1_000).optional(),
  maxAttempts: z.int().min(1).max(1_000).optional(),
  leaseSeconds: z.int().min(5).max(43_200).optional(),
  ttlSeconds: z.int().min(1).max(31_536_000).optional(),
  backoff: backoff.optional(),
  credentials: Credentials.optional(),
  visibility: z.enum(['public', 'private']).optional(),
  access: z.enum(['keys', 'anonymous']).optional(),
  /** A caller needs the scope of each skill that it asks for. */
  skillScopes: z.boolean().optional(),
  rate: z
    .string()
    .refine(isRate, { error: 'a number a second and, after a slash, how many at once (50/200), or off' })
    .optional(),
  policy: z.enum(['open', 'contacts', 'approval', 'closed']).optional(),
  ordering: z.enum(['context', 'none']).optional(),
  deadLetter: z.enum(['fail', 'hold']).optional(),
  /** How often a mailbox looks: `live`, `polling`, or an ISO 8601 duration between two visits. */
  cadence: z
    .string()
    .refine((text) => cadenceMs(text) !== undefined, {
      error: '"live", "polling", or a duration as PT1H, a minute to 30 days',
    })
    .optional(),
  /** Called when something waits in a mailbox and nobody is there. */
  wake: z.strictObject({ url: webUrl, afterSeconds: z.int().min(60).max(86_400).optional() }).optional(),
  signatures: Signatures.optional(),
})
/** What is kept: the document without its credentials. */
export type Registration = Omit<z.infer<typeof Registration>, 'credentials' | '$schema' | 'connector'> & {
  readonly connector: Connector
}

export interface ParsedRegistration {
  readonly registration: Registration
  readonly credentials?: Credentials
}

/** Which members there are, by where one is; for suggestions. */
const KNOWN: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^$/, Object.keys(Registration.shape)],
  [/^connector$/, ['kind', 'url', 'binding', 'command', 'env', 'tools', 'idempotent']],
  [/^connector\.tools$/, ['allow', 'deny']],
  [/^credentials$/, ['header', 'value', 'scheme', 'token']],
  [/^backoff$/, ['firstMs', 'longestMs']],
  [/^wake$/, ['url', 'afterSeconds']],
  [/^provider$/, ['url', 'organization']],
  [/^signatures$/, Object.keys(Signatures.shape)],
  [/^skills\.\d+$/, Object.keys(skill.shape)],
]

/** Throws INVALID_PARAMS that names every member that is wrong (at most 20), with a suggestion for one that is unknown. */
export function parseRegistration(document: unknown): ParsedRegistration {
  const parsed = Registration.safeParse(document)
  if (!parsed.success) {
    const violations = parsed.error.issues.flatMap((issue) => violationsOf(issue)).slice(0, LIMITS.violationsMax)
    const first = violations[0] as FieldViolation
    throw new A2AError('INVALID_PARAMS', `${first.field || 'the document'}: ${first.description}`, { violations })
  }
  const { credentials, $schema: _, ...registration } = parsed.data
  return { registration: registration as Registration, ...(credentials && { credentials }) }
}

function violationsOf(issue: z.core.$ZodIssue): FieldViolation[] {
  const field = issue.path.join('.')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: `${field && `${field}.`}${key.slice(0, LIMITS.echoCharsMax)}`,
      description: suggestion(field, key),
    }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Of several forms, the one that the document comes closest to.
    const nearest = issue.errors.reduce((best, errors) => (score(errors) < score(best) ? errors : best))
    return nearest.flatMap((inner) =>
      violationsOf({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue),
    )
  }
  return [{ field, description: issue.message.slice(0, 256) }]
}

const score = (issues: readonly z.core.$ZodIssue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length + 1 : 1), 0)

function suggestion(path: string, key: string): string {
  const known = KNOWN.find(([pattern]) => pattern.test(path))?.[1] ?? []
  const near = nearest(key, known)
  return near ? `unknown; did you mean "${near}"?` : `unknown; known are ${known.join(', ')}`
}

/** The word that a mistyped one was meant to be, if one is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const asked = word.toLowerCase().slice(0, 64)
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(asked, candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  if (best && best.distance <= Math.ceil(asked.length / 3)) return best.candidate
  return known.find((candidate) => asked.length > 2 && candidate.toLowerCase().includes(asked))
}

/** Levenshtein. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, swap))
    }
    row = next
  }
  return row[b.length] ?? 0
}
