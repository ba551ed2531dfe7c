/** Clients that never give up: the same message again, at any replica, until somebody has acknowledged it. */

import type { Task } from '../../src/a2a/tasks.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { ADMIN_KEY, type ReplicaProcess } from '../support/replicas.ts'
import type { Dice } from './dice.ts'

/** One line of the history, in the convention of Jepsen: `info` is an outcome that nobody knows. */
export interface Line {
  readonly at: number
  readonly client: number
  readonly op: 'send' | 'get' | 'cancel'
  readonly type: 'ok' | 'fail' | 'info'
  readonly messageId?: string
  readonly taskId?: string
  readonly state?: string
  readonly sequence?: number
}

export interface Sent {
  readonly messageId: string
  readonly contextId: string
  readonly agent: string
  /** The order within its conversation, from 0. */
  readonly nth: number
  readonly text: string
  readonly taskIds: Set<string>
  canceled: boolean
  /** A cancel was sent; whether it was heard of or not. */
  cancelAsked: boolean
  tries: number
}

export interface Workload {
  readonly history: Line[]
  readonly sent: Sent[]
  /** All messages are sent and acknowledged. */
  finished(): Promise<unknown>
  stop(): Promise<void>
}

export interface WorkloadOptions {
  readonly replicas: readonly ReplicaProcess[]
  readonly clients: number
  readonly agents: readonly string[]
  readonly dice: Dice
  /** Push URL for some of the tasks. */
  readonly pushTo?: string
  /** No more than these new messages in all. */
  readonly messagesMax: number
  /** No blocking sends: the agent may not come for long. */
  readonly immediately?: boolean
}

const headers = { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${ADMIN_KEY}` }

/** Node 20 may collect a signal of AbortSignal.timeout before it fires, and then a lost request waits for ever. */
async function rpc(
  url: string,
  agent: string,
  method: string,
  params: unknown,
): Promise<{ status: number; result?: never; error?: { code: number; message: string } }> {
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(), 10_000)
  try {
    const response = await fetch(`${url}/agents/${agent}`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: patience.signal,
    })
    return { status: response.status, ...((await response.json()) as object) }
  } finally {
    clearTimeout(timer)
  }
}

export const nap = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export function runWorkload({
  replicas,
  clients,
  agents,
  dice,
  pushTo,
  messagesMax,
  immediately = false,
}: WorkloadOptions): Workload {
  const history: Line[] = []
  const sent: Sent[] = []
  let stopping = false
  const began = performance.now()
  const note = (line: Omit<Line, 'at'>) => void history.push({ at: Math.round(performance.now() - began), ...line })

  async function sendUntilAcked(client: number, message: Sent): Promise<Task | undefined> {
    const params = {
      message: {
        messageId: message.messageId,
        contextId: message.contextId,
        role: 'ROLE_USER',
        parts: [{ text: message.text }],
      },
      configuration: {
        returnImmediately: immediately || dice.next() < 0.7,
        ...(pushTo && dice.next() < 0.3 && { taskPushNotificationConfig: { url: pushTo } }),
      },
    }
    for (;;) {
      message.tries++
      try {
        const { result, error } = await rpc(dice.pick(replicas).url, message.agent, 'SendMessage', params)
        const task = (result as { task?: Task } | undefined)?.task
        if (task) {
          message.taskIds.add(task.id)
          note({
            client,
            op: 'send',
            type: 'ok',
            messageId: message.messageId,
            taskId: task.id,
            state: task.status.state,
          })
          return task
        }
        note({
          client,
          op: 'send',
          type: error && error.code !== -32603 ? 'fail' : 'info',
          messageId: message.messageId,
        })
        if (error && error.code !== -32603 && error.code !== -32000)
          throw new Error(`refused: ${JSON.stringify(error)}`)
      } catch (error) {
        if ((error as Error).message.startsWith('refused')) throw error
        note({ client, op: 'send', type: 'info', messageId: message.messageId })
      }
      await nap(20 + dice.below(80))
    }
  }

  async function client(index: number): Promise<void> {
    let contextId = uuidv7()
    let nth = 0
    while (!stopping && sent.length < messagesMax) {
      if (dice.next() < 0.3) {
        contextId = uuidv7()
        nth = 0
      }
      const message: Sent = {
        messageId: uuidv7(),
        contextId,
        agent: dice.pick(agents),
        nth: nth++,
        text: `${dice.pick(['artifact', 'chunks:4', 'complete', 'slow:20'])} ${nth}`,
        taskIds: new Set(),
        canceled: false,
        cancelAsked: false,
        tries: 0,
      }
      sent.push(message)
      const task = await sendUntilAcked(index, message)
      // Some send the same again although they were answered: still one task.
      if (dice.next() < 0.1) await sendUntilAcked(index, message)
      if (task && dice.next() < 0.1) {
        const got = await rpc(dice.pick(replicas).url, message.agent, 'GetTask', { id: task.id }).catch(() => undefined)
        const found = got?.result as Task | undefined
        if (got)
          note({
            client: index,
            op: 'get',
            type: found ? 'ok' : got.error?.code === -32001 ? 'fail' : 'info',
            taskId: task.id,
            ...(found && { state: found.status.state }),
          })
      }
      if (task && dice.next() < 0.03) {
        message.cancelAsked = true
        const got = await rpc(dice.pick(replicas).url, message.agent, 'CancelTask', { id: task.id }).catch(
          () => undefined,
        )
        const found = got?.result as Task | undefined
        if (found?.status.state === 'TASK_STATE_CANCELED') message.canceled = true
        if (got)
          note({
            client: index,
            op: 'cancel',
            type: found ? 'ok' : 'info',
            taskId: task.id,
            ...(found && { state: found.status.state }),
          })
      }
    }
  }

  const running = Promise.all(Array.from({ length: clients }, (_, index) => client(index)))
  return {
    history,
    sent,
    finished: () => running,
    async stop() {
      stopping = true
      await running
    },
  }
}
