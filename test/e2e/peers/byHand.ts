/**
 * A client as they were written for A2A 0.2, in that version's words: the card at `agent.json`, the one URL of that card, no
 * version header. Those of frameworks in the field are made so still; their kits are not worth 40 packages here.
 */
import type { PeerClient, PeerKind, SeenEvent } from './client.ts'
import { configOf, paramsOf, seenEvent, seenTask } from './old.ts'

interface Json {
  // biome-ignore lint/suspicious/noExplicitAny: an answer is looked at, not trusted
  readonly [name: string]: any
}

function resultOf({ result, error }: Json): Json {
  if (error) throw new Error(error.message)
  return result
}

async function* framesOf(response: Response): AsyncGenerator<SeenEvent> {
  let text = ''
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString('utf8')
    for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
      const data = /^data: ?(.*)$/m.exec(text.slice(0, at))?.[1]
      text = text.slice(at + 2)
      if (data) yield seenEvent(resultOf(JSON.parse(data)))
    }
  }
}

function peer(card: Json, fetchImpl: typeof fetch): PeerClient {
  const post = (method: string, params: unknown, signal?: AbortSignal) =>
    fetchImpl(card.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      ...(signal && { signal }),
    })
  const rpc = async (method: string, params: unknown) => resultOf((await (await post(method, params)).json()) as Json)
  async function* stream(method: string, params: unknown, signal?: AbortSignal): AsyncGenerator<SeenEvent> {
    const response = await post(method, params, signal)
    const streamed = response.headers.get('content-type')?.includes('event-stream')
    if (!streamed) throw new Error(String(resultOf((await response.json()) as Json)))
    yield* framesOf(response)
  }
  /** 0.2 asks for the output modes in every configuration. */
  const sent: typeof paramsOf = (text, options) => {
    const { message, configuration } = paramsOf(text, options)
    return { message, configuration: { ...configuration, acceptedOutputModes: ['text'] } }
  }
  const pushed = ({ pushNotificationConfig: { id, url } }: Json) => ({ id, url })
  const push = (verb: string, params: object) => rpc(`tasks/pushNotificationConfig/${verb}`, params)
  return {
    async send(text, options = {}) {
      const answer = await rpc('message/send', sent(text, options))
      if (answer.kind === 'task') return seenTask(answer)
      return { kind: 'message', text: answer.parts.map((part: Json) => part.text).join('') }
    },
    stream: (text, options = {}) => stream('message/stream', sent(text, options), options.signal),
    get: async (id) => seenTask(await rpc('tasks/get', { id })),
    cancel: async (id) => seenTask(await rpc('tasks/cancel', { id })),
    subscribe: (id) => stream('tasks/resubscribe', { id }),
    push: {
      create: async (taskId, wish) => pushed(await push('set', { taskId, pushNotificationConfig: configOf(wish) })),
      get: async (id, pushNotificationConfigId) => pushed(await push('get', { id, pushNotificationConfigId })),
      list: async (id) => (await push('list', { id })).map(pushed),
      delete: async (id, pushNotificationConfigId) => void (await push('delete', { id, pushNotificationConfigId })),
    },
    cardName: async () => card.name,
  }
}

export const byHand: PeerKind = {
  sdk: 'by hand',
  version: '0.2',
  binding: 'JSONRPC',
  async connect(base, { fetch: fetchImpl }) {
    const response = await fetchImpl(`${base}.well-known/agent.json`)
    return peer((await response.json()) as Json, fetchImpl)
  },
}
