/** Schemas of what a version's documents look like, for those who write programs: made when they are asked for, used by no request. */
import type { z } from 'zod'
import type { OperationName } from '../../a2a/operations.ts'

export interface OperationDocuments {
  /** Parameters of the JSON-RPC method. */
  readonly params: z.ZodType
  /** Its result; of a stream, that of each event. */
  readonly result: z.ZodType
  /** Body of the HTTP+JSON request, without what stands in its path. */
  readonly body?: z.ZodObject
  /** Query of the HTTP+JSON request. */
  readonly query?: z.ZodObject
  /** Answer over HTTP+JSON; of a stream, each event. */
  readonly answer: z.ZodType
}

export interface VersionDocuments {
  readonly version: string
  /** Named schemas; of a version whose bindings differ, those of HTTP+JSON begin with `http.`. */
  readonly models: Readonly<Record<string, z.ZodType>>
  readonly operations: { readonly [N in OperationName]?: OperationDocuments }
}

export const STREAMS: ReadonlySet<OperationName> = new Set(['SendStreamingMessage', 'SubscribeToTask'])
