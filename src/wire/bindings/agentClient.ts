/** Calls one operation of an agent, in any binding and version. What the agent does is a value, never an exception. */
import { A2AError } from '../../a2a/errors.ts'
import type { OperationName, Params, Result } from '../../a2a/operations.ts'
import { LIMITS, type Limits } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Egress, EgressRequest, EgressResponse, EgressStream } from '../../platform/egress.ts'
import type { Binding } from '../../ports.ts'
import type { DecodedEvent, VersionCodec } from '../versions/codec.ts'
import { readAgentJson } from './agentJson.ts'
import { type Fault, fault, faultOfEgress, faultOfStatus, retryAfterMs } from './faults.ts'
import { readServerSentEvents } from './serverSentEvents.ts'

/** One interface of an agent, as we have chosen to use it. */
export interface AgentFace {
  readonly url: string
  readonly tenant?: string
  readonly codec: VersionCodec
  /** Service parameters and credentials; the binding adds its media types. */
  readonly headers: Readonly<Record<string, string>>
}

/** One request as a binding writes it, and how its answers are unwrapped. */
export interface Outgoing {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Out of a whole body or one frame: the value, or the error that it is. */
  unwrap(json: unknown): { kind: 'value'; json: unknown } | Fault
}

/** What a binding adds: how requests are written. The same operation may have several forms, to be tried in order. */
export interface Speech {
  readonly binding: Binding
  /** The error in the body of an answer that is no success. */
  errorIn(json: unknown): Fault | undefined
  requests<N extends OperationName>(name: N, params: Params<N>, streaming: boolean): readonly Outgoing[]
}

export interface CallBounds {
  readonly signal: AbortSignal
  readonly headersMs: number
  readonly totalMs: number
}

export type StreamingOperation = 'SendStreamingMessage' | 'SubscribeToTask'

/** What it took the agent to say it: bytes of a body, characters of an event's data. Counted, not measured anew. */
export interface Sized {
  readonly bytes: number
}

/** An agent's event stream, read at our pace. */
export interface AgentEvents {
  next(): Promise<({ kind: 'event' } & DecodedEvent & Sized) | { kind: 'end' } | Fault>
  close(): void
}

export interface AgentClient {
  call<N extends OperationName>(
    name: N,
    params: Params<N>,
    bounds: CallBounds,
  ): Promise<({ kind: 'result'; result: Result<N> } & Sized) | Fault>
  stream<N extends StreamingOperation>(
    name: N,
    params: Params<N>,
    signal: AbortSignal,
  ): Promise<{ kind: 'events'; events: AgentEvents } | Fault>
}

export interface ClientTools {
  readonly egress: Egress
  readonly clock: Clock
  /** Default: the house's; a test may tighten one. */
  readonly limits?: Limits
}

export function createAgentClient(face: AgentFace, speech: Speech, tools: ClientTools): AgentClient {
  const { egress, clock, limits = LIMITS } = tools
  const { codec } = face
  const { binding } = speech
  const faultIn = (response: EgressResponse): Fault => {
    const json = readAgentJson(response.body)
    const said = json === undefined ? undefined : speech.errorIn(json)
    return faultOfStatus(response.status, retryAfterMs(response.headers['retry-after'], clock), said)
  }
  return {
    async call(name, params, { signal, headersMs, totalMs }) {
      const forms = speech.requests(name, params, false)
      if (forms.length === 0) return notOffered(name)
      for (const [at, form] of forms.entries()) {
        const bytesMax = limits.agentReplyBytesMax
        const response = await egress.request({ ...written(form), signal, headersMs, totalMs, bytesMax })
        if (response.kind !== 'answered') return faultOfEgress(response)
        if (isWrongForm(response.status) && at < forms.length - 1) continue
        if (!isSuccess(response.status)) return faultIn(response)
        const value = valueIn(response.body, form)
        if (value.kind === 'fault') return value
        const bytes = response.body.length
        return decoding(() => ({ kind: 'result', result: codec.decodeResult(name, value.json, binding), bytes }))
      }
      return notOffered(name)
    },

    async stream(name, params, signal) {
      const forms = speech.requests(name, params, true)
      if (forms.length === 0) return notOffered(name)
      for (const [at, form] of forms.entries()) {
        const stream = await egress.open({
          ...written(form),
          signal,
          // Official servers answer with the headers when the first event exists: no sooner than the agent has something to say.
          headersMs: limits.agentIdleMs,
          idleMs: limits.agentIdleMs,
          bytesMax: limits.bytesPerTaskMax,
        })
        if (stream.kind !== 'answered') return faultOfEgress(stream)
        if (isWrongForm(stream.status) && at < forms.length - 1) {
          stream.close()
          continue
        }
        if (isSuccess(stream.status) && /^text\/event-stream\b/i.test(stream.headers['content-type'] ?? ''))
          return { kind: 'events', events: framedEvents(stream, form, face, { binding, limits }) }
        const response = await readWhole(stream, limits)
        if (response.kind === 'fault') return response
        if (!isSuccess(response.status)) return faultIn(response)
        // An error before the first event, or the whole result of an agent that does not stream.
        const value = valueIn(response.body, form)
        if (value.kind === 'fault') return value
        const bytes = response.body.length
        return decoding(() => ({
          kind: 'events',
          events: single({ ...codec.decodeEvent(value.json, binding), bytes }),
        }))
      }
      return notOffered(name)
    },
  }
}

