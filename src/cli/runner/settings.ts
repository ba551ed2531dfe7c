/** What all ways of running a program have in common. */
import type { Job, Message } from '../../client/mailbox.ts'
import type { Command } from './child.ts'

export interface RunnerSettings {
  readonly command: Command
  readonly agent: string
  readonly gateway: string
  /** One task's time; undefined: as long as it takes. */
  readonly taskTimeoutMs: number | undefined
  readonly outputBytesMax: number
  readonly tellsProgress: boolean
  /** What the program says on stderr. */
  readonly onLine: (line: string) => void
}

/** What a program may know of its task, as variables. */
export const factsOf = (job: Job, message: Message, { agent, gateway }: RunnerSettings): Record<string, string> => ({
  WAYPOST_AGENT: agent,
  WAYPOST_URL: gateway,
  WAYPOST_TASK_ID: job.task.id,
  WAYPOST_CONTEXT_ID: job.task.contextId,
  WAYPOST_MESSAGE_ID: message.messageId,
  WAYPOST_DELIVERY_ID: job.delivery,
  WAYPOST_ATTEMPT: String(job.attempt),
  WAYPOST_FROM: job.from,
  WAYPOST_PRIORITY: job.priority,
  ...(job.skill !== null && { WAYPOST_SKILL: job.skill }),
  ...(job.deadline !== null && { WAYPOST_DEADLINE: job.deadline }),
})

export const textIn = ({ parts }: Message): string =>
  parts.flatMap(({ text }) => (text === undefined ? [] : [text])).join('\n')

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
/** A context that programs write by hand (`1`, `chat`) is each caller's own: two of them must not meet in one session. */
export const conversationOf = ({ from, task: { contextId } }: Job): string =>
  UUID.test(contextId) ? contextId : `${from}\n${contextId}`
