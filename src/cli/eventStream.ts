/** Server-sent events of a response, in order, as they come. */
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { LIMITS } from '../limits.ts'

export async function* readEvents(response: Response): AsyncGenerator<EventSourceMessage> {
  const arrived: EventSourceMessage[] = []
  const parser = createParser({
    onEvent: (event) => void arrived.push(event),
    maxBufferSize: LIMITS.agentReplyBytesMax,
  })
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
    yield* arrived.splice(0)
  }
  // A peer that ends without the closing empty line has still said its last event.
  parser.feed('\n\n')
  yield* arrived.splice(0)
}
