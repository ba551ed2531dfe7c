/**
 * What a version of A2A is: a set of pure translations between its JSON and the canonical form (1.0 ProtoJSON).
 * Decoding is liberal and throws an A2AError; encoding emits only what the version defines.
 */
import type { AgentCard } from '../../a2a/agentCard.ts'
import type { Reason } from '../../a2a/errors.ts'
import type { StreamResponse } from '../../a2a/events.ts'
import type { OperationName, Params, Result } from '../../a2a/operations.ts'
import type { Task } from '../../a2a/tasks.ts'
import type { Binding, StreamEntry } from '../../ports.ts'

/** How an operation is called in a version. What a version lacks is absent, and "method not found" follows by itself. */
export interface Names {
  readonly jsonrpc?: string
  /**
   * `METHOD /path/{id}`, relative to the interface URL; several where the field disagrees (GET and POST subscribe).
   * A client uses the first. A name in braces is a member of the parameters that travels in the path.
   */
  readonly rest?: readonly string[]
  /** The rpc. */
  readonly grpc?: string
}
export type NameTable = { readonly [Name in OperationName]?: Names }

/** What an agent said in a stream. */
export interface DecodedEvent {
  readonly event: StreamResponse
  /** 0.3 only: the agent says that this stream ends here, whatever the state. */
  readonly final?: boolean
}

export interface PushBody {
  readonly body: string
  readonly contentType: string
}

/** How a version behaves around its documents, so that no binding has to ask which version it is in. */
export interface Rim {
  /** A stream ends at an interrupted state, and the event says so; otherwise it may stay open (the specification contradicts itself here). */
  readonly closesInterrupted: boolean
  /** Streaming operations that answer an event stream even for a refusal, because strict clients demand the media type. */
  readonly streamsRefusals: readonly OperationName[]
  /** What it says for a reason that it does not know. */
  readonly reasons: { readonly [R in Reason]?: Reason }
  /** An HTTP+JSON error carries the JSON-RPC error's members as well: its SDKs read only those. */
  readonly flatErrors: boolean
  /** A push config asked for without an id, or by an id that nobody gave it, means the task's only one. */
  readonly solePushConfig: boolean
  /** Media type of an HTTP+JSON answer whose caller did not choose. */
  readonly mediaType: string
  /** gRPC codes that differ from those of the latest version. */
  readonly grpcCodes: { readonly [R in Reason]?: string }
  /** The gRPC service with its package. */
  readonly grpcService: string
}

export interface VersionCodec {
  readonly version: string
  readonly names: NameTable
  readonly rim: Rim

  // When we serve. `json` is the parsed `params`, or for HTTP+JSON the body with path and query merged in.
  decodeParams<N extends OperationName>(name: N, json: unknown, binding: Binding): Params<N>
  encodeResult<N extends OperationName>(name: N, result: Result<N>, binding: Binding): unknown
  /** One line of JSON. `closing`: this server ends the stream after it. */
  encodeEvent(entry: StreamEntry, binding: Binding, closing: boolean): string
  encodeCard(card: AgentCard): unknown

  // When we are the client.
  encodeParams<N extends OperationName>(name: N, params: Params<N>, binding: Binding): unknown
  decodeResult<N extends OperationName>(name: N, json: unknown, binding: Binding): Result<N>
  decodeEvent(json: unknown, binding: Binding): DecodedEvent
  decodeCard(json: unknown): AgentCard

  /** What a webhook registered in this version gets. `task` is asked for only where whole tasks are pushed. */
  encodePush(json: string, task: () => Promise<Task>): Promise<PushBody>
  /** What an agent of this version pushes to us; undefined: not to be understood. */
  decodePush(json: unknown): StreamResponse | undefined
}
