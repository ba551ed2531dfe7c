/** A trivial A2A agent: answers at once with a completed task, or streams what it is told to. Counts what it executes. */
import { createServer } from 'node:http'
import { sharedNow } from '../numbers.mjs'
import { listening, serveCalls, withBody } from '../parts.mjs'

let port
let executed = 0
let disordered = 0
/** By messageId: when it was executed last. */
const known = new Map()
/** Executed more than once. */
let repeated = []
/** How long each takes. */
let takesMs = 0
/** By conversation: its last message. */
const last = new Map()
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

/** `[17 12]`: the twelfth message of conversation 17; a conversation's are to come one after the other. */
function lookAtOrder(text) {
  if (text?.charCodeAt(0) !== 0x5b) return
  const [conversation, number] = text.slice(1, text.indexOf(']')).split(' ').map(Number)
  if (number !== (last.get(conversation) ?? 0) + 1) disordered++
  last.set(conversation, number)
}

function answer(response, { id, params }) {
  const { messageId } = params.message
  executed++
  if (known.has(messageId)) repeated.push(messageId)
  else lookAtOrder(params.message.parts[0].text)
  known.set(messageId, sharedNow())
  const task = `{"id":"t${executed}","contextId":"c${executed}","status":{"state":"TASK_STATE_COMPLETED"},${ARTIFACTS}}`
  const text = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"task":${task}}}`
  const say = () => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length })
    response.end(text)
  }
  if (takesMs > 0) setTimeout(say, takesMs)
  else say()
}

/** It keeps no tasks, so it knows none that it could be asked about. */
function refuse(response, { id }) {
  const error = '{"code":-32601,"message":"Method not found"}'
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"error":${error}}`)
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
    else if (call.method === 'SendMessage') answer(response, call)
    else refuse(response, call)
  })
})

serveCalls({
  async start() {
    server.keepAliveTimeout = 60_000
    port = await listening(server)
    return { port }
  },
  stats: () => ({ executed, distinct: known.size, marks, disordered }),
  repeated: () => repeated,
  takeTime({ ms }) {
    takesMs = ms
  },
  /** When these were executed last, on the shared clock; undefined: not at all. */
  executions: ({ ids }) => ids.map((id) => known.get(id)),
  /** Nobody listens any more. */
  async away() {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  },
  /** On the same port again; says when. */
  async back() {
    const open = new Promise((resolve) => server.listen(port, '127.0.0.1', 1024, resolve))
    await open
    return sharedNow()
  },
  reset() {
    executed = 0
    disordered = 0
    repeated = []
    last.clear()
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