/** Nothing was sent. */
export const notOffered = (name: OperationName): Fault =>
  fault('rejected', `the agent's version has no ${name}`, { error: 'METHOD_NOT_FOUND' })

const isSuccess = (status: number): boolean => status >= 200 && status < 300
const isWrongForm = (status: number): boolean => status === 405 || status === 404 || status === 501

function written({ method, url, headers, body }: Outgoing): Pick<EgressRequest, 'method' | 'url' | 'headers' | 'body'> {
  return { method, url, headers, ...(body !== undefined && { body }) }
}

function valueIn(body: Buffer, form: Outgoing): { kind: 'value'; json: unknown } | Fault {
  const json = readAgentJson(body)
  return json === undefined ? fault('invalid', 'the answer is not JSON') : form.unwrap(json)
}

/** What a codec cannot understand is the agent's fault, told as a value. */
export function decoding<T>(decode: () => T): T | Fault {
  try {
    return decode()
  } catch (error) {
    if (error instanceof A2AError) return fault('invalid', error.message, { error: 'INVALID_AGENT_RESPONSE' })
    throw error
  }
}

async function readWhole(stream: EgressStream, limits: Limits): Promise<EgressResponse | Fault> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for (;;) {
    const read = await stream.read()
    if (read.kind === 'end')
      return { kind: 'answered', status: stream.status, headers: stream.headers, body: Buffer.concat(pieces) }
    if (read.kind !== 'piece') return faultOfEgress(read)
    bytes += read.bytes.length
    pieces.push(read.bytes)
    if (bytes <= limits.agentReplyBytesMax) continue
    stream.close()
    return fault('invalid', `the answer has more than ${limits.agentReplyBytesMax} bytes`)
  }
}

function single(event: DecodedEvent & Sized): AgentEvents {
  let told = false
  return {
    async next() {
      if (told) return { kind: 'end' }
      told = true
      return { kind: 'event', ...event }
    },
    close() {},
  }
}

function framedEvents(
  stream: EgressStream,
  form: Outgoing,
  { codec }: AgentFace,
  { binding, limits }: { binding: Binding; limits: Limits },
): AgentEvents {
  const frames = readServerSentEvents(stream, {
    lineMax: limits.streamLineBytesMax,
    eventMax: limits.streamEventBytesMax,
  })
  return {
    async next() {
      const frame = await frames.next()
      if (frame.kind !== 'frame') return frame
      const json = readAgentJson(Buffer.from(frame.text))
      const value = json === undefined ? fault('invalid', 'an event is not JSON') : form.unwrap(json)
      const event =
        value.kind === 'fault'
          ? value
          : decoding(() => ({
              kind: 'event' as const,
              ...codec.decodeEvent(value.json, binding),
              bytes: frame.text.length,
            }))
      if (event.kind === 'fault') frames.close()
      return event
    },
    close: frames.close,
  }
}
