/** Leave that a coding agent asks for, as a question to the sender, and the sender's answer as the agent wants it. */
import type { Message, Question } from '../../client/mailbox.ts'
import { chosen, type Outcome, type Permission, whatOf } from './acpConnection.ts'
import { textIn } from './settings.ts'

/** `problem`: what was wrong with the answer before. */
export function questionOf(permission: Permission, problem?: string): Question {
  const { options } = permission
  const ways = options.map(({ optionId, name, kind }) => `${optionId}: ${name ?? kind}`).join('\n')
  const text = `May it: ${whatOf(permission)}?\n${ways}${problem === undefined ? '' : `\n(${problem})`}`
  const option = { type: 'string', enum: options.map(({ optionId }) => optionId) }
  return {
    text,
    schema: { type: 'object', properties: { option }, required: ['option'] },
    parts: [{ data: { permission: { toolCall: permission.toolCall, options } }, mediaType: 'application/json' }],
  }
}

const YES: readonly string[] = ['allow_once', 'allow_always']
const NO: readonly string[] = ['reject_once', 'reject_always']
const WORDS: Readonly<Record<string, readonly string[]>> = { yes: YES, allow: YES, no: NO, reject: NO, deny: NO }

/** A data part `{"option": id}`; or a text: an option's id, name or kind, yes, no, cancel. undefined: none of these. */
export function outcomeOf(message: Message, permission: Permission): Outcome | undefined {
  const data = message.parts.find((part) => typeof part.data === 'object' && part.data !== null)?.data
  const said = (data as { option?: unknown } | undefined)?.option ?? textIn(message)
  if (typeof said !== 'string') return undefined
  const word = said.trim().toLowerCase()
  const option = permission.options.find(({ optionId, name, kind }) =>
    [optionId, name, kind].some((one) => one?.toLowerCase() === word),
  )
  if (option) return { outcome: 'selected', optionId: option.optionId }
  if (word === 'cancel') return { outcome: 'cancelled' }
  const kinds = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined
  return kinds && chosen(permission, kinds)
}
