/**
 * Calls: a message that wants somebody to answer at once. It rings while it waits (its time to live is the time that it
 * rings), it is answered by being taken, and declined by `reject`. When it has rung out, or could not ring because nobody
 * was there, its sender's wish decides: it becomes an ordinary message, or its task fails; its caller is told either way.
 */

import type { Message, Task } from '../../a2a/tasks.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import { loop, type Service } from '../../platform/service.ts'
import type { StreamEntry } from '../../ports.ts'
import { endRing, type RungOut, rungOut } from '../../store/rings.ts'
import { stateOf } from '../../store/tasks.ts'
import { toEntry } from '../tasks/entries.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import { readRequest } from '../tasks/request.ts'
import { wishesOf } from '../tasks/wishes.ts'
import { laneAgent } from './shared.ts'
import type { MailboxTools } from './tools.ts'

export interface RingTools extends Pick<MailboxTools, 'db' | 'clock' | 'now' | 'loopTools' | 'findAgent' | 'signals'> {
  readonly wake: (tenant: string, destination: string) => void
  readonly published: (tenant: string, taskId: string, entries: readonly StreamEntry[], owed: string | null) => void
}

const AT_ONCE = 200

export function createRings(tools: RingTools): Service {
  return loop(
    'rings',
    async (signal) => {
      await tools.clock.sleep(LIMITS.pollMs, signal)
      if (signal.aborted) return
      for (const call of await rungOut(tools.db, AT_ONCE)) await end(call, tools)
    },
    tools.loopTools,
  )
}

function wishesIn({ body, history, request }: RungOut) {
  const message = history
    ? (JSON.parse(history) as Message[])[0]
    : (JSON.parse(body) as { task: Task }).task.history?.[0]
  const { metadata } = readRequest(request)
  return wishesOf({ message: message as Message, ...(metadata && { metadata }) })
}

async function end(call: RungOut, tools: RingTools): Promise<void> {
  const { tenant, id, taskId, contextId, agent, destination, acceptedAt, answered } = call
  const { noAnswer = 'inbox', ttlSeconds, ringSeconds = LIMITS.ringSeconds } = wishesIn(call)
  const keeps = noAnswer === 'inbox' || answered
  const recipient = await tools.findAgent(tenant, laneAgent(destination))
  const at = tools.now()
  const rang = at.getTime() - acceptedAt >= ringSeconds * 1_000
  const why = answered
    ? 'who had answered was lost'
    : rang
      ? `nobody has answered within ${ringSeconds} s`
      : `${agent} is not there, or busy`
  const text = keeps ? `${why}: it is left in the inbox` : why
  const state = keeps ? stateOf(call.state) : ('TASK_STATE_FAILED' as const)
  const ids = { taskId, contextId }
  const event = { statusUpdate: { ...ids, status: gatewayStatus(state, { code: 'NO_ANSWER', text }, at, ids) } }
  const body = JSON.stringify(event)
  const done = await endRing(tools.db, {
    ...{ tenant, id, taskId, body, statusAt: at.toISOString(), reason: why, seed: uuidv7() },
    ttlSeconds: keeps ? (ttlSeconds ?? recipient?.policy.ttlSeconds ?? LIMITS.ttlSeconds) : null,
    webhookAgeSeconds: LIMITS.webhookAgeMaxMs / 1000,
  })
  if (!done) return
  tools.published(tenant, taskId, [toEntry({ sequence: done.lastSeq, json: body, event, state })], done.owed)
  if (keeps) tools.wake(tenant, destination)
  else
    tools.signals.emit('task.finished', {
      task: taskId,
      tenant,
      agent,
      state,
      ms: Math.max(0, at.getTime() - acceptedAt),
    })
}
