/** What is told of a route beyond what its own tables say. */
import { z } from 'zod'
import type { Reason } from '../../a2a/errors.ts'

/** Codes of problem documents that A2A has no reason for, with their status. */
export const OWN_CODES = {
  INVALID_HOST: 400,
  MISDIRECTED: 421,
  KEY_NOT_FOUND: 404,
  DELIVERY_NOT_FOUND: 404,
  DELIVERY_NOT_DEAD: 409,
  LEASE_NOT_FOUND: 404,
  already_settled: 409,
  new_messages: 409,
  lease_lost: 409,
  ORIGIN_REFUSED: 403,
} as const
export type Code = Reason | keyof typeof OWN_CODES

/** An answer that is no JSON document of a schema. */
export interface Other {
  readonly media: string
  readonly about: string
  /** Of each event or line. */
  readonly schema?: z.ZodType
}
export type Answer = z.ZodType | Other | string

export interface Entry {
  readonly summary: string
  /** Further sentences. */
  readonly about?: string
  /** The very schemas that the route checks with. */
  readonly query?: z.ZodObject
  readonly body?: z.ZodType
  /** Other media types that the body may have. */
  readonly takes?: Readonly<Record<string, string>>
  /** A body that the schema takes. */
  readonly example?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** By status; a string: what is said without a body. */
  readonly answers: Readonly<Record<number, Answer>>
  /** Beyond those that follow from what it takes and demands. */
  readonly codes?: readonly Code[]
  /** A credential is not needed, and counts if it is given. */
  readonly mayName?: true
}
export interface Group {
  readonly name: string
  readonly about: string
  /** By method and path, as in `demands.ts`. */
  readonly entries: Readonly<Record<string, Entry>>
}

export const stream = (about: string, schema?: z.ZodType): Other => ({
  media: 'text/event-stream',
  about,
  ...(schema && { schema }),
})
export const pageOf = (item: z.ZodType) => z.object({ items: z.array(item), next: z.string().optional() })
export const LAST_EVENT = { 'Last-Event-ID': 'the last event that was seen: the stream goes on behind it' }
export const MAILBOX = { 'X-Waypost-Agent': 'which mailbox, for a credential that may collect from several' }
