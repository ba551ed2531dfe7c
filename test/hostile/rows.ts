/** What a row of the register is: one line of the table of bad inputs, with the requests that make it concrete. */
import type { Reason } from './answers.ts'
import { type Fields, JSONS, type Operation, RPC, type Surface } from './speech.ts'
import type { Fixtures, HostileWorld } from './world.ts'

export type Given<T> = T | ((fixtures: Fixtures) => T)
export const given = <T>(value: Given<T>, fixtures: Fixtures): T =>
  typeof value === 'function' ? (value as (fixtures: Fixtures) => T)(fixtures) : value

/** Who asks: a name of the fixtures' keys, or nobody. */
export interface Circumstances {
  /** Default: every surface that knows the operation. */
  readonly on?: readonly Surface[]
  readonly agent?: string
  readonly key?: string | null
  /** Also as gRPC metadata. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Say extends Circumstances {
  readonly kind: 'say'
  readonly what: string
  readonly operation: Operation
  readonly params: Given<Fields>
  /** Undefined: it is served. */
  readonly reason: Reason | undefined
  /** Of what is served: the parts that must be read back. */
  readonly kept?: readonly unknown[]
}

/** A body as bytes; in HTTP+JSON at the path of SendMessage. */
export interface Body extends Circumstances {
  readonly kind: 'body'
  readonly what: string
  readonly body: Given<string | Buffer>
  readonly type?: string
  readonly reason: Reason | undefined
  /** JSON-RPC: the id that the answer repeats, as JSON text. */
  readonly id?: string
  /** Where the reason alone does not say it. */
  readonly status?: number
  readonly code?: number
}

/** A whole HTTP/1.1 request by hand. */
export interface Raw {
  readonly kind: 'raw'
  readonly what: string
  readonly bytes: (shape: Shape) => string | Buffer
  /** Undefined: closed without a word. */
  readonly status: number | undefined
  /** By hand, one side closes. */
  readonly end?: boolean
  /** Substrings of the answer, lower-cased. */
  readonly says?: readonly string[]
}
/** Makes a good send to the target, but for what is given. */
export interface Shape {
  readonly target: string
  request(change?: Change): string
}
export interface Change {
  readonly method?: string
  readonly target?: string
  readonly version?: string
  readonly host?: string
  /** Further header lines, each with its end. */
  readonly more?: string
  /** Instead of the line Content-Length. */
  readonly length?: string
  readonly body?: string
}

export type Case = Say | Body | Raw

export interface Row {
  readonly id: string
  readonly what: string
  readonly cases?: readonly Case[]
  /** What is more than one request and its answer. */
  readonly scene?: (world: HostileWorld) => Promise<void>
  /** Test files that play it, below `test/`: each names the row's id. */
  readonly at?: readonly string[]
  /** Its feature does not exist yet. */
  readonly pending?: string
  /** Our answer is another than the table's, and why. */
  readonly differs?: string
}

export const refused = (
  what: string,
  operation: Operation,
  params: Given<Fields>,
  reason: Reason,
  more: Circumstances = {},
): Say => ({ kind: 'say', what, operation, params, reason, ...more })
export const bad = (what: string, operation: Operation, params: Given<Fields>, more: Circumstances = {}): Say =>
  refused(what, operation, params, 'INVALID_PARAMS', more)
export const served = (
  what: string,
  operation: Operation,
  params: Given<Fields>,
  more: Circumstances & { kept?: readonly unknown[] } = {},
): Say => ({ kind: 'say', what, operation, params, reason: undefined, ...more })

export const body = (
  what: string,
  text: Given<string | Buffer>,
  reason: Reason | undefined,
  more: Partial<Body> = {},
): Body => ({ kind: 'body', what, body: text, reason, on: JSONS, ...more })
export const envelope = (what: string, text: Given<string>, reason: Reason | undefined, id?: string): Body => ({
  kind: 'body',
  what,
  body: text,
  reason,
  on: RPC,
  ...(id !== undefined && { id }),
})

let made = 0
/** A message of the default agent, answered at once; `more` beside it. */
export const send = (message: Fields = {}, more: Fields = {}): Fields => ({
  message: { messageId: `row-${++made}-${process.pid}`, role: 'ROLE_USER', parts: [{ text: 'x' }], ...message },
  configuration: { returnImmediately: true },
  ...more,
})
/** A fresh message each time it is played. */
export const ofPart = (part: unknown) => () => send({ parts: [part] })
export const ofMessage = (change: Fields) => () => send(change)
export const configured = (configuration: Fields) => () =>
  send({}, { configuration: { returnImmediately: true, ...configuration } })
export const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
/** In an object, which is all that the 0.3 proto takes as data. */
export const nestedInObject = (depth: number): unknown => JSON.parse('{"a":'.repeat(depth) + 0 + '}'.repeat(depth))
