/** The scripted agent without a server: the same scripts, as a worker of a mailbox plays them. */
import type { StreamResponse } from '../../src/a2a/events.ts'
import type { Message } from '../../src/a2a/tasks.ts'
import type { DoWork, Job, Part, Result } from '../../src/client/mailbox.ts'
import { planOf } from './agentScripts.ts'

/** `released`: when a script that waits may go on, by messageId. */
export const playScripts =
  (released: (messageId: string) => Promise<void>): DoWork =>
  async (job) => {
    const message = job.message as Message
    const { script, argument } = planOf(message)
    const run = {
      taskId: job.task.id,
      contextId: job.task.contextId,
      message,
      argument,
      released: () => Promise.race([released(message.messageId), aborted(job)]),
    }
    for await (const event of script(run)) if (await say(job, event)) return undefined
    return undefined
  }

const aborted = ({ signal }: Job): Promise<never> =>
  new Promise((_, reject) => {
    const end = () => reject(signal.reason)
    if (signal.aborted) end()
    signal.addEventListener('abort', end, { once: true })
  })

const textIn = (parts: readonly Part[] = []): string | undefined => parts.find(({ text }) => text !== undefined)?.text

/** What is said with the end becomes the result: a task of a mailbox has no last words beside its artifacts. */
const resultOf = (parts: readonly Part[] = []): Result => (parts.length > 0 ? { parts } : {})

/** True: that was the end. */
async function say(job: Job, event: StreamResponse): Promise<boolean> {
  if ('artifactUpdate' in event) {
    const { artifact, append = false, lastChunk = true } = event.artifactUpdate
    await job.update({ artifact: artifact as never, append, lastChunk })
    return false
  }
  if ('message' in event) {
    await job.complete({ parts: event.message.parts as readonly Part[], as: 'message' })
    return true
  }
  if (!('statusUpdate' in event)) return false
  const { state, message } = event.statusUpdate.status
  const parts = message?.parts as readonly Part[] | undefined
  const text = textIn(parts)
  if (state === 'TASK_STATE_WORKING') {
    if (parts) await job.update({ parts })
    return false
  }
  if (state === 'TASK_STATE_COMPLETED') await job.complete(resultOf(parts))
  else if (state === 'TASK_STATE_INPUT_REQUIRED') await job.ask(text ?? '?')
  else if (state === 'TASK_STATE_AUTH_REQUIRED') await job.auth(text ?? '?')
  else if (state === 'TASK_STATE_REJECTED') await job.reject(text)
  else await job.fail(text === undefined ? {} : { text })
  return true
}
