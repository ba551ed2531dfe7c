/** What the management routes answer, as far as the command line looks at it. Unknown members are left alone. */
import type { Gateway } from './client.ts'
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
  readonly label?: string
  readonly permits?: readonly string[]
  readonly agents?: readonly string[]
  readonly createdAt?: string
  readonly lastUsedAt?: string | null
  readonly expiresAt?: string | null
  readonly revokedAt?: string | null
}

/** A list stands under the name of what it lists. */
const listed = <T>(answer: unknown, name: string): readonly T[] => {
  const list = (answer as Record<string, unknown> | undefined)?.[name]
  return Array.isArray(list) ? (list as T[]) : []
}

export const agentRecords = (answer: unknown): readonly AgentRecord[] => listed(answer, 'agents')
export const taskRecords = (answer: unknown): readonly TaskRecord[] => listed(answer, 'tasks')
export const deliveryRecords = (answer: unknown): readonly DeliveryRecord[] => listed(answer, 'deliveries')
export const keyRecords = (answer: unknown): readonly KeyRecord[] => listed(answer, 'keys')

/** The agent of a task, as a reference for -a. */
export async function whoseTask(id: string, gateway: Gateway): Promise<string> {
  const { agent } = (await gateway.get(`/v1/tasks/${encodeURIComponent(id)}`)) as { agent?: string }
  if (agent) return `@${agent}`
  throw new CliError('A2ACLI_ERR_USAGE', `the gateway does not say whose task ${id} is`, {
    hint: 'name its agent: -a @name',
  })
}
