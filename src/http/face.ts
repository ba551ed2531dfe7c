/** What all routes of our own face share: who is calling, what was sent, how answers look. */

import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { A2AError, type FieldViolation } from '../a2a/errors.ts'
import { isLoopbackAddress } from '../gateway/callers/authenticate.ts'
import type { NoteDenial } from '../gateway/callers/denials.ts'
import { authorize, denied, isOperator } from '../gateway/callers/permits.ts'
import { LIMITS } from '../limits.ts'
import type { Authenticate, Caller, Permit } from '../ports.ts'
import { type PageTokens, pageTokens } from '../store/page.ts'
import { isJsonType, readBody, refuseEncoding } from '../wire/bindings/body.ts'
import { credentialsOf } from '../wire/bindings/parameters.ts'

export type FaceEnv = { Bindings: HttpBindings; Variables: { traceId: string } }
export type FaceContext = Context<FaceEnv>
export type Face = Hono<FaceEnv>
export const newFace = (): Face => new Hono<FaceEnv>()

export interface Access {
  /** The caller, who has one of these permits. Throws UNAUTHENTICATED, PERMISSION_DENIED, INVALID_PARAMS. */
  require(context: FaceContext, ...permits: readonly Permit[]): Promise<Caller>
  /** The caller; undefined: no credentials were given, from this machine. */
  orLocal(context: FaceContext): Promise<Caller | undefined>
}

/** A request is of one caller, however many ask who it is. */
const known = new WeakMap<IncomingMessage, Promise<Caller>>()

/** `noteDenial`: writes down what a caller was refused for want of a permit. */
export function createAccess(authenticate: Authenticate, noteDenial?: NoteDenial): Access {
  function identify(incoming: IncomingMessage): Promise<Caller> {
    let asking = known.get(incoming)
    if (!asking) {
      asking = authenticate(credentialsOf(incoming, ''))
      known.set(incoming, asking)
    }
    return asking
  }
  async function require(context: FaceContext, ...permits: readonly Permit[]): Promise<Caller> {
    const caller = await identify(context.env.incoming)
    if (!caller?.id || caller.kind === 'anonymous') throw new A2AError('UNAUTHENTICATED', 'a valid key is needed')
    const [permit, ...others] = permits
    if (permit && !others.some((other) => caller.permits.has(other))) {
      try {
        authorize(caller, permit)
      } catch (error) {
        noteDenial?.(caller, `${context.req.method} ${routeOf(context.req.path)}`, permit)
        throw error
      }
    }
    return inTenant(caller, context.req.header('x-waypost-tenant'))
  }
  return {
    require,
    async orLocal(context) {
      try {
        return await require(context)
      } catch (error) {
        const { authorization, 'x-api-key': apiKey } = context.env.incoming.headers
        const given = authorization !== undefined || apiKey !== undefined
        if (given || !(error instanceof A2AError) || error.reason !== 'UNAUTHENTICATED' || !isFromHere(context))
          throw error
        return undefined
      }
    },
  }
}

/** The path without what differs from request to request. */
const routeOf = (path: string): string => path.split('/').slice(0, 3).join('/').slice(0, 64)

/** An operator acts in the tenant that the request names; everybody else may only name its own. */
function inTenant(caller: Caller, asked: string | undefined): Caller {
  if (asked === undefined || asked === caller.tenant) return caller
  if (!isOperator(caller)) throw denied('operator')
  return { ...caller, tenant: checked(TENANT, asked) }
}

/** What a tenant may be called. */
export const TENANT = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, { error: 'the name of a tenant: 1–63 characters, a–z, 0–9, then also - _' })

/** The peer is on this machine, and it is no web page that makes a browser send this. */
export function isFromHere(context: FaceContext): boolean {
  const { incoming } = context.env
  const { origin, forwarded } = incoming.headers
  const relayed = forwarded !== undefined || incoming.headers['x-forwarded-for'] !== undefined
  return isLoopbackAddress(incoming.socket.remoteAddress ?? '') && origin === undefined && !relayed
}

