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

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** UUIDv7 (RFC 9562 §5.7), monotonic in this process: 48 bits of time, 12 bits of counter, 62 bits of chance. */
export function uuidv7(): string {
  const now = Date.now()
  if (now > lastMs) {
    lastMs = now
    counter = takeRandom(1)[0]! & 0x7f
  } else if (++counter > 0xfff) {
    lastMs += 1
    counter = 0
  }
  const r = takeRandom(8)
  const t = lastMs
  const hi = Math.floor(t / 0x100000000)
  const lo = t >>> 0
  return (
    `${HEX[(hi >>> 8) & 0xff]}${HEX[hi & 0xff]}${HEX[lo >>> 24]}${HEX[(lo >>> 16) & 0xff]}-` +
    `${HEX[(lo >>> 8) & 0xff]}${HEX[lo & 0xff]}-7${HEX[counter >>> 8]![1]}${HEX[counter & 0xff]}-` +
    `${HEX[(r[0]! & 0x3f) | 0x80]}${HEX[r[1]!]}-${HEX[r[2]!]}${HEX[r[3]!]}${HEX[r[4]!]}${HEX[r[5]!]}${HEX[r[6]!]}${HEX[r[7]!]}`
  )
}

/** `bytes` of chance as base64url: for secrets. */
export const secret = (bytes: number): string => randomBytes(bytes).toString('base64url')

/** Between 0 and 1: for jitter only. */
export const chance = (): number => Math.random()

export const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('base64url')
