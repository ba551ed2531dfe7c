/** What the management routes answer, as far as the command line looks at it. Unknown members are left alone. */
import type { Gateway, Query } from './client.ts'
import { CliError } from './errors.ts'

/** `GET /v1/agents[/{agent}]`. */
export interface AgentRecord {
  readonly name: string
  readonly state?: string
  readonly connector?: { readonly kind?: string; readonly url?: string }
  readonly queued?: number
  readonly running?: number
  readonly oldestAt?: string | null
  readonly lastSeenAt?: string | null
  readonly address?: string
  readonly url?: string
  readonly card?: string
  readonly reason?: string
  readonly nextProbeAt?: string | null
  /** A card that waits for an operator. */
  readonly pending?: {
    readonly change?: string
    readonly changes?: readonly { what?: string; from?: readonly string[]; to?: readonly string[] }[]
  }
  /** What the signatures on its card have shown. */
  readonly signature?: { readonly state?: string; readonly keys?: readonly string[] }
  /** Why its last card was not taken. */
  readonly cardProblem?: { readonly code?: string; readonly reason?: string }
}

/** `GET /v1/tasks[/{id}]`. */
export interface TaskRecord {
  readonly id: string
  readonly agent?: string
  readonly contextId?: string
  readonly state?: string
  readonly createdAt?: string
  readonly updatedAt?: string
  readonly delivery?: {
    readonly state?: string
    readonly attempt?: number
    readonly reason?: string
    readonly nextAttemptAt?: string
  }
}

/** `GET /v1/deliveries`. */
export interface DeliveryRecord {
  readonly id: string
  readonly kind?: string
  readonly state?: string
  readonly task?: string
  readonly agent?: string
  readonly destination?: string
  readonly url?: string
  readonly attempt?: number
  readonly status?: number
  readonly code?: string
  readonly reason?: string
  readonly createdAt?: string
  readonly updatedAt?: string
  readonly nextAttemptAt?: string | null
}

/** `GET /v1/keys`. */
export interface KeyRecord {
  readonly id: string
  readonly name?: string
  readonly permits?: readonly string[]
  readonly agents?: readonly string[]
  readonly rate?: string
  readonly createdAt?: string
  readonly lastUsedAt?: string | null
  readonly expiresAt?: string | null
  readonly revokedAt?: string | null
}

/** `GET /v1/audit`. */
export interface AuditRecord {
  readonly id: string
  readonly sequence?: number
  readonly at?: string
  readonly actor?: string
  readonly action?: string
  readonly subject?: string
  readonly detail?: unknown
  readonly hash?: string
}

/** `GET /v1/signing-keys`. */
export interface SigningKeyRecord {
  readonly id: string
  readonly state?: string
  readonly signsFrom?: string
  readonly publishedUntil?: string
}

/** `GET /v1/webhooks/attempts`. */
export interface WebhookAttemptRecord {
  readonly delivery: string
  readonly task?: string
  readonly sequence?: number
  readonly attempt?: number
  readonly outcome?: string
  readonly status?: number
  readonly durationMs?: number
  readonly code?: string
  readonly reason?: string
  readonly at?: string
}

/** One page of a list; `next` is where the following one begins. */
export interface ListPage<Entry> {
  readonly items: readonly Entry[]
  readonly next?: string
}

export async function readPage<Entry>(gateway: Gateway, path: string, query: Query = {}): Promise<ListPage<Entry>> {
  const answer = (await gateway.get(path, query)) as Partial<ListPage<Entry>>
  return { ...answer, items: Array.isArray(answer.items) ? answer.items : [] }
}

/** The largest page that the gateway gives, and how many of them are read for an overview. */
const PAGE_SIZE = 100
const PAGES_MAX = 10

/** Page after page, up to a thousand entries. */
export async function readAll<Entry>(gateway: Gateway, path: string, query: Query = {}): Promise<readonly Entry[]> {
  const found: Entry[] = []
  let cursor: string | undefined
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await readPage<Entry>(gateway, path, { ...query, limit: PAGE_SIZE, cursor })
    found.push(...page.items)
    cursor = page.next
    if (cursor === undefined) break
  }
  return found
}

/** The agent of a task, as a reference for -a. */
export async function whoseTask(id: string, gateway: Gateway): Promise<string> {
  const { agent } = (await gateway.get(`/v1/tasks/${encodeURIComponent(id)}`)) as { agent?: string }
  if (agent) return `@${agent}`
  throw new CliError('A2ACLI_ERR_USAGE', `the gateway does not say whose task ${id} is`, {
    hint: 'name its agent: -a @name',
  })
}
