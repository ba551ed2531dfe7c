/** What a program asked its sender while it went on running: the answer comes as a delivery of its own, to whoever is free. */
import type { Job } from '../../client/mailbox.ts'

/** With several processes of one agent the answer may come to one that does not hold the question: it is put back. */
export const ELSEWHERE_ATTEMPTS = 2
export const ELSEWHERE_SECONDS = 1

/** Whether the last that was said to the sender was a question that has a form, or a place to go to. */
export function answersQuestion({ task }: Job): boolean {
  const said = task.history?.filter(({ role }) => role === 'ROLE_AGENT').at(-1)
  return said?.parts.some(({ mediaType, url }) => mediaType === 'application/schema+json' || url !== undefined) ?? false
}
