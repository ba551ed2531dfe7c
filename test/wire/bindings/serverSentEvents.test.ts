import { describe, expect, test } from 'vitest'
import type { EgressFailure, EgressStream } from '../../../src/platform/egress.ts'
import { readServerSentEvents } from '../../../src/wire/bindings/serverSentEvents.ts'

function streamOf(pieces: Uint8Array[], end: { kind: 'end' } | EgressFailure = { kind: 'end' }) {
  let closed = false
  const stream: EgressStream = {
    kind: 'answered',
    status: 200,
    headers: {},
    async read() {
      const bytes = pieces.shift()
      return bytes ? { kind: 'piece', bytes } : end
    },
    trailers: () => ({}),
    close() {
      closed = true
    },
  }
  return { stream, isClosed: () => closed }
}

const wide = { lineMax: 1_000_000, eventMax: 2_000_000 }

async function framesOf(pieces: Uint8Array[], bounds = wide) {
  const frames = readServerSentEvents(streamOf(pieces).stream, bounds)
  const texts: string[] = []
  for (;;) {
    const next = await frames.next()
    if (next.kind !== 'frame') return { texts, end: next }
    texts.push(next.text)
  }
}

const TEXT = 'data: {"a":"ä€😀"}\n\nid: 7\nevent: x\ndata: two\n: comment\n\ndata: l1\ndata: l2\n\n'
const EXPECTED = ['{"a":"ä€😀"}', 'two', 'l1\nl2']

describe('an event stream', () => {
  const bytes = Buffer.from(TEXT)
  test('split at every byte', async () => {
    for (let at = 0; at <= bytes.length; at++) {
      const { texts } = await framesOf([bytes.subarray(0, at), bytes.subarray(at)])
      expect(texts, `split at ${at}`).toEqual(EXPECTED)
    }
  })

  test.each(['\r\n', '\r'])('with line ends %j, in pieces of 1, 2 and 3 bytes', async (eol) => {
    const other = Buffer.from(TEXT.replaceAll('\n', eol))
    for (const size of [1, 2, 3]) {
      const pieces = Array.from({ length: Math.ceil(other.length / size) }, (_, n) =>
        other.subarray(n * size, (n + 1) * size),
      )
      expect((await framesOf(pieces)).texts).toEqual(EXPECTED)
    }
  })

  test('a BOM, comments and heartbeats are passed over', async () => {
    const { texts, end } = await framesOf([Buffer.from(`\ufeff: hi\n\n${': still here\n\n'.repeat(1_000)}data: x\n\n`)])
    expect(texts).toEqual(['x'])
    expect(end).toEqual({ kind: 'end' })
  })

  test('cut at every byte it gives whole events only', async () => {
    for (let at = 0; at <= bytes.length; at++) {
      const { texts } = await framesOf([bytes.subarray(0, at)])
      expect(EXPECTED.slice(0, texts.length), `cut at ${at}`).toEqual(texts)
    }
  })

  test('what is not UTF-8 is replaced', async () => {
    expect((await framesOf([Buffer.from('data: a'), Buffer.of(0xff, 0xfe), Buffer.from('b\n\n')])).texts).toEqual([
      'a��b',
    ])
  })

  test('a line or an event over its bound ends it', async () => {
    const bounds = { lineMax: 100, eventMax: 300 }
    const long = await framesOf([Buffer.from(`data: ok\n\ndata: ${'x'.repeat(150)}\n\n`)], bounds)
    expect(long).toMatchObject({ texts: ['ok'], end: { kind: 'fault', cause: 'invalid' } })
    const endless = await framesOf(
      Array.from({ length: 10 }, () => Buffer.from('x'.repeat(100))),
      bounds,
    )
    expect(endless).toMatchObject({ texts: [], end: { kind: 'fault', cause: 'invalid' } })
    const many = await framesOf([Buffer.from('data: 123456789\n'.repeat(100))], bounds)
    expect(many).toMatchObject({ texts: [], end: { kind: 'fault', cause: 'invalid' } })
  })

  test('a broken connection is told after what came before it', async () => {
    const broken = streamOf([Buffer.from('data: x\n\ndata: ha')], {
      kind: 'reset',
      sent: true,
      reason: 'connection closed',
    })
    const frames = readServerSentEvents(broken.stream, wide)
    expect(await frames.next()).toEqual({ kind: 'frame', text: 'x' })
    expect(await frames.next()).toMatchObject({ kind: 'fault', cause: 'unknown' })
    expect(broken.isClosed()).toBe(true)
  })
})
