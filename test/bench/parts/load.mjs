/** The load generator: closed and open loops of one operation, and the bare sender that webhooks are compared with. */
import { Pool } from 'undici'
import { quantilesOf } from '../numbers.mjs'
import { serveCalls } from '../parts.mjs'
import { closedLoop, openConnection, openLoop } from './connections.mjs'

/** About 1.15 kB, as the budget's figures were taken. */
const WORDS = 'Please book a table for two on Friday evening, somewhere quiet, and tell me what it will cost. '.repeat(
  9,
)

const headOf = (path, key, length) =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nA2A-Version: 1.0\r\n` +
  `${key ? `Authorization: Bearer ${key}\r\n` : ''}Content-Length: ${length}\r\n\r\n`

function sendWriter({ path, key, blocking, run }) {
  const configuration = blocking ? '' : ',"configuration":{"returnImmediately":true}'
  const before = '{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"'
  const after = `","role":"ROLE_USER","parts":[{"text":"${WORDS}"}]}${configuration}}}`
  const head = headOf(path, key, before.length + 36 + after.length)
  let sent = 0
  return () => `${head}${before}${run}-0000-4000-8000-${String(++sent).padStart(12, '0')}${after}`
}

function getWriter({ path, key, ids }) {
  const before = '{"jsonrpc":"2.0","id":1,"method":"GetTask","params":{"id":"'
  const head = headOf(path, key, before.length + 36 + 3)
  let asked = 0
  return () => `${head}${before}${ids[asked++ % ids.length]}"}}`
}

const SENT = /"task":\{"id":"([^"]+)"/
const GOT = /"result":\{"id":"([^"]+)"/

/** One operation for `ms`: in a closed loop, or with `rate` in an open one. */
async function load({ port, connections, ms, skipMs, rate }, write, taskOf) {
  const began = performance.now()
  const latencies = []
  const tasks = []
  const refusals = { count: 0, first: '' }
  const course = {
    until: began + ms,
    sent: 0,
    open: 0,
    broken: 0,
    write,
    answered(answer, since) {
      const task = answer.startsWith('HTTP/1.1 200') ? taskOf.exec(answer)?.[1] : undefined
      if (task === undefined) {
        refusals.count++
        refusals.first ||= answer.slice(0, 600)
        return
      }
      tasks.push(task)
      const now = performance.now()
      // What came late counts where latency is asked for, and not where a rate is.
      if (since - began >= skipMs && (rate !== undefined || now <= course.until)) latencies.push(now - since)
    },
  }
  if (rate === undefined) closedLoop(course)
  else openLoop(course, rate)
  for (let n = 0; n < connections; n++) openConnection(port, course)
  await new Promise((resolve) => setTimeout(resolve, ms))
  const unfinished = () => course.open > 0 || (course.waiting?.() ?? 0) > 0
  for (let waited = 0; unfinished() && waited < 10_000; waited += 20)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const { sent, open, broken } = course
  return {
    rate: latencies.length / ((ms - skipMs) / 1_000),
    ...quantilesOf(latencies),
    tasks,
    sent,
    broken,
    unanswered: open,
    refused: refusals.count,
    firstRefusal: refusals.first,
  }
}

const sends = (options) => load(options, sendWriter(options), SENT)
const gets = (options) => load(options, getWriter(options), GOT)

/** A bare undici sender: one pool, the same body each time, nothing else. */
async function posts({ port, inFlight, ms, skipMs, body, path = '/hook' }) {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight, pipelining: 1 })
  const until = performance.now() + ms
  const from = performance.now() + skipMs
  let counted = 0
  const loop = async () => {
    while (performance.now() < until) {
      const answer = await pool.request({
        method: 'POST',
        path,
        headers: { 'content-type': 'application/a2a+json' },
        body,
      })
      await answer.body.dump()
      if (performance.now() >= from) counted++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, loop))
  await pool.close()
  return { rate: counted / ((ms - skipMs) / 1_000) }
}

serveCalls({ start: () => ({}), sends, gets, posts })
