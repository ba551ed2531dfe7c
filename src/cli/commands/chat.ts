/**
 * `chat`: turn by turn with an agent, its context carried along, and its task while that waits for an answer. With a
 * terminal on both sides it asks; otherwise each line of stdin is a turn and everything is the same text as elsewhere.
 * Nothing is remembered when it ends: the last lines say how to go on.
 */
import { createInterface } from 'node:readline'
import type { SendMessageResponse } from '../../a2a/operations.ts'
import { isInterrupted } from '../../a2a/tasks.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { A2AClient } from '../a2aClient.ts'
import { asCliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { noteOutcome, renderAnswer, renderTask } from '../render.ts'
import { waitWithin, withinLimit } from '../waiting.ts'

interface Place {
  readonly contextId: string | undefined
  /** Only while the task is interrupted: its answer is expected there. */
  readonly taskId: string | undefined
}

export const chat: Run = async (call) => {
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true && !call.out.json
  // Nobody could see a prompt, and waiting for somebody to type would never end (a2a-cli §11.2).
  if (process.stdin.isTTY && !interactive)
    throw usage('chat needs a terminal, or its turns on stdin', `echo hello | ${call.program} chat -a @echo`)
  const client = await call.agent()
  const lines = createInterface({ input: process.stdin, ...(interactive && { output: process.stderr, prompt: '> ' }) })
  const stop = () => lines.close()
  call.signal.addEventListener('abort', stop, { once: true })
  lines.once('SIGINT', stop)
  let place: Place = { contextId: call.option('context-id'), taskId: call.option('task-id') }
  let failed = 0
  if (interactive)
    call.out.note(`chat with ${client.agent.card.name ?? client.agent.ref}; an empty line does nothing, ^D ends`)
  if (interactive) lines.prompt()
  for await (const line of lines) {
    if (line.trim()) {
      try {
        place = await turn(line, place, client, call)
      } catch (error) {
        if (!interactive) throw error
        call.out.error(asCliError(error))
        failed = 1
      }
    }
    if (interactive) lines.prompt()
  }
  if (place.contextId)
    call.out.note(`to go on: ${call.program} chat -a ${client.agent.ref} --context-id ${place.contextId}`)
  return failed
}

async function turn(text: string, place: Place, client: A2AClient, call: Invocation): Promise<Place> {
  const { contextId, taskId } = place
  const ids = { ...(contextId && { contextId }), ...(taskId && { taskId }) }
  const message = { messageId: uuidv7(), role: 'ROLE_USER' as const, parts: [{ text }], ...ids }
  const answer = await withinLimit(client, call, async (limit): Promise<SendMessageResponse> => {
    const first = await client.call('SendMessage', { message }, limit.until)
    if (!('task' in first)) return first
    limit.taskId = first.task.id
    return { task: await waitWithin(client, first.task, { call, limit }) }
  })
  if (call.out.json) call.out.line(answer)
  if ('message' in answer) {
    if (!call.out.json) renderAnswer(answer.message, call.out)
    return { contextId: answer.message.contextId ?? contextId, taskId: undefined }
  }
  const { task } = answer
  if (!call.out.json) renderTask(task, client.agent.ref, call)
  noteOutcome(task.status.state, call.out)
  return { contextId: task.contextId ?? contextId, taskId: isInterrupted(task.status.state) ? task.id : undefined }
}
