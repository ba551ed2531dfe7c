/** A webhook receiver that says 200 at once. Counts what comes, by webhook-id, and when, and looks at the order of each task's. */
import { createServer } from 'node:http'
import { listening, serveCalls, withBody } from '../parts.mjs'

let received = 0
let unsigned = 0
let disordered = 0
const known = new Set()
/** Of tasks with more than one numbered event: the last. */
const last = new Map()
let marks = []

setInterval(() => {
  if (received > 0 && marks.at(-1)?.count !== received) marks.push({ at: performance.now(), count: received })
}, 20).unref()

const TASK = /"taskId" ?: ?"([^"]+)"/

/** `#00000012#`: each task's are to come one after the other, from 1. */
function lookAtOrder(body) {
  const at = body.indexOf(0x23)
  const number = at < 0 ? 1 : Number(body.latin1Slice(at + 1, at + 9))
  if (number === 1) return
  const task = TASK.exec(body.latin1Slice())?.[1]
  if (number !== (last.get(task) ?? 1) + 1) disordered++
  last.set(task, number)
}

const server = createServer((request, response) => {
  withBody(request, (body) => {
    received++
    const id = request.headers['webhook-id']
    if (id && !known.has(id)) lookAtOrder(body)
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
  stats: () => ({ executed: received, distinct: known.size, marks, unsigned, disordered }),
  reset() {
    received = 0
    unsigned = 0
    disordered = 0
    known.clear()
    last.clear()
    marks = []
  },
})