/** Management documents are small. */
const BODY_BYTES_MAX = 256 * 1024

/** The JSON body; without any, an empty object. Throws UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, JSON_PARSE. */
export async function jsonBody(context: FaceContext): Promise<unknown> {
  const { incoming } = context.env
  refuseEncoding(incoming)
  const body = await readBody(incoming, { ...LIMITS, requestBytesMax: BODY_BYTES_MAX })
  if (body.length === 0) return {}
  // Not a formality: a web page can send text/plain to any host without asking, JSON it cannot.
  if (!isJsonType(incoming.headers['content-type']))
    throw new A2AError('UNSUPPORTED_MEDIA_TYPE', 'the body must be application/json')
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    throw new A2AError('JSON_PARSE', 'the body is not JSON')
  }
}

/** Throws INVALID_PARAMS that names what is wrong. */
export function checked<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const violations = parsed.error.issues.flatMap((issue): FieldViolation[] =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ field: key.slice(0, LIMITS.echoCharsMax), description: 'unknown' }))
      : [{ field: issue.path.join('.'), description: issue.message.slice(0, 256) }],
  )
  const first = violations[0] as FieldViolation
  throw new A2AError('INVALID_PARAMS', `${first.field || 'the document'}: ${first.description}`, { violations })
}

const limit = z.coerce.number().int().min(1).max(100).optional()
const cursor = z.string().max(1_024).optional()
/** Members of every list's query; `pageSize` and `pageToken` are A2A's words for the same. */
export const PAGE = { limit, cursor, pageSize: limit, pageToken: cursor }
const PAGE_DEFAULT = 50

export type PageQuery = {
  limit?: number | undefined
  cursor?: string | undefined
  pageSize?: number | undefined
  pageToken?: string | undefined
}

export interface Page<Cursor> {
  /** One more than is shown, to know whether there is more. */
  readonly fetch: number
  readonly after: Cursor | undefined
  answer<Row, Shown>(
    rows: readonly Row[],
    show: (row: Row) => Shown,
    cursorOf: (row: Row) => Cursor,
  ): { items: Shown[]; next?: string }
  /** A cursor of this list. */
  write(cursor: Cursor): string
}

/** Throws INVALID_PARAMS for a cursor of another list or caller (SR-26). */
export function pageOf<Cursor>(
  query: PageQuery,
  key: Buffer,
  scope: readonly (string | boolean | undefined)[],
): Page<Cursor> {
  const size = query.limit ?? query.pageSize ?? PAGE_DEFAULT
  const tokens: PageTokens<Cursor> = pageTokens<Cursor>(key, scope)
  const token = query.cursor ?? query.pageToken
  const after = token === undefined ? undefined : tokens.read(token)
  if (token !== undefined && after === undefined)
    throw new A2AError('INVALID_PARAMS', 'cursor: not one of this list', {
      violations: [{ field: 'cursor', description: 'not one of this list' }],
    })
  return {
    fetch: size + 1,
    after,
    write: (cursor) => tokens.write(cursor),
    answer(rows, show, cursorOf) {
      const shown = rows.slice(0, size)
      const last = shown.at(-1)
      return {
        items: shown.map(show),
        ...(rows.length > size && last !== undefined && { next: tokens.write(cursorOf(last)) }),
      }
    },
  }
}

/** Milliseconds since 1970 as ISO 8601. */
export const iso = (ms: number): string => new Date(ms).toISOString()
/** Times that are not known are absent. */
export const times = <Name extends string>(
  named: Readonly<Record<Name, number | Date | null | undefined>>,
): { [N in Name]?: string } =>
  Object.fromEntries(
    Object.entries<number | Date | null | undefined>(named).flatMap(([name, at]) =>
      at === null || at === undefined ? [] : [[name, iso(Number(at))]],
    ),
  ) as { [N in Name]?: string }

/** Members that are null are absent. */
export const present = <T extends object>(record: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== null && value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>
  }

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
export const uuid = z.string().regex(UUID, { error: 'a UUID' })
