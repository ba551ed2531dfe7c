/**
 * What comes in an ordinary hour: messages that are not waited for, that are, that are streamed, that owe a webhook, and
 * the worker of a mailbox. An open loop: they come by chance, whatever became of the last.
 */
import { join } from 'node:path'
import { Pool } from 'undici'
import { serveCalls } from '../parts.mjs'

const WORDS = 'Please book a table for two on Friday evening, somewhere quiet, and tell me what it will cost. '.repeat(
  9,
)
const IMMEDIATE = { returnImmediately: true }

let pool
let place
let going = false
let open = 0
const told = { sent: 0, acknowledged: 0, refused: 0, worked: 0, firstRefusal: '' }
const stopWork = new AbortController()
let working

/** Agent, method, configuration; in turn. */
const kinds = () => [
  ['box', 'SendMessage', IMMEDIATE],
  ['called', 'SendMessage', {}],
  ['called', 'SendStreamingMessage', {}],
  ['called', 'SendMessage', { ...IMMEDIATE, taskPushNotificationConfig: { url: place.sink } }],
]

async function sendOne(number) {
  const [agent, method, configuration] = kinds()[number % 4]
  const messageId = `${place.run}-0000-4000-8000-${String(number).padStart(12, '0')}`
  const message = { messageId, role: 'ROLE_USER', parts: [{ text: WORDS }] }
  const answer = await pool.request({
    method: 'POST',
    path: `/agents/${agent}`,
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${place.key}` },
    body: JSON.stringify({ jsonrpc: '2.0', id: number, method, params: { message, configuration } }),
  })
  const text = await answer.body.text()
  if (answer.statusCode !== 200 || !text.includes('"task":{"id"')) throw new Error(text.slice(0, 300))
}

function begin({ rate }) {
  going = true
  let due = performance.now()
  const tick = () => {
    for (const now = performance.now(); due <= now; due += (-Math.log(1 - Math.random()) * 1_000) / rate) {
      open++
      sendOne(++told.sent)
        .then(
          () => told.acknowledged++,
          (error) => {
            told.refused++
            told.firstRefusal ||= error.message
          },
        )
        .finally(() => open--)
    }
    if (going) setTimeout(tick, 2)
  }
  tick()
}

serveCalls({
  async start({ dist, port, key, sink, run }) {
    place = { key, sink, run }
    const gateway = `http://127.0.0.1:${port}`
    pool = new Pool(gateway, { connections: 256, pipelining: 1 })
    const { register, work } = await import(join(dist, 'client/mailbox.js'))
    const { token } = await register({ gateway, key, name: 'box' })
    working = work({ gateway, token, concurrency: 16, signal: stopWork.signal }, (job) => {
      told.worked++
      return job.text.toUpperCase().slice(0, 100)
    })
    working.catch((error) => console.error(`the worker: ${error.message}`))
    return {}
  },
  begin,
  told: () => told,
  /** No new ones; those under way are answered first. */
  async end() {
    going = false
    while (open > 0) await new Promise((resolve) => setTimeout(resolve, 20))
    return told
  },
  async stop() {
    stopWork.abort()
    await working.catch(() => {})
  },
})
