import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS, type Limits } from '../../../src/limits.ts'
import type { Egress } from '../../../src/platform/egress.ts'
import type { AgentTarget } from '../../../src/ports.ts'
import { createPeer } from '../../../src/wire/bindings/peer.ts'
import { createLog, type Log } from '../../support/log.ts'
import { aSend, glance, type Haste, haste, listen, loopbackEgress } from './peers.ts'

const never = new AbortController().signal
type Call = { id: string; method: string; params: { id?: string } }

/** An agent written line by line: what it answers is up to each test. */
let server: Server
let egress: Egress
let clock: Haste
let calls: Log<Call>
let respond: (call: Call, response: ServerResponse) => void
let target: AgentTarget

beforeEach(async () => {
  egress = loopbackEgress()
  clock = haste()
  calls = createLog()
  server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const call = JSON.parse(body) as Call
    calls.add(call)
    respond(call, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  target = {
    tenant: 't',
    name: 'a',
    url,
    headers: { authorization: 'Bearer very-secret-value' },
    card: {
      name: 'a',
      description: 'd',
      version: '1',
      capabilities: { streaming: true },
      defaultInputModes: [],
      defaultOutputModes: [],
      skills: [],
      supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
    },
  }
})
afterEach(async () => {
  await egress.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const quarantined: string[] = []
const peerWith = (limits: Partial<Limits> = {}) => {
  quarantined.length = 0
  const quarantine = (reason: string) => void quarantined.push(reason)
  return createPeer({ egress, clock, quarantine, limits: { ...LIMITS, ...limits } })
}
const begin = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' })
const frame = (call: Call, result: unknown) => `data: ${JSON.stringify({ jsonrpc: '2.0', id: call.id, result })}\n\n`
const answer = (call: Call, response: ServerResponse, more: object) =>
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...more }))
const ids = { taskId: 't1', contextId: 'c1' }
const aTask = (state: string, more = {}) => ({
  task: { id: 't1', contextId: 'c1', status: { state: `TASK_STATE_${state}` }, ...more },
})
const status = (state: string) => ({ statusUpdate: { ...ids, status: { state: `TASK_STATE_${state}` } } })
const chunk = (text: string) => ({
  artifactUpdate: { ...ids, artifact: { artifactId: 'x', parts: [{ text }] }, append: true },
})

function speaks(more: object) {
  const [face] = target.card!.supportedInterfaces
  target = { ...target, card: { ...target.card!, supportedInterfaces: [{ ...face!, ...more }] } }
}

async function send(limits: Partial<Limits> = {}) {
  const heard = listen()
  const verdict = await peerWith(limits).send(target, aSend('go'), heard.sink, never)
  return { verdict, events: heard.log.entries, said: heard.log.entries.map(glance) }
}

describe('an agent that falls silent', () => {
  test('before its first word leaves us not knowing', async () => {
    respond = () => undefined
    expect((await send({ agentIdleMs: 50 })).verdict).toMatchObject({ kind: 'unknown' })
    respond = (_call, response) => begin(response).flushHeaders()
    expect((await send({ agentIdleMs: 50 })).verdict).toMatchObject({ kind: 'unknown' })
    expect(calls.entries.map(({ method }) => method)).toEqual(['SendStreamingMessage', 'SendStreamingMessage'])
  })

  test('with our task is asked again: by its stream, then by looking', async () => {
    respond = (call, response) => {
      if (call.method === 'GetTask') return answer(call, response, { result: aTask('COMPLETED').task })
      begin(response).write(frame(call, aTask('WORKING')))
    }
    // Long enough for a first word on a machine that is busy.
    const { verdict, said } = await send({ agentIdleMs: 400 })
    expect(verdict).toEqual({ kind: 'accepted' })
    expect(said).toEqual(['task WORKING', 'task COMPLETED'])
    expect(calls.entries.map(({ method }) => method)).toEqual([
      'SendStreamingMessage',
      'SubscribeToTask',
      'SubscribeToTask',
      'GetTask',
    ])
  })

  test('a heartbeat is not silence', async () => {
    respond = (call, response) => {
      begin(response).write(frame(call, aTask('WORKING')))
      let beats = 0
      const beating = setInterval(() => {
        response.write(': still here\n\n')
        if (++beats < 16) return
        clearInterval(beating)
        response.end(frame(call, status('COMPLETED')))
      }, 50)
    }
    expect((await send({ agentIdleMs: 600 })).said).toEqual(['task WORKING', 'COMPLETED'])
    expect(calls.entries).toHaveLength(1)
  })
})

