/** Which posts a member wants. */

import { z } from 'zod'
import type { Message } from '../../a2a/tasks.ts'
import { destinationOf } from '../agents/agent.ts'
import { LEVELS } from '../tasks/wishes.ts'

export const PostFilter = z.strictObject({
  /** Senders: callers' ids, or names of agents. */
  from: z.array(z.string().min(1).max(128)).min(1).max(64).optional(),
  skill: z.string().min(1).max(256).optional(),
  label: z.string().min(1).max(64).optional(),
  /** Part of the text, whatever its case. */
  contains: z.string().min(1).max(256).optional(),
  /** Nothing less urgent. */
  minPriority: z.enum(LEVELS).optional(),
})
export type PostFilter = z.infer<typeof PostFilter>

export interface Posted {
  readonly caller: string
  readonly message: Message
  /** 0 urgent … 3 low. */
  readonly priority: number
  readonly skill?: string | undefined
  readonly labels?: readonly string[] | undefined
}

export function wants(
  filter: PostFilter | undefined,
  { caller, message, priority, skill, labels = [] }: Posted,
): boolean {
  if (!filter) return true
  if (filter.from && !filter.from.some((from) => from === caller || destinationOf(from) === caller)) return false
  if (filter.skill !== undefined && filter.skill !== skill) return false
  if (filter.label !== undefined && !labels.includes(filter.label)) return false
  if (filter.minPriority !== undefined && priority > LEVELS.indexOf(filter.minPriority)) return false
  if (filter.contains === undefined) return true
  const text = message.parts.flatMap((part) => part.text ?? []).join('\n')
  return text.toLowerCase().includes(filter.contains.toLowerCase())
}
