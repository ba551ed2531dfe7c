/**
 * The load generator: a closed loop over plain sockets, each request written as one string and each answer cut by its
 * Content-Length. A library client costs as much as the server under measurement, and both share the machine's cores.
 */
import { connect } from 'node:net'
import { Pool } from 'undici'
import { serveCalls } from '../parts.mjs'

/** About 1.15 kB, as the budget's figures were taken. */
const WORDS = 'Please book a table for two on Friday evening, somewhere quiet, and tell me what it will cost. '.repeat(
  9,
)

function requestWriter({ path, key, blocking, run }) {
  const configuration = blocking ? '' : ',"configuration":{"returnImmediately":true}'
  const before = '{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"'
  const after = `","role":"ROLE_USER","parts":[{"text":"${WORDS}"}]}${configuration}}}`
  const length = before.length + 36 + after.length
  const head =
    `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nA2A-Version: 1.0\r\n` +
    `${key ? `Authorization: Bearer ${key}\r\n` : ''}Content-Length: ${length}\r\n\r\n`
  let sent = 0
  return () => `${head}${before}${run}-0000-4000-8000-${String(++sent).padStart(12, '0')}${after}`
}

const HEAD_END = '\r\n\r\n'
const TASK_ID = /"task":\{"id":"([^"]+)"/

/** One connection: the next request when the answer to the last is whole. */
function openConnection(port, course) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let text = ''
  let need = -1
  let closing = false
  let sentAt = 0
  let busy = false
  const next = () => {
    if (performance.now() >= course.until) return socket.end()
    if (closing) {
      socket.destroy()
      return openConnection(port, course)
    }
    sentAt = performance.now()
    busy = true
    course.sent++
    course.open++
    socket.write(course.write(), 'latin1')
  }
  socket.once('connect', next)
  socket.on('data', (chunk) => {
    text = text === '' ? chunk.latin1Slice() : text + chunk.latin1Slice()
    if (need < 0) {
      const end = text.indexOf(HEAD_END)
      if (end < 0) return
      const head = text.slice(0, end)
      need = end + HEAD_END.length + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      closing = /connection: close/i.test(head)
    }
    if (text.length < need) return
    const answer = text
    text = ''
    need = -1
    busy = false
    course.open--
    course.answered(answer, sentAt)
    next()
  })
  socket.on('error', () => {})
  socket.once('close', () => {
    if (busy) {
      course.open--
      course.broken++
    }
    if (busy && performance.now() < course.until) openConnection(port, course)
  })
}

const quantile = (sorted, at) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? 0

async function sends({ port, connections, ms, skipMs, ...request }) {
  const began = performance.now()
  const latencies = []
  const tasks = []
  let refused = 0
  let firstRefusal = ''
  const course = {
    until: began + ms,
    sent: 0,
    open: 0,
    broken: 0,
    write: requestWriter(request),
    answered(answer, sentAt) {
      const task = answer.startsWith('HTTP/1.1 200') ? TASK_ID.exec(answer)?.[1] : undefined
      if (task === undefined) {
        refused++
        firstRefusal ||= answer.slice(0, 600)
        return
      }
      tasks.push(task)
      const now = performance.now()
      if (sentAt - began >= skipMs && now <= course.until) latencies.push(now - sentAt)
    },
  }
  for (let n = 0; n < connections; n++) openConnection(port, course)
  await new Promise((resolve) => setTimeout(resolve, ms))
  for (let waited = 0; course.open > 0 && waited < 10_000; waited += 20)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const rate = latencies.length / ((ms - skipMs) / 1_000)
  latencies.sort((a, b) => a - b)
  const { sent, open, broken } = course
  return {
    rate,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    tasks,
    sent,
    refused,
    broken,
    unanswered: open,
    firstRefusal,
  }
}

/** The bare sender that webhooks are compared with: undici, one pool, the same body each time, nothing else. */
async function posts({ port, inFlight, ms, skipMs, bytes }) {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight, pipelining: 1 })
  const body = 'x'.repeat(bytes)
  const until = performance.now() + ms
  const from = performance.now() + skipMs
  let counted = 0
  const loop = async () => {
    while (performance.now() < until) {
      const answer = await pool.request({
        method: 'POST',
        path: '/hook',
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

serveCalls({ start: () => ({}), sends, posts })
