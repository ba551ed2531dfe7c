/** Where the two halves meet: `wire/` speaks, `gateway/` remembers and decides, and these function types are all they share. */
import type { AgentCard } from './a2a/agentCard.ts'
import type { FieldViolation } from './a2a/errors.ts'
import type { StreamResponse } from './a2a/events.ts'
import type { OperationName, Operations, Params, Result } from './a2a/operations.ts'
import type { AuthenticationInfo } from './a2a/push.ts'
import type { Message, Task } from './a2a/tasks.ts'
import type { Caller } from './caller.ts'
import type { AttemptFacts, UnknownCode, Verdict } from './delivery.ts'

export type { Authenticate, Caller, Credentials, Permit, Rate } from './caller.ts'
export { DEFAULT_TENANT, isAdmin, isRate, parseRate } from './caller.ts'

export type Binding = 'JSONRPC' | 'HTTP+JSON' | 'GRPC'

/** One request's circumstances. */
export interface Call {
  /** The agent addressed, by name, case-folded. */
  readonly agent: string
  readonly caller: Caller
  /** The wire version spoken; push configs and streams keep the version they were made in (D16). */
  readonly version: string
  readonly binding: Binding
  /** What the caller asked for in A2A-Extensions (spec §3.2.6). */
  readonly extensions: readonly string[]
  /** W3C trace context as it came, already checked for form. */
  readonly trace?: TraceContext
  /** The `Idempotency-Key` header: takes precedence over the messageId (D10). */
  readonly idempotencyKey?: string
  /** A stream's resume position: the last sequence that the client has seen. */
  readonly lastEventId?: number
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  /** The same for whoever only waits: cheaper to make. Default: the signal. */
  readonly gone?: Gone
}

