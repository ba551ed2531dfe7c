/** A trivial A2A agent: answers at once with a completed task, or streams what it is told to. Counts what it executes. */
import { createServer } from 'node:http'
import { listening, serveCalls, withBody } from '../parts.mjs'

let port
let executed = 0
const known = new Set()
let marks = []

/** How many were executed by when, a look each 20 ms: a rate is taken from it afterwards. */
setInterval(() => {
  const last = marks.at(-1)
  if (executed > 0 && last?.count !== executed) marks.push({ at: performance.now(), count: executed })
}, 20).unref()

const cardOf = (streaming) => ({
  name: 'bench',
  description: 'answers at once',
  version: '1',
  supportedInterfaces: [
    {
      url: `http://127.0.0.1:${port}/${streaming ? 'stream' : 'rpc'}`,
      protocolBinding: 'JSONRPC',
      protocolVersion: '1.0',
    },
  ],
  capabilities: { streaming },
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [{ id: 's', name: 's', description: 's', tags: ['t'] }],
})

const ARTIFACTS =
  '"artifacts":[{"artifactId":"a","parts":[{"text":"done: the trivial agent has nothing to add to what it was told"}]}]'

function answer(response, { id, params }) {
  const { messageId } = params.message
  executed++
  known.add(messageId)
  const task = `{"id":"t${executed}","contextId":"c${executed}","status":{"state":"TASK_STATE_COMPLETED"},${ARTIFACTS}}`
  const text = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"task":${task}}}`
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length })
  response.end(text)
}

const streams = new Map()
let streamed = 0

function openStream(response, { id, params }) {
  const taskId = `s${++streamed}`
  const head = `data: {"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`${head}{"task":{"id":"${taskId}","contextId":"c","status":{"state":"TASK_STATE_WORKING"}}}}\n\n`)
  streams.set(params.message.messageId, { response, head, taskId, next: 1 })
}

/** `count` chunks of one artifact, each with its number. */
function emit({ response, head, taskId, ...stream }, count) {
  let text = ''
  for (let number = stream.next; number < stream.next + count; number++) {
    const artifact = `{"artifactId":"a","parts":[{"text":"#${String(number).padStart(8, '0')}# a token"}]}`
    text += `${head}{"artifactUpdate":{"taskId":"${taskId}","contextId":"c","artifact":${artifact},"append":${number > 1}}}}\n\n`
  }
  response.write(text)
}

const server = createServer((request, response) => {
  const { method, url } = request
  if (method === 'GET') {
    const text = JSON.stringify(cardOf(url.startsWith('/stream')))
    response.writeHead(200, { 'content-type': 'application/json' }).end(text)
    return
  }
  withBody(request, (body) => {
    if (url.startsWith('/emit')) {
      const asked = new URL(url, 'http://127.0.0.1')
      const stream = streams.get(asked.searchParams.get('stream'))
      const count = Number(asked.searchParams.get('n'))
      emit(stream, count)
      stream.next += count
      response.end()
      return
    }
    const call = JSON.parse(body.toString())
    if (call.method === 'SendStreamingMessage') openStream(response, call)
    else answer(response, call)
  })
})

serveCalls({
  async start() {
    server.keepAliveTimeout = 60_000
    port = await listening(server)
    return { port }
  },
  stats: () => ({ executed, distinct: known.size, marks }),
  reset() {
    executed = 0
    known.clear()
    marks = []
  },
  finish({ stream }) {
    const { response, head, taskId } = streams.get(stream)
    response.end(
      `${head}{"statusUpdate":{"taskId":"${taskId}","contextId":"c","status":{"state":"TASK_STATE_COMPLETED"}}}}\n\n`,
    )
    streams.delete(stream)
  },
})
