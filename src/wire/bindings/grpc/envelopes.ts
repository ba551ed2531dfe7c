/** Messages in a gRPC body: five bytes before each say whether it is compressed and how long it is. */
import type { EgressStream } from '../../../platform/egress.ts'
import { type Fault, fault, faultOfEgress } from '../faults.ts'

const PREFIX = 5

export function enveloped(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(PREFIX + message.length)
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, PREFIX)
  return framed
}

export interface Envelopes {
  /** The next message, or the end of the body; the status stands behind it. Nothing is read ahead of what is asked for. */
  next(): Promise<{ kind: 'message'; bytes: Buffer } | { kind: 'end' } | Fault>
}

export function readEnvelopes(stream: EgressStream, bytesMax: number): Envelopes {
  let pieces: Uint8Array[] = []
  let held = 0
  const gather = (): Buffer => {
    const [first] = pieces as [Uint8Array]
    // A view: many small messages in one piece would be copied once for each of them.
    const one = pieces.length === 1
    const all = one ? Buffer.from(first.buffer, first.byteOffset, first.length) : Buffer.concat(pieces)
    pieces = [all]
    return all
  }
  const refuse = (reason: string): Fault => {
    stream.close()
    return fault('invalid', reason)
  }
  return {
    async next() {
      let wanted = PREFIX
      for (;;) {
        while (held < wanted) {
          const read = await stream.read()
          if (read.kind === 'end')
            return held === 0 ? { kind: 'end' } : fault('unknown', 'the answer ended within a message')
          if (read.kind !== 'piece') return faultOfEgress(read)
          pieces.push(read.bytes)
          held += read.bytes.length
        }
        const all = gather()
        if (all[0] !== 0) return refuse('a compressed message, though none was asked for')
        const length = all.readUInt32BE(1)
        if (length > bytesMax) return refuse(`a message of more than ${bytesMax} bytes`)
        wanted = PREFIX + length
        if (held < wanted) continue
        pieces = [all.subarray(wanted)]
        held -= wanted
        return { kind: 'message', bytes: all.subarray(PREFIX, wanted) }
      }
    },
  }
}