/** Whether somebody has gone, and how to be told. An AbortSignal is one. */
export interface Gone {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void, options?: { once: true }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export interface TraceContext {
  readonly traceparent: string
  readonly tracestate?: string
}

/** Runs an operation. Rejects with an A2AError for every documented refusal. */
export type Execute = <N extends OperationName>(name: N, params: Params<N>, call: Call) => Promise<Reply<N>>
export type Reply<N extends OperationName> = Operations[N]['result'] extends 'stream' ? EventStream : Result<N>

/** One entry of a task's log as a stream shows it. One object is shared by all subscribers, so encodings can be cached by identity. */
export interface StreamEntry {
  /** The SSE id; 0 for a lone Message, which belongs to no task. */
  readonly sequence: number
  /** The canonical StreamResponse as one line of JSON. */
  readonly json: string
  /** The same, parsed at the first look. */
  readonly event: () => StreamResponse
  /** After this entry the stream ends: the state is terminal, or it is a lone Message. */
  readonly last: boolean
  /** The state is INPUT_REQUIRED or AUTH_REQUIRED. */
  readonly interrupted: boolean
}

export type StreamEnd = 'finished' | 'interrupted' | 'cut'

/** Where a stream's entries go. Called in order, never again after `end`. */
export interface StreamSink {
  /** Takes one entry; false: this reader is too slow or gone, stop. */
  push(entry: StreamEntry): boolean
  /** `cut`: not the task's end but the connection's (draining, too old, too slow); the reader resumes by its last id. */
  end(why: StreamEnd): void
}

/** An accepted stream. Nothing flows before `open`; closing is idempotent and harms no other reader. */
export interface EventStream {
  readonly taskId?: string
  open(sink: StreamSink): void
  close(): void
}

/** The card of an agent as this gateway fronts it, canonical; undefined: unknown, or not to be seen by this caller. */
export type PresentCard = (agent: string, caller: Caller | undefined) => Promise<PresentedCard | undefined>
export interface PresentedCard {
  readonly card: AgentCard
  /** When what it says last changed. */
  readonly modifiedAt: Date
}

/** What the gateway knows of an agent when it turns to it; everything the wire needs to reach it. */
export interface AgentTarget {
  readonly tenant: string
  readonly name: string
  /** Base address or card address, as registered. */
  readonly url: string
  /** The upstream's own card, canonical; undefined until it has answered once. */
  readonly card?: AgentCard
  /** The only binding to speak with it; undefined: the first on its card that we speak. */
  readonly binding?: Binding
  /** Headers that prove who we are to the agent. Sent to its own origins only. */
  readonly headers: Readonly<Record<string, string>>
  /** Origins beside that of `url` that an operator has approved. */
  readonly origins?: readonly string[]
  /** Whose signatures on its card count; undefined: none are looked at. */
  readonly signatures?: SignatureRules
  /** It is no A2A agent but an MCP server: its tools are called. Without a command: at `url`. */
  readonly mcp?: McpServerTarget
}

/** What an operator has said of an MCP server that stands as an agent. */
export interface McpServerTarget {
  /** A program on this machine, and its arguments. */
  readonly command?: readonly string[]
  /** Variables of the gateway's own environment that it gets beside the usual ones. */
  readonly env: readonly string[]
  /** Tools that are offered; undefined: all but the denied. */
  readonly allow?: readonly string[]
  readonly deny: readonly string[]
  /** Tools that may be called again although a call before may have been acted upon, whatever they say of themselves. */
  readonly idempotent: readonly string[]
  /** All of them may. */
  readonly repeats: boolean
}

/** What is wrong with a message to an agent behind a bridge, so that it need not be accepted; undefined: nothing that is seen now. */
export type CheckMessage = (
  card: AgentCard,
  message: Message,
  metadata: Readonly<Record<string, unknown>> | undefined,
) => Promise<FieldViolation | undefined>

/** Whose signatures on an agent's card count. */
export interface SignatureRules {
  /** `if-present`: a signature that is there must be good, as far as there is a key to judge it by. */
  readonly policy: 'off' | 'if-present' | 'required'
  /** Public keys (JWK) that the operator trusts. */
  readonly keys: readonly Readonly<Record<string, unknown>>[]
  /** Origins whose keys are trusted where a signature says (`jku`) that its key is there. */
  readonly keyOrigins: readonly string[]
}

/** What the signatures on a card have shown. */
export interface CardSignatures {
  /** `unverified`: there are signatures, and nothing to judge them by, or nobody wants them judged. */
  readonly state: 'verified' | 'unsigned' | 'unverified'
  /** Thumbprints (RFC 7638) of the keys by which a signature was found good. */
  readonly verified: readonly string[]
  /** What all signatures say of their keys (`kid`), true or not. */
  readonly claimed: readonly string[]
}

/** One message to an A2A agent, with ids in the agent's own terms. */
export interface PeerSend {
  readonly message: Message
  readonly acceptedOutputModes?: readonly string[]
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly extensions: readonly string[]
  readonly trace?: TraceContext
  /** The same for every attempt at one delivery (P4). */
  readonly idempotencyKey: string
  readonly attempt: number
  /** The agent should push here, if it can; it is a hint to look again (7.10). */
  readonly push?: { readonly url: string; readonly token: string; readonly nudged: Nudged }
}

/** Resolves when the agent has pushed something: look now. May never resolve. */
export type Nudged = () => Promise<void>

/**
 * Takes what the agent says, in the agent's ids, and how many bytes it took to say it; the promise is back-pressure.
 * Rejects when the lease is lost: stop.
 */
export type EventSink = (event: StreamResponse, bytes: number) => Promise<void>

/** What the gateway wants of an A2A agent. None of them throws for what the agent does: that is a verdict. */
export interface Peer {
  /** Sends and carries home all that the agent says until the task is terminal or interrupted, or a Message came. */
  send(target: AgentTarget, request: PeerSend, sink: EventSink, signal: AbortSignal): Promise<Verdict>
  /** Takes up an existing upstream task: subscribes or polls until it is terminal or interrupted. */
  follow(
    target: AgentTarget,
    upstreamTaskId: string,
    sink: EventSink,
    signal: AbortSignal,
    nudged?: Nudged,
  ): Promise<Verdict>
  /** Looks whether the agent has a task that came from this message: by id, else among its tasks of the context. */
  find(target: AgentTarget, trace: UpstreamTrace, signal: AbortSignal): Promise<FindAnswer>
  cancel(target: AgentTarget, upstreamTaskId: string, signal: AbortSignal): Promise<CancelAnswer>
  /** Its card for those who have said who they are; that is us. */
  extendedCard(target: AgentTarget, signal: AbortSignal): Promise<ExtendedCardAnswer>
}

export type ExtendedCardAnswer =
  | { kind: 'card'; card: AgentCard }
  /** It says that it has none. */
  | { kind: 'none'; reason: string }
  /** It does not take our credentials. */
  | { kind: 'refused'; reason: string }
  /** What it says is no card, or not signed as it must be. */
  | { kind: 'invalid'; reason: string }
  | { kind: 'unreachable'; reason: string }

export interface UpstreamTrace {
  readonly messageId: string
  readonly upstreamTaskId?: string
  readonly upstreamContextId?: string
  /** The message itself: some agents can be told from it alone whether it may be sent again. */
  readonly message?: Message
  /** Of the request. */
  readonly metadata?: Readonly<Record<string, unknown>>
}
export type FindAnswer =
  | { kind: 'found'; task: Task }
  /** The agent is sure that there is none. */
  | { kind: 'absent' }
  /** It cannot tell: unreachable, or it has no way to look. */
  | {
      kind: 'unclear'
      reason: string
      /** true: nobody answered, so asking later may help. */
      unreachable?: boolean
      code?: UnknownCode
    }
export type CancelAnswer =
  | { kind: 'canceled'; task: Task }
  /** It answered with another state: the task goes on, or had already ended. */
  | { kind: 'other'; task: Task }
  | { kind: 'refused'; reason: string }
  | { kind: 'unreachable'; reason: string }

/** Fetches an agent's card from its base or card address (both well-known paths, all versions). */
export type FetchCard = (target: AgentTarget, signal: AbortSignal) => Promise<FetchedCard>
/** The card names every interface that it can, wherever it leads; who may be called is for others to say. */
export type FetchedCard =
  | { kind: 'fetched'; card: AgentCard; url: string; signatures?: CardSignatures }
  | { kind: 'failed'; verdict: Verdict }

/** One event owed to one push URL. */
export interface WebhookPost {
  readonly url: string
  readonly token?: string
  readonly authentication?: AuthenticationInfo
  /** Standard Webhooks secret of the registration, `whsec_…`; several, separated by spaces, while it is rotated. */
  readonly secret?: string
  /** The wire version of the registration (D16). */
  readonly version: string
  /** Stable over all attempts: `webhook-id` (P14). */
  readonly id: string
  readonly attempt: number
  readonly taskId: string
  readonly sequence: number
  /** The canonical StreamResponse, one line. */
  readonly json: string
  /** The task as it was just after this event; some versions push whole tasks. */
  readonly snapshot: () => Promise<Task>
  readonly trace?: TraceContext
  /** Something before this could not be delivered and is a dead letter. */
  readonly gap: boolean
}
/**
 * Makes a post ready, encoded and signed, before there is a place for it at the receiver; what it gives sends it. What has
 * gone wrong with that is thrown by the sending.
 */
export type PrepareWebhook = (post: WebhookPost) => SendWebhook
export type SendWebhook = (signal: AbortSignal) => Promise<Verdict & AttemptFacts>
/** Asks a receiver to say a challenge back; false: it did not, for whatever reason. */
export type ChallengeWebhook = (url: string, challenge: string, signal: AbortSignal) => Promise<boolean>
