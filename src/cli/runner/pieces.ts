/** Bytes as parts of an artifact: text as long as it is UTF-8, from then on as they are. */
import type { Part } from '../../client/mailbox.ts'

/** Gives the next part of what has come so far; undefined: nothing yet. */
export type Pieces = (bytes: Buffer, isLast: boolean) => Part | undefined

export function createPieces(): Pieces {
  let rest = Buffer.alloc(0)
  let isBinary = false
  return (bytes, isLast) => {
    const all = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes
    rest = Buffer.alloc(0)
    if (all.length === 0) return undefined
    if (!isBinary) {
      const whole = isLast ? all.length : wholeCharacters(all)
      const text = textOf(all.subarray(0, whole))
      if (text !== undefined) {
        rest = Buffer.from(all.subarray(whole))
        return text === '' ? undefined : { text }
      }
      isBinary = true
    }
    return { raw: all.toString('base64'), mediaType: 'application/octet-stream' }
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function textOf(bytes: Buffer): string | undefined {
  if (bytes.includes(0)) return undefined
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** How many bytes there are before a character that is not whole yet. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number
    if ((byte & 0xc0) === 0x80) continue
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return needs > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}
