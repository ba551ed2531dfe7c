/** One thing that a client does with the gateway, and what must be true afterwards whatever died in between. */
import type { Act, Frame } from './act.ts'

export interface Scenario {
  readonly name: string
  /** Plays it to its end. Rejects when something came out wrong. */
  readonly run: (act: Act) => Promise<void>
  /** Failpoints that count, beside those that always do: `sweep` for what is done by the clock. */
  readonly counts?: readonly string[]
  /** And some that do not. */
  readonly ignores?: readonly string[]
  /** Checkers that do not apply, by the beginning of their names. */
  readonly without?: readonly string[]
  /** The embedded database. */
  readonly embedded?: boolean
  /** On an empty database, and counting from the process' first moment. */
  readonly fromNothing?: boolean
  /** A second replica lives on. */
  readonly survivor?: boolean
  /** Settings beside the driver's own. */
  readonly env?: Readonly<Record<string, string>>
  /** Bounds beside the driver's own. */
  readonly limits?: Readonly<Record<string, number>>
}

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what)
}

export interface Logged {
  readonly seq: number
  readonly body: string
}

export async function logOf({ sql }: Pick<Act, 'sql'>, taskId: string): Promise<Logged[]> {
  return (await sql`select seq, body from task_events where task_id = ${taskId} order by seq`) as unknown as Logged[]
}

const same = (json: string): string => JSON.stringify(JSON.parse(json))

/** Exactly the log, each event once and in order, from where it began; what is missing at the end came after the task's. */
export async function mustBeTheLog(act: Act, { taskId, frames }: { taskId: string; frames: Frame[] }): Promise<void> {
  const log = await logOf(act, taskId)
  const last = log.at(-1)?.seq ?? 0
  frames.forEach(({ id, json, opening }, at) => {
    const before = frames[at - 1]?.id
    must(before === undefined || id === before + 1, `stream of ${taskId}: after ${before} came ${id}`)
    const body = log[id - 1]?.body
    must(opening || (body !== undefined && same(body) === json), `stream of ${taskId}: event ${id} is not the log's`)
  })
  must((frames.at(-1)?.id ?? 0) <= last, `stream of ${taskId} is beyond the log`)
}

export const textOf = (task: {
  artifacts?: readonly { parts: readonly { text?: string | undefined }[] }[] | undefined
}): string => (task.artifacts ?? []).flatMap(({ parts }) => parts.map(({ text }) => text ?? '')).join('')

export const EXTENSION = 'urn:x-waypost:store-and-forward:1'
