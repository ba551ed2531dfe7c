/** Page tokens: opaque to the caller, bound to what was asked and by whom, so that one cannot be used for another list (SR-26). */
import { createHmac, timingSafeEqual } from 'node:crypto'

export interface PageTokens<Cursor> {
  write(cursor: Cursor): string
  /** undefined: made by somebody else, edited, or of another list. */
  read(token: string): Cursor | undefined
}

/** `scope` names the caller and every filter; the same scope reads what it wrote. */
export function pageTokens<Cursor>(
  key: Buffer,
  scope: readonly (string | number | boolean | undefined)[],
): PageTokens<Cursor> {
  const seal = (body: string) =>
    createHmac('sha256', key).update(JSON.stringify(scope)).update(body).digest().subarray(0, 16)
  return {
    write(cursor) {
      const body = Buffer.from(JSON.stringify(cursor)).toString('base64url')
      return `${body}.${seal(body).toString('base64url')}`
    },
    read(token) {
      const [body, mac, rest] = token.split('.')
      if (!body || !mac || rest !== undefined) return undefined
      const given = Buffer.from(mac, 'base64url')
      const made = seal(body)
      if (given.length !== made.length || !timingSafeEqual(given, made)) return undefined
      return JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Cursor
    },
  }
}
