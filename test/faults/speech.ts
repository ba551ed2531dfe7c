/** The six ways to speak A2A to a gateway: two versions in three bindings. What comes back is one of three outcomes. */
import { Agent, request } from 'undici'
import type { StreamResponse } from '../../src/a2a/events.ts'
import type { OperationName } from '../../src/a2a/operations.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { createEgress } from '../../src/platform/egress.ts'
import type { AgentFace, Outgoing } from '../../src/wire/bindings/agentClient.ts'
import { createGrpcClient } from '../../src/wire/bindings/grpc/client.ts'
import { speakJsonRpc } from '../../src/wire/bindings/jsonrpc/client.ts'
import { speakRest } from '../../src/wire/bindings/rest/client.ts'
import type { VersionCodec } from '../../src/wire/versions/codec.ts'
import { codecFor } from '../../src/wire/versions/table.ts'
import type { Outcome } from './history.ts'

export const WAYS = ['1.0 JSONRPC', '1.0 HTTP+JSON', '1.0 GRPC', '0.3 JSONRPC', '0.3 HTTP+JSON', '0.3 GRPC'] as const
export type Way = (typeof WAYS)[number]

/** Where clients reach one replica. */
export interface Door {
  readonly replica: number
  readonly http: string
  readonly grpc: string
}

export interface Asking {
  readonly way: Way
  readonly door: Door
  readonly agent: string
  readonly name: OperationName
  readonly params: Record<string, unknown>
  readonly timeoutMs?: number
}

export interface Answer {
  readonly type: Outcome
  readonly reason?: string
  /** In 1.0's JSON, whatever the way. */
  readonly result?: unknown
  /** What came over the wire, as far as it is text. */
  readonly text: string
}

/** One event of a stream; `id` and `raw` where the binding has them. */
export interface Heard {
  readonly id?: number
  readonly event: StreamResponse
  /** The event's JSON as it came, without the binding's envelope; 1.0 over HTTP only. */
  readonly raw?: string
}

/** `ended`: in good order; `cut`: with a hint where to go on; `broken`: the connection; `left`: by us; `refused`: no stream. */
export type StreamEnd =
  | { readonly kind: 'ended' | 'cut' | 'broken' | 'left' }
  | { readonly kind: 'refused'; readonly answer: Answer }

export interface StreamAsking extends Asking {
  readonly lastEventId?: string
  readonly signal: AbortSignal
  readonly onEvent: (heard: Heard) => void
  readonly onText?: (text: string) => void
}

export interface Speech {
  call(asking: Asking): Promise<Answer>
  stream(asking: StreamAsking): Promise<StreamEnd>
  close(): Promise<void>
}

/** Reasons that do not say whether it was done, or that ask to try again. */
const UNKNOWN = new Set(['UNAVAILABLE', 'OUTCOME_UNKNOWN', 'INTERNAL', 'AGENT_UNAVAILABLE'])
/** Longer than a blocking send waits for its agent. */
const PATIENCE_MS = 5_000

