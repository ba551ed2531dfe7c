/** What somebody wants of the directory: in a data part, or in words. */
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import type { Part } from '../../a2a/parts.ts'
import type { Message } from '../../a2a/tasks.ts'

const ACTIONS = ['find', 'match', 'delegate'] as const
export type Action = (typeof ACTIONS)[number]

export interface Wish {
  readonly action: Action
  /** In words. */
  readonly need?: string | undefined
  readonly skill?: string | undefined
  readonly tag?: string | undefined
  /** Only those that are there (or, false, those that are not). */
  readonly available?: boolean | undefined
  /** `delegate`: exactly this one. */
  readonly agent?: string | undefined
  /** `delegate`: what the agent gets. */
  readonly parts: readonly Part[]
}

const WishData = z
  .strictObject({
    action: z.enum(ACTIONS).optional(),
    need: z.string().min(1).max(2_000).optional(),
    skill: z.string().min(1).max(128).optional(),
    tag: z.string().min(1).max(64).optional(),
    available: z.boolean().optional(),
    agent: z.string().min(1).max(320).optional(),
    text: z.string().min(1).optional(),
  })
  .refine(
    ({ need, skill, tag, agent, available }) => [need, skill, tag, agent, available].some((one) => one !== undefined),
    {
      error: 'need, skill, tag, available or agent must be given',
    },
  )

const HELP =
  'say "find <words>", "match <what is needed>", "delegate <skill>: <text>" or "delegate @<agent>: <text>", or send a data part {"action", "need", "skill", "tag", "available"}'

const invalid = (description: string): A2AError =>
  new A2AError('INVALID_PARAMS', `${description}; ${HELP}`, { violations: [{ field: 'message.parts', description }] })

const isRecord = (data: unknown): boolean => typeof data === 'object' && data !== null && !Array.isArray(data)

/** Throws INVALID_PARAMS with how to say it. */
export function wishIn({ parts }: Message): Wish {
  const at = parts.findIndex(({ data }) => isRecord(data))
  return at >= 0 ? fromData(parts, at) : fromWords(parts)
}

function fromData(parts: readonly Part[], at: number): Wish {
  const parsed = WishData.safeParse(parts[at]?.data)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw invalid(`${issue?.path.join('.') || 'the data part'}: ${issue?.message ?? 'not of its form'}`)
  }
  const others = parts.filter((_, index) => index !== at)
  const { action, text, ...wish } = parsed.data
  const carried = [...(text === undefined ? [] : [{ text }]), ...others]
  const said = action ?? (carried.length > 0 ? 'delegate' : 'match')
  if (said === 'delegate' && carried.length === 0) throw invalid('nothing to delegate: give text, or further parts')
  return { ...wish, action: said, parts: carried }
}

function fromWords(parts: readonly Part[]): Wish {
  const at = parts.findIndex(({ text }) => text !== undefined)
  const text = parts[at]?.text?.trim() ?? ''
  const [, word, rest = ''] = /^(find|match|delegate)\b[:\s]*([\s\S]*)$/i.exec(text) ?? []
  const action = (word?.toLowerCase() ?? 'match') as Action
  if (action !== 'delegate') {
    const need = (word === undefined ? text : rest).trim()
    if (need === '') throw invalid('what is needed?')
    return { action, need: need.slice(0, 2_000), parts: [] }
  }
  const split = /^([^:\n]{1,320}):\s*([\s\S]+)$/.exec(rest)
  if (!split) throw invalid('whom to, and what?')
  const whom = (split[1] as string).trim()
  const carried = [{ text: split[2] as string }, ...parts.filter((_, index) => index !== at)]
  return whom.startsWith('@')
    ? { action, agent: whom.slice(1), parts: carried }
    : { action, skill: whom, need: whom, parts: carried }
}
