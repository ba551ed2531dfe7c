/** The events of a JSON-RPC stream, as a client reads them. */
import type { EventSourceMessage } from 'eventsource-parser'
import { EventSourceParserStream } from 'eventsource-parser/stream'

export interface Frame<Result> {
  /** NaN: it has none, an error that no resumption leads to. */
  readonly id: number
  readonly result: Result
}

/** Ends with the stream; rejects when the line breaks. */
export async function* framesOf<Result = unknown>(response: Response): AsyncGenerator<Frame<Result>> {
  if (!response.body) return
  // The types of Node's web streams and of the standard library's differ; the streams are the same.
  const lines = response.body.pipeThrough(new TextDecoderStream() as never)
  const events = lines.pipeThrough(new EventSourceParserStream() as never) as AsyncIterable<EventSourceMessage>
  for await (const { id, data } of events) yield { id: Number(id), result: JSON.parse(data).result as Result }
}
