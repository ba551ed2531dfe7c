/** Documents of the specification and of real peers, both ways: read, written again, compared. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { OperationName } from '../../../src/a2a/operations.ts'
import type { Binding, StreamEntry } from '../../../src/ports.ts'
import { ALL_VERSIONS } from '../../../src/wire/versions/table.ts'

interface Golden {
  readonly source: string
  readonly wire: unknown
  readonly canonical: never
  /** What comes back where it cannot be equal. */
  readonly wireBack?: unknown
  readonly binding?: Binding
  readonly final?: boolean
}

const entryOf = (event: unknown): StreamEntry => ({
  sequence: 1,
  json: JSON.stringify(event),
  event: () => event as never,
  last: false,
  interrupted: false,
})

describe.each(ALL_VERSIONS)('A2A $version', (codec) => {
  const folder = new URL(`../../fixtures/wire/${codec.version}/`, import.meta.url)
  const goldens = readdirSync(folder).map((file) => {
    const text = readFileSync(new URL(file, folder), 'utf8')
    return { file, ...(JSON.parse(text) as Golden) }
  })

  test('has documents', () => expect(goldens.length).toBeGreaterThan(5))

  test.each(goldens)('$file', ({ file, wire, canonical, wireBack = wire, binding = 'JSONRPC', final }) => {
    const [subject = '', kind] = file.split('.')
    const name = subject as OperationName
    if (subject === 'card') {
      expect(codec.decodeCard(wire)).toEqual(canonical)
      expect(codec.encodeCard(canonical)).toEqual(wireBack)
    } else if (subject === 'event') {
      const decoded = codec.decodeEvent(wire, binding)
      expect(decoded).toEqual(final === undefined ? { event: canonical } : { event: canonical, final })
      const text = codec.encodeEvent(entryOf(canonical), binding, final === true)
      if (wireBack === wire && !('status_update' in (wire as object))) expect(JSON.parse(text)).toEqual(wireBack)
    } else if (kind === 'params') {
      const params = codec.decodeParams(name, wire, binding)
      expect(params).toEqual(canonical)
      expect(codec.encodeParams(name, params, binding)).toEqual(wireBack)
    } else {
      const result = codec.decodeResult(name, wire, binding)
      expect(result).toEqual(canonical)
      expect(codec.encodeResult(name, result, binding)).toEqual(wireBack)
    }
  })
})
