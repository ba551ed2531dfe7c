/**
 * `fetch` as the MCP client wants it, through the one guarded door. On the way it notes what the library does not tell: in
 * which call's answer a server has asked something, and that an answer broke off.
 */
import { createParser } from 'eventsource-parser'
import type { Limits } from '../../../../limits.ts'
import type { Egress, EgressFailure, EgressStream } from '../../../../platform/egress.ts'

/** What the egress says went wrong, on its way through the library. */
export class EgressError extends Error {
  readonly failure: EgressFailure
  constructor(failure: EgressFailure) {
    super(failure.reason)
    this.name = 'EgressError'
    this.failure = failure
  }
}

/** In a call's `_meta`: names it. */
export const CALL_KEY = 'x-waypost/call'

/** What is seen of the streams in which calls are answered. */
export interface CallStreams {
  /** In this call's stream the server asks something, in a request of this id. */
  asked(call: string, requestId: string): void
  /** This call's stream has ended, and is not to be taken up again. */
  ended(call: string): void
}

const METHODS = new Set(['GET', 'POST', 'DELETE'])

export const egressFetch =
  (egress: Egress, limits: Limits, streams: CallStreams) =>
  async (url: string | URL, init: RequestInit = {}): Promise<Response> => {
    const method = (init.method ?? 'GET').toUpperCase()
    if (!METHODS.has(method)) throw new TypeError(`no ${method} here`)
    const { signal, body } = init
    const opened = await egress.open({
      url: String(url),
      method: method as 'GET' | 'POST' | 'DELETE',
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(typeof body === 'string' && { body }),
      ...(signal && { signal }),
      headersMs: limits.agentReplyMs,
      bytesMax: limits.bytesPerTaskMax,
    })
    if (opened.kind !== 'answered') throw new EgressError(opened)
    const { status, headers } = opened
    const empty = status === 204 || status === 205 || status === 304
    if (empty) opened.close()
    const isStream = headers['content-type']?.startsWith('text/event-stream') === true
    const call = isStream && typeof body === 'string' ? callOf(body) : undefined
    const look = call === undefined ? UNSEEN : watch(call, streams, limits)
    return new Response(empty ? null : streamOf(opened, look), { status, headers })
  }

function callOf(body: string): string | undefined {
  const { params } = JSON.parse(body) as { params?: { _meta?: Record<string, unknown> } }
  const call = params?._meta?.[CALL_KEY]
  return typeof call === 'string' ? call : undefined
}

interface Look {
  piece(bytes: Uint8Array): void
  end(): void
}
const UNSEEN: Look = { piece: () => {}, end: () => {} }

function watch(call: string, streams: CallStreams, limits: Limits): Look {
  const decoder = new TextDecoder()
  let resumable = false
  const parser = createParser({
    maxBufferSize: limits.agentReplyBytesMax,
    onEvent({ id, data }) {
      if (id) resumable = true
      if (!data.includes('"elicitation/create"')) return
      const { method, id: requestId } = JSON.parse(data) as { method?: string; id?: string | number }
      if (method === 'elicitation/create' && requestId !== undefined) streams.asked(call, String(requestId))
    },
  })
  return {
    piece: (bytes) => parser.feed(decoder.decode(bytes, { stream: true })),
    end: () => {
      if (!resumable) streams.ended(call)
    },
  }
}

const streamOf = (opened: EgressStream, look: Look): ReadableStream<Uint8Array> =>
  new ReadableStream<Uint8Array>({
    async pull(controller) {
      const read = await opened.read()
      if (read.kind === 'piece') {
        look.piece(read.bytes)
        return controller.enqueue(read.bytes)
      }
      look.end()
      if (read.kind === 'end') controller.close()
      else controller.error(new EgressError(read))
    },
    cancel: () => opened.close(),
  })
