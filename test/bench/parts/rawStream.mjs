/**
 * The limit of fan-out: one shared Buffer for each event, one `res.write` for each subscriber, on Node's own response. One
 * event in one turn of the loop, as events come; a hundred in one turn would be one system call for each subscriber.
 */
import { createServer } from 'node:http'
import { listening, serveCalls, withBody } from '../parts.mjs'

const TASK = '01890000-0000-7000-8000-000000000000'
const subscribers = new Set()
let next = 1

function frame(number) {
  const artifact = `{"artifactId":"a","parts":[{"text":"#${String(number).padStart(8, '0')}# a token"}]}`
  const update = `{"taskId":"${TASK}","contextId":"${TASK}","artifact":${artifact},"append":true}`
  return Buffer.from(`id: ${number}\ndata: {"jsonrpc":"2.0","id":1,"result":{"artifactUpdate":${update}}}\n\n`)
}

const server = createServer((request, response) => {
  withBody(request, () => {
    if (!request.url.startsWith('/emit')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.flushHeaders()
      subscribers.add(response)
      response.once('close', () => subscribers.delete(response))
      return
    }
    const asked = new URL(request.url, 'http://127.0.0.1').searchParams
    const count = Number(asked.get('n'))
    const inOneTurn = asked.has('inOneTurn')
    let left = count
    const one = () => {
      const shared = frame(next++)
      for (const subscriber of subscribers) subscriber.write(shared)
      if (--left > 0) inOneTurn ? one() : setImmediate(one)
    }
    one()
    response.end()
  })
})

serveCalls({
  start: async () => ({ port: await listening(server) }),
  memory() {
    globalThis.gc?.()
    return { rss: process.memoryUsage().rss }
  },
  reset() {
    next = 1
  },
})