export function createSpeech(key: string): Speech {
  const dispatcher = new Agent({ connections: 64, headersTimeout: 30_000, bodyTimeout: 0, connectTimeout: 3_000 })
  const egress = createEgress({ allow: ['127.0.0.0/8'], connectMs: 3_000 })
  const codecOf = (way: Way) => codecFor(way.slice(0, 3)) as VersionCodec
  const bindingOf = (way: Way) => way.slice(4) as 'JSONRPC' | 'HTTP+JSON' | 'GRPC'
  const faceOf = ({ way, door, agent }: Asking): AgentFace => ({
    url: bindingOf(way) === 'GRPC' ? door.grpc : `${door.http}/agents/${agent}`,
    codec: codecOf(way),
    headers: {
      authorization: `Bearer ${key}`,
      'a2a-version': way.slice(0, 3),
      ...(bindingOf(way) === 'GRPC' && { 'x-waypost-agent': agent }),
    },
  })
  const speechOf = (asking: Asking) =>
    bindingOf(asking.way) === 'JSONRPC' ? speakJsonRpc(faceOf(asking)) : speakRest(faceOf(asking))

  async function overHttp(asking: Asking, signal: AbortSignal): Promise<Answer> {
    const form = speechOf(asking).requests(asking.name, asking.params as never, false)[0]
    if (!form) return { type: 'fail', reason: 'NOT_IN_THIS_VERSION', text: '' }
    const response = await request(form.url, { ...httpOf(form), dispatcher, signal })
    const text = await response.body.text()
    return understood(asking, form, response.statusCode, text)
  }

  function understood({ way, name }: Asking, form: Outgoing, status: number, text: string): Answer {
    const json: unknown = text === '' ? {} : JSON.parse(text)
    const value = form.unwrap(json)
    if (status >= 200 && status < 300 && value.kind === 'value')
      return { type: 'ok', result: codecOf(way).decodeResult(name, value.json, bindingOf(way)), text }
    return { ...refusal(/"reason":"([A-Z_]+)"/.exec(text)?.[1]), text }
  }

  async function overGrpc(asking: Asking, signal: AbortSignal): Promise<Answer> {
    const client = createGrpcClient(faceOf(asking), { egress, clock: systemClock })
    const totalMs = asking.timeoutMs ?? PATIENCE_MS
    const answer = await client.call(asking.name, asking.params as never, { signal, headersMs: totalMs, totalMs })
    if (answer.kind === 'result') return { type: 'ok', result: answer.result, text: JSON.stringify(answer.result) }
    return { ...refusal(answer.error), text: JSON.stringify(answer) }
  }

  async function patiently<T>(ms: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    // Node 20 may collect a signal of AbortSignal.timeout before it fires, and then a lost request waits for ever.
    const patience = new AbortController()
    const timer = setTimeout(() => patience.abort(new Error('no answer in time')), ms)
    try {
      return await run(patience.signal)
    } finally {
      clearTimeout(timer)
    }
  }

  async function streamHttp(asking: StreamAsking): Promise<StreamEnd> {
    const { signal, lastEventId, onText } = asking
    const speech = speechOf(asking)
    const form = speech.requests(asking.name, asking.params as never, true)[0] as Outgoing
    const { headers, ...http } = httpOf(form)
    const resume = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
    const response = await request(form.url, { ...http, headers: { ...headers, ...resume }, dispatcher, signal })
    const type = String(response.headers['content-type'] ?? '')
    if (!type.includes('event-stream')) {
      const text = await response.body.text()
      return { kind: 'refused', answer: understood(asking, form, response.statusCode, text) }
    }
    let text = ''
    let hint = false
    for await (const piece of response.body) {
      text += (piece as Buffer).toString('utf8')
      for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
        const frame = text.slice(0, at)
        text = text.slice(at + 2)
        onText?.(frame)
        if (/^retry: ?\d+$/m.test(frame)) hint = true
        const data = /^data: ?(.*)$/m.exec(frame)?.[1]
        if (data === undefined) continue
        if (/^event: ?error$/m.test(frame))
          return { kind: 'refused', answer: { ...refusal(/"reason":"([A-Z_]+)"/.exec(data)?.[1]), text: data } }
        const id = /^id: ?(\d+)$/m.exec(frame)?.[1]
        asking.onEvent({ ...heardIn(asking.way, form, data), ...(id !== undefined && { id: Number(id) }) })
      }
    }
    return { kind: hint ? 'cut' : 'ended' }
  }

  function heardIn(way: Way, form: Outgoing, data: string): Heard {
    const value = form.unwrap(JSON.parse(data))
    if (value.kind !== 'value') throw new Error(`not an event: ${data.slice(0, 200)}`)
    const { event } = codecOf(way).decodeEvent(value.json, bindingOf(way))
    return { event, ...(way.startsWith('1.0') && { raw: JSON.stringify(value.json) }) }
  }

  async function streamGrpc(asking: StreamAsking): Promise<StreamEnd> {
    const client = createGrpcClient(faceOf(asking), { egress, clock: systemClock })
    const opened = await client.stream(asking.name as 'SubscribeToTask', asking.params as never, asking.signal)
    if (opened.kind === 'fault')
      return { kind: 'refused', answer: { ...refusal(opened.error), text: JSON.stringify(opened) } }
    let heard = 0
    for (;;) {
      const next = await opened.events.next()
      if (next.kind === 'end') return { kind: 'ended' }
      if (next.kind === 'fault') {
        const answer = { ...refusal(next.error), text: JSON.stringify(next) }
        return heard === 0 && next.error ? { kind: 'refused', answer } : { kind: 'broken' }
      }
      heard++
      asking.onText?.(JSON.stringify(next.event))
      asking.onEvent({ event: next.event })
    }
  }

  return {
    async call(asking) {
      const run = bindingOf(asking.way) === 'GRPC' ? overGrpc : overHttp
      try {
        return await patiently(asking.timeoutMs ?? PATIENCE_MS, (signal) => run(asking, signal))
      } catch (error) {
        return { type: 'info', reason: 'NO_ANSWER', text: String(error) }
      }
    },
    async stream(asking) {
      try {
        return await (bindingOf(asking.way) === 'GRPC' ? streamGrpc : streamHttp)(asking)
      } catch (error) {
        if (error instanceof Error && error.message.startsWith('not an event')) throw error
        return { kind: asking.signal.aborted ? 'left' : 'broken' }
      }
    },
    async close() {
      await Promise.allSettled([dispatcher.destroy(), egress.close()])
    },
  }
}

const httpOf = ({ method, headers, body }: Outgoing) => ({ method, headers, ...(body !== undefined && { body }) })

const refusal = (reason: string | undefined): Pick<Answer, 'type' | 'reason'> =>
  reason === undefined || UNKNOWN.has(reason) ? { type: 'info', reason: reason ?? 'UNKNOWN' } : { type: 'fail', reason }
