/**
 * What a translation between 1.0 and 0.3 may lose, and nothing else may be: each with its number, what becomes of it, and
 * which test shows it. `test/wire/versions/losses.test.ts` holds this list against the tests.
 */

export interface Loss {
  readonly direction: '1.0→0.3' | '0.3→1.0' | '1.0→0.2' | 'both'
  readonly what: string
  readonly handling: string
  /** `restored`: a round trip through us brings it back. */
  readonly kind: 'restored' | 'lost' | 'elsewhere'
  /** A file below test/, for what no translation can show by itself. */
  readonly shownIn?: string
}

const loss = (direction: Loss['direction'], what: string, handling: string): Loss => ({
  direction,
  what,
  handling,
  kind: 'lost',
})
const restored = (direction: Loss['direction'], what: string, handling: string): Loss => ({
  direction,
  what,
  handling,
  kind: 'restored',
})
const elsewhere = (direction: Loss['direction'], what: string, handling: string, shownIn: string): Loss => ({
  ...{ direction, what, handling },
  kind: 'elsewhere',
  shownIn,
})

export const LOSSES = {
  L1: restored('1.0→0.3', 'a data part that is no object', 'wrapped in {value}, marked data_part_compat'),
  L2: restored('1.0→0.3', 'file name and media type of text and data parts', "in the part's metadata under our key"),
  L3: restored('1.0→0.3', 'part metadata and file names over gRPC and HTTP+JSON', "in the SDKs' field numbers"),
  L4: loss('0.3→1.0', 'several authentication schemes of a push config', 'Bearer before Basic before the first'),
  L5: loss('0.3→1.0', 'stateTransitionHistory; the state unknown', 'dropped; UNSPECIFIED'),
  L6: loss('1.0→0.3', 'the tenant of an interface', 'part of its URL'),
  L7: loss('1.0→0.3', 'device code flows, pkceRequired', 'dropped, a scheme without flows too'),
  L8: loss('0.3→1.0', 'several OAuth flows of one scheme', 'several schemes, any of which will do'),
  L9: loss('1.0→0.3', 'ListTasks of an agent', 'refused: the gateway answers from its own store'),
  L10: loss('0.3→1.0', 'metadata of get, resubscribe and push requests', 'dropped'),
  L11: loss('1.0→0.3', 'metadata of CancelTask over gRPC and HTTP+JSON', 'dropped; JSON-RPC has it'),
  L12: restored('1.0→0.3', 'referenceTaskIds over gRPC and HTTP+JSON', "in the message's metadata under our key"),
  L13: loss('both', 'card signatures', 'left out: they cover another document'),
  L14: elsewhere(
    '0.3→1.0',
    'a Message in the middle of a task stream',
    'a status update that carries it',
    'wire/bindings/peer.test.ts',
  ),
  L15: loss('1.0→0.3', 'the errors -32008 and -32009', 'told as -32004'),
  L16: loss('both', 'integers beyond 2^53 over gRPC', 'as the nearest double, at that edge only'),
  L17: restored('0.3→1.0', 'events without the ids of their task', 'those of the stream they came in'),
  L18: elsewhere(
    '1.0→0.3',
    'returnImmediately of a stream',
    'ignored on both sides',
    'conformance/spec/3.2-parameters.test.ts',
  ),
  L19: elsewhere('1.0→0.3', 'iconUrl over gRPC', "in the SDKs' field number", 'wire/bindings/grpc/server.test.ts'),
  L20: restored('0.3→1.0', 'a data part {value} without the mark', 'left as it is'),
  L21: elsewhere('1.0→0.2', 'extended card, push list and delete, config ids', 'from our own store', 'e2e/peers'),
  L22: loss('1.0→0.3', 'historyLength 0 over gRPC and HTTP+JSON', 'all is fetched, and trimmed by us'),
  L23: restored('0.3→1.0', 'artifacts without parts', 'passed through'),
  L24: loss('0.3→1.0', 'files with both bytes and URI, or in another spelling', 'bytes first; one spelling'),
} as const satisfies Record<string, Loss>

export type LossId = keyof typeof LOSSES
