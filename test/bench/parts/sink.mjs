/** A webhook receiver that says 200 at once. Counts what comes, by webhook-id, and when. */
import { createServer } from 'node:http'
import { listening, serveCalls, withBody } from '../parts.mjs'

let received = 0
let unsigned = 0
const known = new Set()
let marks = []

setInterval(() => {
  if (received > 0 && marks.at(-1)?.count !== received) marks.push({ at: performance.now(), count: received })
}, 20).unref()

const server = createServer((request, response) => {
  withBody(request, () => {
    received++
    const id = request.headers['webhook-id']
    if (id) known.add(id)
    if (!request.headers['x-a2a-signature-jwt']) unsigned++
    response.writeHead(200, { 'content-length': 0 }).end()
  })
})

serveCalls({
  async start() {
    server.keepAliveTimeout = 60_000
    return { port: await listening(server) }
  },
  stats: () => ({ executed: received, distinct: known.size, marks, unsigned }),
  reset() {
    received = 0
    unsigned = 0
    known.clear()
    marks = []
  },
})
