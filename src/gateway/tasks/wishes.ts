/** What a sender may ask of the delivery, in message or request metadata under our extension's key. */
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import type { SendMessageRequest } from '../../a2a/operations.ts'
import { mailKind } from '../../delivery.ts'
import { LIMITS } from '../../limits.ts'
import type { Mail } from '../../store/tasks.ts'
import { EXTENSION_URI, ownMetadata } from './facts.ts'

/** By level: 0 urgent … 3 low. */
export const LEVELS = ['urgent', 'high', 'normal', 'low'] as const
/** 0–9 as AMQP, MQTT and mail have it, 9 the most urgent. */
export const levelOf = (number: number): number => (number >= 8 ? 0 : number >= 5 ? 1 : number >= 2 ? 2 : 3)

/** The longest time to live that a sender may ask for. */
export const TTL_SECONDS_MAX = 30 * 24 * 3_600

const Wishes = z
  .object({
    priority: z.union([z.enum(LEVELS), z.int().min(0).max(9)]).optional(),
    ttlSeconds: z.int().min(1).max(TTL_SECONDS_MAX).optional(),
    deadline: z.iso.datetime({ offset: true }).optional(),
    notBefore: z.iso.datetime({ offset: true }).optional(),
    skill: z.string().max(256).optional(),
    kind: z.enum(['task', 'note', 'call']).optional(),
    labels: z.array(z.string().min(1).max(64)).max(16).optional(),
    notify: z.enum(['none', 'inbox', 'wake']).optional(),
    ringSeconds: z.int().min(1).max(LIMITS.ringSecondsMax).optional(),
    noAnswer: z.enum(['inbox', 'fail']).optional(),
    dedupeKey: z.string().min(1).max(256).optional(),
    replace: z.enum(['latest']).optional(),
    ackRequired: z.boolean().optional(),
    ackBy: z.iso.datetime({ offset: true }).optional(),
  })
  .refine(({ replace, dedupeKey }) => !replace || dedupeKey !== undefined, {
    error: 'goes with replace',
    path: ['dedupeKey'],
  })

export interface DeliveryWishes {
  /** 0 urgent … 3 low. */
  readonly priority: number
  /** Must be taken by the agent within it. */
  readonly ttlSeconds?: number
  /** ISO; must be finished by then. */
  readonly deadline?: string
  /** ISO; not to be delivered earlier. */
  readonly notBefore?: string
  readonly skill?: string
  readonly kind?: 'task' | 'note' | 'call'
  readonly labels?: readonly string[]
  /** What becomes of the result in the mailbox of a sender that collects. Default: it waits there and wakes nobody. */
  readonly notify?: 'none' | 'inbox' | 'wake'
  /** A call: how long it rings, and what becomes of it then. Default: 30 s, and it is left like any message. */
  readonly ringSeconds?: number
  readonly noAnswer?: 'inbox' | 'fail'
  /** With `replace`: what still waits under the same key, of the same sender, is withdrawn. */
  readonly dedupeKey?: string
  readonly replace?: 'latest'
  /** To be taken and settled by `ackBy` (ISO; default: within a day): else its agent is reminded, and then its sender told. */
  readonly ackRequired?: boolean
  readonly ackBy?: string
}

const DAY_MS = 24 * 3_600_000

/** What the delivery keeps of it; null: nothing, which is the rule. */
export function mailOf({ kind, labels, dedupeKey, ackRequired, ackBy }: DeliveryWishes, at: Date): string | null {
  const acknowledged = ackBy ?? (ackRequired ? new Date(at.getTime() + DAY_MS).toISOString() : undefined)
  const mail: Mail = {
    ...(kind && kind !== 'task' && { kind: mailKind(kind) }),
    ...(labels && labels.length > 0 && { labels }),
    ...(dedupeKey !== undefined && { dedupeKey }),
    ...(acknowledged !== undefined && { ackBy: acknowledged }),
  }
  return Object.keys(mail).length > 0 ? JSON.stringify(mail) : null
}

const NORMAL: DeliveryWishes = { priority: 2 }

/** Throws INVALID_PARAMS when something under our key is not of the documented form. */
export function wishesOf({ message, metadata }: SendMessageRequest): DeliveryWishes {
  if (!message.metadata && !metadata) return NORMAL
  const asked = { ...ownMetadata(metadata), ...ownMetadata(message.metadata) }
  if (Object.keys(asked).length === 0) return NORMAL
  const parsed = Wishes.safeParse(asked)
  if (!parsed.success) {
    const violations = parsed.error.issues.slice(0, 5).map((issue) => ({
      field: `message.metadata["${EXTENSION_URI}"].${issue.path.join('.')}`,
      description: issue.message,
    }))
    throw new A2AError('INVALID_PARAMS', `metadata of ${EXTENSION_URI} is not of its form`, { violations })
  }
  const { priority = 'normal', ...rest } = parsed.data
  const level = typeof priority === 'number' ? levelOf(priority) : LEVELS.indexOf(priority)
  return { priority: level, ...(rest as Omit<DeliveryWishes, 'priority'>) }
}
