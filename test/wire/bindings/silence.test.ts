/** A blocking answer over JSON-RPC says blanks while it is waited for; what follows them is the answer, whole. */
import type { IncomingMessage } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { A2AError } from '../../../src/a2a/errors.ts'
import { type Served, serveA2a, TASK, withResolvers } from './served.ts'

let served: Served
afterEach(() => served.close())

const message = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'x' }] }
const body = (method: string) => JSON.stringify({ jsonrpc: '2.0', id: 7, method, params: { message } })
const headers = { 'a2a-version': '1.0', 'a2a-extensions': 'urn:x-offered' }

/** Sends it; `first` is the first that is heard, `all` the whole. */
function asking(path: string, text: string, type = 'application/json') {
  const first = withResolvers<{ response: IncomingMessage; text: string }>()
  const all = withResolvers<string>()
  const request = served.open({ path, body: text, headers: { ...headers, 'content-type': type } })
  request.on('error', () => {})
  request.on('response', (response) => {
    let heard = ''
    response.setEncoding('utf8').on('data', (piece: string) => {
      heard += piece
      first.resolve({ response, text: heard })
    })
    response.on('end', () => all.resolve(heard))
  })
  request.end(text)
  return { request, first: first.promise, all: all.promise }
}

test('says blanks before the answer, with the head of an answer', async () => {
  served = await serveA2a({ limits: { answerSilenceMs: 10 } })
  const decided = withResolvers<unknown>()
  served.state.decide = () => decided.promise
  const sent = asking('/agents/echo/', body('SendMessage'))
  const { response, text } = await sent.first
  expect(text.trim()).toBe('')
  expect(response.statusCode).toBe(200)
  expect(response.headers).toMatchObject({ 'content-type': 'application/json', 'a2a-extensions': 'urn:x-offered' })
  expect(response.headers['content-length']).toBeUndefined()
  decided.resolve({ task: TASK })
  expect(JSON.parse(await sent.all)).toMatchObject({ jsonrpc: '2.0', id: 7, result: { task: { id: TASK.id } } })
})

test('an error that comes after blanks is the answer too', async () => {
  served = await serveA2a({ limits: { answerSilenceMs: 10 } })
  const decided = withResolvers<unknown>()
  served.state.decide = () => decided.promise.then(() => Promise.reject(new A2AError('UNAVAILABLE', 'not now')))
  const sent = asking('/agents/echo/', body('SendMessage'))
  await sent.first
  decided.resolve(undefined)
  expect(JSON.parse(await sent.all)).toMatchObject({ id: 7, error: { message: 'not now' } })
})

test('HTTP+JSON, where a refusal is a status, and what does not wait keep their length', async () => {
  served = await serveA2a({ limits: { answerSilenceMs: 10 } })
  const decided = withResolvers<unknown>()
  served.state.decide = ({ name }) => (name === 'GetTask' ? TASK : decided.promise)
  const rest = served.ask({
    path: '/agents/echo/message:send',
    headers: { ...headers, 'content-type': 'application/a2a+json' },
    body: JSON.stringify({ message }),
  })
  // By the time that the one has heard a blank, the other would have.
  const sent = asking('/agents/echo/', body('SendMessage'))
  await sent.first
  decided.resolve({ task: TASK })
  expect((await rest).headers['content-length']).toBeDefined()
  await sent.all
  const got = await served.rpc('GetTask', { id: TASK.id }, { headers })
  expect(got.headers['content-length']).toBe(String(Buffer.byteLength(got.text)))
})

test('nothing is said to who has gone', async () => {
  served = await serveA2a({ limits: { answerSilenceMs: 10 } })
  const decided = withResolvers<unknown>()
  const gone = withResolvers<void>()
  served.state.decide = ({ call }) => {
    call.gone?.addEventListener('abort', () => gone.resolve(), { once: true })
    return decided.promise
  }
  const sent = asking('/agents/echo/', body('SendMessage'))
  await sent.first
  sent.request.destroy()
  await gone.promise
  decided.resolve({ task: TASK })
  served.state.decide = () => ({ task: TASK })
  expect((await served.rpc('SendMessage', { message }, { headers })).status).toBe(200)
})
