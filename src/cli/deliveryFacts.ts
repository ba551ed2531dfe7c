/** What the gateway tells of a task's delivery, in the task's metadata under its extension. */
import type { Task } from '../a2a/tasks.ts'

export const STORE_AND_FORWARD = 'urn:x-waypost:store-and-forward:1'

export interface DeliveryFacts {
  readonly delivery?: string
  readonly attempt?: number
  readonly nextAttemptAt?: string
  readonly position?: number
  readonly recipient?: string
  readonly expiresAt?: string
  readonly reason?: string
}

export const deliveryFacts = (task: Task): DeliveryFacts | undefined =>
  task.metadata?.[STORE_AND_FORWARD] as DeliveryFacts | undefined
