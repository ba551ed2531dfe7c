/** One pass over the bytes of a body before anything is built of them: how deep, how many, and what needs a closer look. */
import { isUtf8 } from 'node:buffer'
import { A2AError } from '../../a2a/errors.ts'
import type { Limits } from '../../limits.ts'

export interface Scan {
  /** Bytes of the body. */
  readonly bytes: number
  /** Deepest nesting of objects and arrays. */
  readonly depth: number
  /** Values, counted by commas and brackets. */
  readonly nodes: number
  /** There are `\u` escapes or extreme numbers, so there may be NULs, lone surrogates or infinities. */
  readonly suspicious: boolean
  /** A member of the outermost object that comes twice. */
  readonly duplicate?: string
  /** The text of the outermost object's `id`, so that a number is echoed as it came. */
  readonly idText?: string
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const isOpen = (byte: number): boolean => byte === 0x7b || byte === 0x5b
const isClose = (byte: number): boolean => byte === 0x7d || byte === 0x5d
const isNumeral = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x2b || byte === 0x2e || byte === 0x65 || byte === 0x45

/** Beyond this many characters, or with an exponent, a number may overflow to infinity. */
const NUMERAL_CHARS = 300

/** Knows nothing of well-formedness: that is JSON.parse's part, which follows. */
export function scanJson(body: Buffer): Scan {
  const state: Cursor = { at: 0, escapes: body.includes(BACKSLASH), suspicious: false }
  const keys = new Set<string>()
  let [depth, deepest, nodes] = [0, 0, 0]
  let [atKey, inId, idStart, idEnd] = [false, false, -1, -1]
  let duplicate: string | undefined
  for (; state.at < body.length; state.at++) {
    const byte = body[state.at] as number
    if (byte === QUOTE) {
      const start = state.at
      skipString(body, state)
      if (depth !== 1 || !atKey) continue
      atKey = false
      const key = keyText(body, start, state.at)
      if (keys.has(key)) duplicate ??= key
      keys.add(key)
      inId = key === 'id'
    } else if (isOpen(byte)) {
      depth += 1
      nodes += 1
      if (depth > deepest) deepest = depth
      if (depth === 1) atKey = byte === 0x7b
    } else if (isClose(byte)) {
      if (depth === 1 && idStart >= 0 && idEnd < 0) idEnd = state.at
      depth -= 1
    } else if (byte === COMMA) {
      nodes += 1
      if (depth !== 1) continue
      if (idStart >= 0 && idEnd < 0) idEnd = state.at
      atKey = keys.size > 0
    } else if (byte === COLON) {
      if (depth === 1 && inId && idStart < 0) idStart = state.at + 1
      inId = false
    } else if (isNumeral(byte)) skipNumeral(body, state)
  }
  const idText = idStart >= 0 && idEnd >= 0 ? body.toString('utf8', idStart, idEnd).trim() : undefined
  return {
    bytes: body.length,
    depth: deepest,
    nodes,
    suspicious: state.suspicious,
    ...(duplicate !== undefined && { duplicate }),
    ...(idText !== undefined && { idText }),
  }
}

/** A walk finds the end of a short text sooner than the call of a search. */
const NEAR_CHARS = 64

interface Cursor {
  at: number
  /** There is a backslash somewhere. */
  readonly escapes: boolean
  suspicious: boolean
}

/** Leaves the cursor on the closing quote. */
function skipString(body: Buffer, cursor: Cursor): void {
  let at = cursor.at + 1
  if (!cursor.escapes) {
    // Most bodies have no escape at all: then a search finds the end of a long text eight times as fast as a walk.
    const near = Math.min(at + NEAR_CHARS, body.length)
    while (at < near && body[at] !== QUOTE) at += 1
    if (at === near && at < body.length) at = body.indexOf(QUOTE, at)
    cursor.at = at < 0 ? body.length : at
    return
  }
  for (; at < body.length; at++) {
    const byte = body[at]
    if (byte === QUOTE) break
    if (byte !== BACKSLASH) continue
    at += 1
    if (body[at] === 0x75) cursor.suspicious = true
  }
  cursor.at = at
}

/** Leaves the cursor on the last character of the number, or of the `e` in true and false. */
function skipNumeral(body: Buffer, cursor: Cursor): void {
  const start = cursor.at
  let exponent = false
  while (cursor.at + 1 < body.length && isNumeral(body[cursor.at + 1] as number)) {
    cursor.at += 1
    exponent ||= body[cursor.at] === 0x65 || body[cursor.at] === 0x45
  }
  if (exponent || cursor.at - start > NUMERAL_CHARS) cursor.suspicious = true
}

function keyText(body: Buffer, start: number, end: number): string {
  const text = body.toString('utf8', start + 1, end)
  if (!text.includes('\\')) return text
  try {
    return JSON.parse(`"${text}"`) as string
  } catch {
    return text
  }
}

export interface ParsedBody {
  readonly json: unknown
  readonly scan: Scan
}

/**
 * Bytes to a value, within bounds.
 * @throws A2AError JSON_PARSE, PAYLOAD_TOO_LARGE (too many values, before they are built), INVALID_REQUEST (and too deep)
 */
export function parseBody(body: Buffer, limits: Limits): ParsedBody {
  if (!isUtf8(body)) throw new A2AError('JSON_PARSE', 'the body is not UTF-8')
  const scan = scanJson(body)
  // Both at once: too much to be built only to see whether it is well-formed.
  if (scan.nodes > limits.jsonNodesMax && scan.depth > limits.jsonDepthMax) refuseShape(scan, limits)
  if (scan.nodes > limits.jsonNodesMax)
    throw new A2AError('PAYLOAD_TOO_LARGE', `more than ${limits.jsonNodesMax} JSON values in one request`)
  try {
    return { json: JSON.parse(body.toString('utf8')), scan }
  } catch {
    throw new A2AError('JSON_PARSE', 'the body is not JSON')
  }
}

/** @throws A2AError INVALID_REQUEST */
export function refuseShape(scan: Scan, limits: Limits): void {
  if (scan.depth > limits.jsonDepthMax)
    throw new A2AError('INVALID_REQUEST', `JSON nested deeper than ${limits.jsonDepthMax} levels`, {
      metadata: { cause: 'JSON_DEPTH' },
    })
  if (scan.duplicate !== undefined)
    throw new A2AError('INVALID_REQUEST', `the member ${JSON.stringify(scan.duplicate.slice(0, 64))} comes twice`)
}
