/** Reads `text/event-stream` (WHATWG HTML §9.2) from an egress stream, within bounds. */
import { createParser } from 'eventsource-parser'
import type { EgressStream } from '../../platform/egress.ts'
import { type Fault, fault, faultOfEgress } from './faults.ts'

export interface Frames {
  /** The data of the next event. Comments, ids and names are passed over: Go's SDK ignores names too. */
  next(): Promise<{ kind: 'frame'; text: string } | { kind: 'end' } | Fault>
  close(): void
}

/** In characters. */
export interface FrameBounds {
  readonly lineMax: number
  readonly eventMax: number
}

/** Too long a line or event is the agent's fault (`invalid`); a connection that breaks is `unknown`. */
export function readServerSentEvents(stream: EgressStream, { lineMax, eventMax }: FrameBounds): Frames {
  const waiting: string[] = []
  let at = 0
  let over: { kind: 'end' } | Fault | undefined
  const parser = createParser({
    maxBufferSize: eventMax,
    onEvent: ({ data }) => void waiting.push(data),
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded')
        over = fault('invalid', `an event has more than ${eventMax} characters`)
    },
  })
  // Not fatal: the standard replaces what is not UTF-8. `stream` keeps a character that is split between two pieces.
  const decoder = new TextDecoder()
  let afterCr = false

  /** A CR at the end of a piece ends its line now; the parser would wait for the LF that may never follow. */
  function feed(text: string) {
    if (text === '') return
    const rest = afterCr && text.startsWith('\n') ? text.slice(1) : text
    afterCr = text.endsWith('\r')
    parser.feed(afterCr ? `${rest}\n` : rest)
  }

  return {
    async next() {
      for (;;) {
        const text = waiting[at]
        if (text !== undefined) {
          at += 1
          if (at === waiting.length) waiting.length = at = 0
          if (text === '') continue
          // The parser bounds what it has to keep; an event that arrives whole in one piece it lets through.
          const tooLong = text.length > eventMax || text.split('\n').some((line) => line.length > lineMax)
          if (!tooLong) return { kind: 'frame', text }
          over = fault(
            'invalid',
            `an event of the stream has more than ${eventMax} characters, or ${lineMax} in a line`,
          )
          waiting.length = at = 0
        }
        if (over) {
          stream.close()
          return over
        }
        const read = await stream.read()
        if (read.kind === 'piece') feed(decoder.decode(read.bytes, { stream: true }))
        // The standard drops an event whose blank line never came: half of it could look like a whole.
        else over = read.kind === 'end' ? read : faultOfEgress(read)
      }
    },
    close: stream.close,
  }
}
