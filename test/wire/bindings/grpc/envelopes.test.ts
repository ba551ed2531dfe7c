/** Messages in a gRPC body, cut wherever a network may cut them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { EgressStream } from '../../../../src/platform/egress.ts'
import { enveloped, readEnvelopes } from '../../../../src/wire/bindings/grpc/envelopes.ts'

/** A body that comes in these pieces. */
function streamOf(pieces: readonly Uint8Array[]): EgressStream & { closed: boolean; reads: number } {
  const left = [...pieces]
  return {
    kind: 'answered',
    status: 200,
    headers: {},
    closed: false,
    reads: 0,
    trailers: () => ({}),
    async read() {
      this.reads += 1
      const bytes = left.shift()
      return bytes ? { kind: 'piece', bytes } : { kind: 'end' }
    },
    close() {
      this.closed = true
    },
  }
}

async function all(pieces: readonly Uint8Array[], bytesMax = 1_000): Promise<string[]> {
  const envelopes = readEnvelopes(streamOf(pieces), bytesMax)
  const seen: string[] = []
  for (;;) {
    const next = await envelopes.next()
    if (next.kind !== 'message') return [...seen, next.kind === 'fault' ? next.cause : 'end']
    seen.push(next.bytes.toString('latin1'))
  }
}

const body = Buffer.concat(['one', '', 'three', 'x'.repeat(300)].map((text) => enveloped(Buffer.from(text))))
const whole = ['one', '', 'three', 'x'.repeat(300), 'end']

test('cut in two at every byte', async () => {
  for (let at = 0; at <= body.length; at++)
    expect(await all([body.subarray(0, at), body.subarray(at)].filter(({ length }) => length > 0))).toEqual(whole)
})

test('byte by byte, and in any other pieces', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
      async (messages, sizes) => {
        const sent = Buffer.concat(messages.map(enveloped))
        const pieces: Buffer[] = []
        for (let at = 0; at < sent.length; ) {
          const size = sizes.next().value as number
          pieces.push(sent.subarray(at, at + size))
          at += size
        }
        const expected = messages.map((message) => Buffer.from(message).toString('latin1'))
        expect(await all(pieces)).toEqual([...expected, 'end'])
      },
    ),
  ))

test('ended within a message: nobody knows what became of it', async () => {
  for (const at of [1, 4, 5, 7, 9, 12])
    expect((await all([body.subarray(0, at)])).at(-1)).toBe(at === 8 ? 'end' : 'unknown')
})

test('a length beyond the bound is refused by its first five bytes, a compressed message by its first', async () => {
  const long = streamOf([Buffer.from([0, 0xff, 0xff, 0xff, 0xff]), Buffer.from('never read')])
  expect(await readEnvelopes(long, 100).next()).toMatchObject({ kind: 'fault', cause: 'invalid' })
  expect([long.closed, long.reads]).toEqual([true, 1])
  expect(await all([Buffer.from([1, 0, 0, 0, 0])])).toEqual(['invalid'])
})

test('a message is not waited for any longer once it is there', async () => {
  const stream = streamOf([body.subarray(0, 8), body.subarray(8)])
  expect(await readEnvelopes(stream, 100).next()).toMatchObject({ kind: 'message' })
  expect(stream.reads).toBe(1)
})