describe('an agent that says too much (K-08)', () => {
  test.each([
    ['events', { eventsPerTaskMax: 10 }, 'x'],
    ['bytes of events', { bytesPerTaskMax: 5_000 }, 'x'.repeat(1_000)],
    ['in one line', { streamLineBytesMax: 500 }, 'x'.repeat(1_000)],
    ['in one event', { streamEventBytesMax: 500 }, 'x'.repeat(1_000)],
  ])('%s', async (_what, limits, text) => {
    respond = (call, response) => {
      begin(response).write(frame(call, aTask('WORKING')))
      for (let n = 0; n < 20; n++) response.write(frame(call, chunk(text)))
    }
    const { verdict, said } = await send(limits)
    expect(verdict).toMatchObject({ kind: 'refused', code: 'INVALID_AGENT_RESPONSE', retry: false })
    expect(said.length).toBeLessThanOrEqual(10)
  })

  test('in a plain answer', async () => {
    respond = (call, response) =>
      answer(call, response, { result: aTask('COMPLETED', { metadata: { x: 'x'.repeat(5_000) } }) })
    expect((await send({ agentReplyBytesMax: 1_000 })).verdict).toMatchObject({ code: 'INVALID_AGENT_RESPONSE' })
  })

  test('K-14 nested too deep', async () => {
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
    respond = (call, response) =>
      begin(response).end(
        `data: {"jsonrpc":"2.0","id":"${call.id}","result":{"task":{"id":"t1","metadata":{"x":${deep}}}}}\n\n`,
      )
    expect((await send()).verdict).toMatchObject({ code: 'INVALID_AGENT_RESPONSE', retry: false })
  })
})

describe('what an agent may say', () => {
  const noTask = [{ task: { status: { state: 'TASK_STATE_WORKING' } } }, { task: { id: 't1' } }, {}, 42, null]
  test.each(noTask.map((result) => [result]))('K-03 K-05 %j is no event', async (result) => {
    respond = (call, response) => begin(response).end(frame(call, result))
    expect((await send()).verdict).toMatchObject({ code: 'INVALID_AGENT_RESPONSE', retry: false })
  })

  test('K-02 both a result and an error is nothing', async () => {
    respond = (call, response) =>
      answer(call, response, { result: aTask('COMPLETED'), error: { code: -32603, message: 'm' } })
    expect((await send()).verdict).toMatchObject({ code: 'INVALID_AGENT_RESPONSE' })
  })

  test('an error in the midst of a stream: the task is looked at', async () => {
    respond = (call, response) => {
      if (call.method === 'GetTask') return answer(call, response, { result: aTask('FAILED').task })
      if (call.method === 'SubscribeToTask')
        return answer(call, response, { error: { code: -32004, message: 'ended' } })
      const error = JSON.stringify({ jsonrpc: '2.0', id: call.id, error: { code: -32603, message: 'boom' } })
      begin(response).end(`${frame(call, aTask('WORKING'))}event: error\ndata: ${error}\n\n`)
    }
    expect((await send()).said).toEqual(['task WORKING', 'task FAILED'])
  })

  test('an error as the only event is its answer', async () => {
    respond = (call, response) => {
      const error = JSON.stringify({ jsonrpc: '2.0', id: call.id, error: { code: -32602, message: 'bad part' } })
      begin(response).end(`data: ${error}\n\n`)
    }
    expect((await send()).verdict).toEqual({ kind: 'refused', code: 'REJECTED', retry: false, reason: 'bad part' })
  })

  test('K-04 K-06 an event of another task, or after the end, is put aside and told', async () => {
    respond = (call, response) => {
      const other = { statusUpdate: { ...status('FAILED').statusUpdate, taskId: 'other' } }
      const said = [aTask('WORKING'), other, status('COMPLETED'), status('FAILED'), aTask('WORKING')]
      begin(response).end(said.map((event) => frame(call, event)).join(''))
    }
    expect((await send()).said).toEqual(['task WORKING', 'COMPLETED'])
    expect(quarantined).toEqual(['an event of another task', 'an event after the end'])
  })

  test('updates without ids belong to the task of their stream', async () => {
    respond = (call, response) => {
      const update = { statusUpdate: { status: { state: 'TASK_STATE_COMPLETED' } } }
      begin(response).end(frame(call, aTask('WORKING')) + frame(call, update))
    }
    const { events } = await send()
    expect(events.at(-1)).toMatchObject({ statusUpdate: ids })
  })

  test('K-25 our credential is taken out of what it says, and out of its refusals', async () => {
    respond = (call, response) =>
      begin(response).end(
        frame(call, aTask('COMPLETED', { metadata: { echo: 'Bearer very-secret-value', bare: 'very-secret-value' } })),
      )
    const { events, verdict } = await send()
    expect(verdict).toEqual({ kind: 'accepted' })
    expect(JSON.stringify(events)).not.toContain('very-secret-value')
    expect(events[0]).toMatchObject({ task: { metadata: { echo: '[redacted]', bare: '[redacted]' } } })
    respond = (call, response) => answer(call, response, { error: { code: -32600, message: 'no: very-secret-value' } })
    expect((await send()).verdict).toMatchObject({ reason: 'no: [redacted]' })
  })

  test('K-14 NUL, lone surrogates and endless numbers become what a database can keep', async () => {
    respond = (call, response) =>
      begin(response).end(
        `data: {"jsonrpc":"2.0","id":"${call.id}","result":{"task":{"id":"t1","status":{"state":"TASK_STATE_COMPLETED"},"metadata":{"a\\u0000":"b\\u0000c","d":"\\ud800","e":1e999}}}}\n\n`,
      )
    const { events } = await send()
    expect(events[0]).toMatchObject({ task: { metadata: { 'a\ufffd': 'b\ufffdc', d: '\ufffd', e: null } } })
  })
})

