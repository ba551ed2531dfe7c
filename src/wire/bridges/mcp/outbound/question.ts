/** A server asks back while a tool runs: as a question of the task, and the sender's answer as the server wants it. */
import type { StreamResponse } from '../../../../a2a/events.ts'
import type { Message } from '../../../../a2a/tasks.ts'
import { type CallIds, statusOf } from './content.ts'
import { misfit } from './schemas.ts'

/** `elicitation/create`. */
export interface Elicitation {
  readonly mode?: string | undefined
  readonly message: string
  readonly requestedSchema?: Readonly<Record<string, unknown>> | undefined
  readonly url?: string | undefined
}
export interface ElicitationAnswer {
  readonly action: 'accept' | 'decline' | 'cancel'
  readonly content?: Record<string, string | number | boolean | string[]>
}

const isUrl = ({ mode, url }: Elicitation): boolean => mode === 'url' && url !== undefined

/** `problem`: what was wrong with the answer before. */
export function questionOf(ids: CallIds, asked: Elicitation, problem?: string): StreamResponse {
  const words = problem === undefined ? asked.message : `${asked.message}\n(${problem})`
  if (isUrl(asked)) {
    const parts = [{ text: words }, { url: asked.url as string }]
    return statusOf(ids, 'TASK_STATE_AUTH_REQUIRED', parts)
  }
  return statusOf(ids, 'TASK_STATE_INPUT_REQUIRED', [
    { text: words },
    { data: asked.requestedSchema ?? { type: 'object' }, mediaType: 'application/schema+json' },
  ])
}

export type ReadAnswer = { kind: 'answer'; answer: ElicitationAnswer } | { kind: 'unfit'; problem: string }

const ACTIONS = new Set(['decline', 'cancel'])

/** A data part is the form's content; the words "decline" and "cancel" say no; a text answers a form of one text field. */
export function answerOf({ parts }: Message, asked: Elicitation): ReadAnswer {
  const data = parts.find((part) => typeof part.data === 'object' && part.data !== null)?.data
  const text = parts.flatMap((part) => (part.text === undefined ? [] : [part.text])).join('\n')
  const said = (data as { action?: unknown } | undefined)?.action ?? text.trim().toLowerCase()
  if (typeof said === 'string' && ACTIONS.has(said))
    return { kind: 'answer', answer: { action: said as 'decline' | 'cancel' } }
  if (isUrl(asked)) return { kind: 'answer', answer: { action: 'accept' } }
  const content = data === undefined ? fromText(text, asked) : contentIn(data)
  if (content === undefined)
    return { kind: 'unfit', problem: 'answer with a data part of this form, or with "decline" or "cancel"' }
  const problem = asked.requestedSchema && misfit(asked.requestedSchema, content)
  if (problem !== undefined) return { kind: 'unfit', problem }
  return { kind: 'answer', answer: { action: 'accept', content: content as ElicitationAnswer['content'] & object } }
}

/** Also the whole answer as MCP has it: `{action: 'accept', content}`. */
function contentIn(data: unknown): object {
  const { action, content } = data as { action?: unknown; content?: unknown }
  return action === 'accept' && typeof content === 'object' && content !== null ? content : (data as object)
}

function fromText(text: string, { requestedSchema }: Elicitation): object | undefined {
  const fields = Object.entries((requestedSchema?.properties ?? {}) as Record<string, { type?: unknown }>)
  const [only, ...more] = fields
  return text !== '' && only && more.length === 0 && only[1].type === 'string' ? { [only[0]]: text } : undefined
}
