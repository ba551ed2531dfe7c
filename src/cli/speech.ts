/** What a binding is to the client above it. */
import type { OperationName } from '../a2a/operations.ts'

/** One interface of a card, as it is spoken to. */
export interface Interface {
  readonly url: string
  readonly binding: 'JSONRPC' | 'HTTP+JSON' | 'GRPC'
  readonly tenant?: string
}

/** Where a stream begins, and until when it is read. */
export interface StreamPlace {
  readonly lastEventId?: string | undefined
  readonly signal?: AbortSignal
}

/** How one binding says it: JSON in, JSON out, refusals thrown with their names. */
export interface Speech {
  call(name: OperationName, params: object, signal: AbortSignal | undefined): Promise<unknown>
  stream(name: OperationName, params: object, where: StreamPlace): AsyncGenerator<{ id?: string; event: unknown }>
}