test('the follow-up of a task that still looks interrupted waits for what comes', async () => {
  respond = (call, response) =>
    begin(response).end(
      frame(call, aTask('INPUT_REQUIRED')) + frame(call, status('WORKING')) + frame(call, status('COMPLETED')),
    )
  const heard = listen()
  const request = aSend('go', { message: { taskId: 't1' } })
  expect(await peerWith().send(target, request, heard.sink, never)).toEqual({ kind: 'accepted' })
  expect(heard.log.entries.map(glance)).toEqual(['task INPUT_REQUIRED', 'WORKING', 'COMPLETED'])
})

test('0.3 resumes without a snapshot: what was missed is fetched before the end is told', async () => {
  const whole = {
    kind: 'task',
    id: 't1',
    contextId: 'c1',
    status: { state: 'completed' },
    artifacts: [{ artifactId: 'x', parts: [{ kind: 'text', text: 'missed' }] }],
  }
  const done = { kind: 'status-update', ...ids, status: { state: 'completed' }, final: true }
  respond = (call, response) => {
    if (call.method === 'tasks/get') return answer(call, response, { result: whole })
    if (call.method === 'tasks/resubscribe') return begin(response).end(frame(call, done))
    begin(response).end(frame(call, { kind: 'task', id: 't1', contextId: 'c1', status: { state: 'working' } }))
  }
  speaks({ protocolVersion: '0.3.0' })
  const { said, events } = await send()
  expect(said).toEqual(['task WORKING', 'task COMPLETED'])
  expect(JSON.stringify(events)).toContain('missed')
})

test('0.3 says final in the midst of its work: the task is looked at', async () => {
  respond = (call, response) => {
    const task = (state: string) => ({ kind: 'task', id: 't1', contextId: 'c1', status: { state } })
    if (call.method === 'tasks/get') return answer(call, response, { result: task('completed') })
    const final = { kind: 'status-update', ...ids, status: { state: 'working' }, final: true }
    begin(response).write(frame(call, task('submitted')) + frame(call, final))
  }
  speaks({ protocolVersion: '0.2.6' })
  expect((await send()).said).toEqual(['task SUBMITTED', 'WORKING', 'task COMPLETED'])
  expect(calls.entries.map(({ method }) => method)).toEqual(['message/stream', 'tasks/get'])
})

test('a slow sink holds the agent back, and nothing is lost or reordered', async () => {
  respond = (call, response) => {
    begin(response).write(frame(call, aTask('WORKING')))
    for (let n = 0; n < 50; n++) response.write(frame(call, chunk(`${n}`)))
    response.end(frame(call, status('COMPLETED')))
  }
  const said: string[] = []
  let inside = 0
  const verdict = await peerWith().send(
    target,
    aSend('go'),
    async (event) => {
      expect(++inside).toBe(1)
      await new Promise(setImmediate)
      said.push(glance(event))
      inside -= 1
    },
    never,
  )
  expect(verdict).toEqual({ kind: 'accepted' })
  expect(said).toEqual(['task WORKING', ...Array.from({ length: 50 }, (_, n) => `+${n}`), 'COMPLETED'])
})

test('subscribing by GET, where POST is not allowed', async () => {
  const asked: string[] = []
  server.removeAllListeners('request')
  server.on('request', (request, response) => {
    asked.push(`${request.method} ${request.url}`)
    if (request.method === 'POST') return response.writeHead(405).end()
    begin(response).end(`data: ${JSON.stringify(aTask('COMPLETED'))}\n\n`)
  })
  speaks({ protocolBinding: 'HTTP+JSON' })
  const heard = listen()
  expect(await peerWith().follow(target, 't1', heard.sink, never)).toEqual({ kind: 'accepted' })
  expect(asked).toEqual(['POST /tasks/t1:subscribe', 'GET /tasks/t1:subscribe'])
})
