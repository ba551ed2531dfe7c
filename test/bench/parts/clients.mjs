/**
 * Clients that do not give up: each has a conversation, sends its messages one after another, and sends the same message
 * again, at the other replica, until it is acknowledged.
 */
import { Pool } from 'undici'
import { serveCalls } from '../parts.mjs'

let going = false
let conversations = []
let acknowledged = []
let repeats = 0

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function ask(pool, { path, key }, body) {
  const answer = await pool.request({
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${key}` },
    body,
  })
  const text = await answer.body.text()
  const task = answer.statusCode === 200 ? JSON.parse(text).result?.task?.id : undefined
  if (!task) throw new Error(text.slice(0, 300))
  return task
}

const idOf = (run, conversation, number) =>
  `${run}-0000-4000-8${conversation.toString(16).padStart(3, '0')}-${String(number).padStart(12, '0')}`

async function converse(pools, conversation, { run, everyMs, ...target }) {
  for (let number = 1; going; number++) {
    const messageId = idOf(run, conversation, number)
    const parts = [{ text: `[${conversation} ${number}] and some words` }]
    const body = JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'SendMessage',
      params: {
        message: { messageId, contextId: `${run}-${conversation}`, role: 'ROLE_USER', parts },
        configuration: { returnImmediately: true },
      },
    })
    for (let tries = 0; ; tries++) {
      const task = await ask(pools[(conversation + tries) % pools.length], target, body).catch(() => undefined)
      if (task !== undefined) {
        acknowledged.push([messageId, task])
        break
      }
      repeats++
      await pause(20)
    }
    await pause(everyMs)
  }
}

serveCalls({
  start: () => ({}),
  begin({ ports, clients, ...talk }) {
    const pools = ports.map((port) => new Pool(`http://127.0.0.1:${port}`, { connections: clients, pipelining: 1 }))
    going = true
    acknowledged = []
    repeats = 0
    conversations = Array.from({ length: clients }, (_, conversation) => converse(pools, conversation, talk))
  },
  /** No new messages; what is under way is acknowledged first. */
  async end() {
    going = false
    await Promise.all(conversations)
    return { acknowledged, repeats }
  },
})
