/** Clients that never give up: the same message again, at any replica, until somebody has acknowledged it. */
import type { Task } from '../../src/a2a/tasks.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import type { Dice } from '../faults/dice.ts'
import { nap, operator } from './stage.ts'

export interface Rpc {
  // biome-ignore lint/suspicious/noExplicitAny: results of many forms
  readonly result?: any
  readonly error?: { readonly code: number; readonly message: string }
}

/** Node 20 may collect a signal of AbortSignal.timeout before it fires, and then a lost request waits for ever. */
export async function rpc(url: string, agent: string, method: string, params: unknown): Promise<Rpc> {
  const patience = new AbortController()
  const timer = setTimeout(() => patience.abort(), 10_000)
  try {
    const response = await fetch(`${url}/agents/${agent}`, {
      method: 'POST',
      headers: { ...operator, 'a2a-version': '1.0' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: patience.signal,
    })
    return (await response.json()) as Rpc
  } finally {
    clearTimeout(timer)
  }
}

export interface Ack {
  readonly at: number
  readonly ms: number
  readonly state: string
}
export interface Sent {
  readonly messageId: string
  readonly taskIds: Set<string>
  readonly acks: Ack[]
  tries: number
}

export interface Senders {
  readonly sent: readonly Sent[]
  /** All is sent and acknowledged. */
  finished(): Promise<unknown>
}

export interface SendersOptions {
  readonly urls: readonly string[]
  readonly agent: string
  readonly text: string
  readonly clients: number
  readonly messages: number
  /** A client rests this long between two messages, on average. */
  readonly pauseMs: number
  readonly dice: Dice
}

/** Of the acknowledged, how many are sent again all the same. */
const AGAIN = 0.1

export function startSenders({ urls, agent, text, clients, messages, pauseMs, dice }: SendersOptions): Senders {
  const sent: Sent[] = []

  async function untilAcked(one: Sent): Promise<void> {
    const message = { messageId: one.messageId, role: 'ROLE_USER', parts: [{ text }] }
    for (;;) {
      one.tries++
      const began = performance.now()
      const answer = await rpc(dice.pick(urls), agent, 'SendMessage', {
        message,
        configuration: { returnImmediately: true },
      }).catch(() => undefined)
      const task = answer?.result?.task as Task | undefined
      if (task) {
        one.taskIds.add(task.id)
        one.acks.push({ at: Date.now(), ms: performance.now() - began, state: task.status.state })
        return
      }
      // Not done, or nobody knows: the same again is the same task.
      await nap(20 + dice.below(80))
    }
  }

  async function client(): Promise<void> {
    while (sent.length < messages) {
      const one: Sent = { messageId: uuidv7(), taskIds: new Set(), acks: [], tries: 0 }
      sent.push(one)
      await untilAcked(one)
      if (dice.next() < AGAIN) await untilAcked(one)
      if (pauseMs > 0) await nap(dice.below(2 * pauseMs))
    }
  }

  const running = Promise.all(Array.from({ length: clients }, client))
  return { sent, finished: () => running }
}
