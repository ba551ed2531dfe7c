/** `task explain`: where is my message, why does it wait, what comes next. */
import type { Run } from '../invocation.ts'
import { stateName } from '../render.ts'
import { recordFields } from '../tables.ts'

/** What the gateway answers; each a sentence or several. */
interface Explanation {
  readonly task?: string
  readonly agent?: string
  readonly state?: string
  readonly why?: Sentences
  readonly next?: Sentences
  readonly ahead?: Sentences
  readonly expires?: Sentences
  readonly try?: Sentences
}
type Sentences = string | readonly string[] | null

const LABELS = ['why', 'next', 'ahead', 'expires'] as const

export const explain: Run = async (call) => {
  const id = call.args[0] as string
  const answer = (await call.gateway.get(`/v1/tasks/${encodeURIComponent(id)}/explain`)) as Explanation &
    Record<string, unknown>
  const { out } = call
  if (out.json) {
    out.document(answer)
    return 0
  }
  out.fields([
    ['Task', answer.task ?? id],
    ['Agent', answer.agent],
    ['State', answer.state && stateName(answer.state)],
  ])
  for (const label of LABELS) {
    for (const sentence of sentences(answer[label]))
      out.fields([[label.charAt(0).toUpperCase() + label.slice(1), sentence]])
  }
  const known = new Set<string>(['task', 'agent', 'state', 'try', 'reasons', ...LABELS])
  recordFields(Object.fromEntries(Object.entries(answer).filter(([name]) => !known.has(name))), call)
  for (const command of sentences(answer.try)) out.fields([['Try', command]])
  return 0
}

const sentences = (text: Sentences | undefined): readonly string[] =>
  text === null || text === undefined ? [] : typeof text === 'string' ? [text] : text
