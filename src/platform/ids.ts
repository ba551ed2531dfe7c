/** Ids and chance. */
import { createHash, randomBytes } from 'node:crypto'

let lastMs = 0
let counter = 0
let pool = randomBytes(8192)
let used = 0

/** Ten random bytes from a pool: one system call serves eight hundred ids. */
function takeRandom(count: number): Buffer {
  if (used + count > pool.length) {
    pool = randomBytes(pool.length)
    used = 0
  }
  used += count
  return pool.subarray(used - count, used)
}

const DIGITS = Buffer.from('0123456789abcdef')
/** Where each of the sixteen bytes stands in the text; the dashes are there already. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]
const text = Buffer.from('00000000-0000-0000-0000-000000000000')

function write(place: number, byte: number): void {
  const at = PLACES[place]!
  text[at] = DIGITS[byte >>> 4]!
  text[at + 1] = DIGITS[byte & 0xf]!
}

/**
 * UUIDv7 (RFC 9562 §5.7), monotonic in this process: 48 bits of time, 12 bits of counter, 62 bits of chance. Written into
 * one buffer: as a text put together from pieces each id left 800 bytes of garbage, five times per task.
 */
export function uuidv7(): string {
  const now = Date.now()
  if (now > lastMs) {
    lastMs = now
    counter = takeRandom(1)[0]! & 0x7f
  } else if (++counter > 0xfff) {
    lastMs += 1
    counter = 0
  }
  const hi = Math.floor(lastMs / 0x100000000)
  const lo = lastMs >>> 0
  write(0, (hi >>> 8) & 0xff)
  write(1, hi & 0xff)
  for (let n = 0; n < 4; n++) write(2 + n, (lo >>> (24 - 8 * n)) & 0xff)
  write(6, 0x70 | (counter >>> 8))
  write(7, counter & 0xff)
  const random = takeRandom(8)
  write(8, (random[0]! & 0x3f) | 0x80)
  for (let n = 1; n < 8; n++) write(8 + n, random[n]!)
  return text.toString('latin1')
}

/** `bytes` of chance as base64url: for secrets. */
export const secret = (bytes: number): string => randomBytes(bytes).toString('base64url')

/** Between 0 and 1: for jitter only. */
export const chance = (): number => Math.random()

export const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('base64url')
