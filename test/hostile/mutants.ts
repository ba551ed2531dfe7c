/** Arbitraries for requests: right ones, ones with one mistake, and bytes that were damaged on the way. */
import fc from 'fast-check'
import type { Fields } from './speech.ts'

/** Any text that can be kept: no NUL, no half of a pair. */
const text = fc.string({ unit: 'binary', maxLength: 40 }).map((one) => one.replaceAll('\0', ''))
const word = fc.stringMatching(/^[a-z0-9._~-]{1,12}$/)
const json = fc
  .jsonValue({ maxDepth: 4, stringUnit: 'grapheme' })
  .filter((value) => !/\\u0000|__proto__/.test(JSON.stringify(value)))
const object = fc
  .dictionary(
    word.filter((name) => name !== '__proto__'),
    json,
    { maxKeys: 4, noNullPrototype: true },
  )
  .map((value) => value as Fields)
const optional = <T>(value: fc.Arbitrary<T>, name: string): fc.Arbitrary<Fields> =>
  fc.option(value, { nil: undefined }).map((found) => (found === undefined ? {} : { [name]: found }))
const merged = (...parts: fc.Arbitrary<Fields>[]): fc.Arbitrary<Fields> =>
  fc.tuple(...parts).map((all) => Object.assign({}, ...all) as Fields)

const mediaType = fc.constantFrom('text/plain', 'image/png', 'application/json', 'text/plain; charset=utf-8')
const filename = fc.constantFrom('a.txt', 'ä/../b', '名前.png', 'x y.tar.gz')
const url = fc.constantFrom('https://h.example/a?b=c#d', 's3://bucket/key', 'http://127.0.0.1/x')
const bytes = fc.uint8Array({ maxLength: 30 }).map((raw) => Buffer.from(raw).toString('base64'))

const content = fc.oneof(
  text.map((one) => ({ text: one })),
  bytes.map((raw) => ({ raw })),
  url.map((one) => ({ url: one })),
  object.map((data) => ({ data })),
) as fc.Arbitrary<Fields>
/** A name and a type of a text or of data are of 1.0; of a file they are of both versions. */
export const part = fc.oneof(
  content,
  merged(
    fc.oneof(
      bytes.map((raw): Fields => ({ raw })),
      url.map((one): Fields => ({ url: one })),
    ),
    optional(mediaType, 'mediaType'),
    optional(filename, 'filename'),
    optional(
      object.filter((value) => Object.keys(value).length > 0),
      'metadata',
    ),
  ),
)

/** What every agent may be told, in either version. */
export const message = merged(
  fc.record({ parts: fc.array(part, { minLength: 1, maxLength: 3 }) }),
  optional(word, 'contextId'),
  optional(
    object.filter((value) => Object.keys(value).length > 0),
    'metadata',
  ),
  optional(fc.array(fc.constantFrom('urn:x:a', 'https://x.example/e'), { minLength: 1, maxLength: 2 }), 'extensions'),
)

/** Values of every type, and extremes of each. */
const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(
    null,
    true,
    false,
    0,
    -1,
    1.5,
    2 ** 53,
    -(2 ** 31),
    1e308,
    '',
    ' ',
    '__proto__',
    'constructor',
    'toString',
    [],
    {},
    [[]],
    [null],
  ),
  fc.constantFrom('\u0000', '\ud800', '\r\n', '../..', 'x'.repeat(5_000), '\u202e', '{x}', '%00'),
  fc.jsonValue({ maxDepth: 6 }),
)

type Path = readonly (string | number)[]
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const inner = Array.isArray(value) ? value.map((one, at) => [at, one] as const) : Object.entries(value)
  return [...(path.length > 0 ? [path] : []), ...inner.flatMap(([name, one]) => pathsOf(one, [...path, name]))]
}

type Kind = 'drop' | 'retype' | 'twice' | 'rename' | 'add'
export interface Mutation {
  readonly kind: Kind
  /** Where, as a fraction of all places. */
  readonly at: number
  readonly value: unknown
}
export const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom<Kind>('drop', 'retype', 'twice', 'rename', 'add'),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  value: odd,
})

/** A copy with one thing changed. */
export function mutated(document: unknown, { kind, at, value }: Mutation): unknown {
  const copy = JSON.parse(JSON.stringify(document)) as Fields
  const paths = pathsOf(copy)
  const path = paths[Math.floor(at * paths.length)] ?? []
  const name = path.at(-1)
  if (name === undefined) return copy
  const owner = path.slice(0, -1).reduce<unknown>((inner, step) => (inner as Fields)[step], copy) as Fields
  if (kind === 'drop') {
    if (Array.isArray(owner)) owner.splice(Number(name), 1)
    else delete owner[name]
  } else if (kind === 'retype') owner[name] = value
  else if (kind === 'rename') {
    owner[`${name}X`] = owner[name]
    if (!Array.isArray(owner)) delete owner[name]
  } else if (kind === 'add') owner[String(Object.keys(owner).length)] = value
  else if (Array.isArray(owner)) owner.push(owner[Number(name)])
  else owner[name] = [owner[name], owner[name]]
  return copy
}

/** One thing that happens to bytes. */
export interface Damage {
  readonly kind: 'flip' | 'insert' | 'remove' | 'repeat' | 'cut' | 'swap'
  readonly at: number
  readonly length: number
  readonly bytes: Uint8Array
}
export const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom<Damage['kind']>('flip', 'insert', 'remove', 'repeat', 'cut', 'swap'),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  length: fc.integer({ min: 1, max: 12 }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 6 }),
    fc
      .constantFrom('\r\n', '\n', '\r\n\r\n', '\0', ' ', ':', '%', '\t', '0', ',', ';', '{', '"', '\x7f')
      .map((one) => Buffer.from(one)),
  ),
})

export function damaged(bytes: Buffer, { kind, at, length, bytes: own }: Damage): Buffer {
  const start = Math.floor(at * bytes.length)
  const end = Math.min(bytes.length, start + length)
  const [before, middle, after] = [bytes.subarray(0, start), bytes.subarray(start, end), bytes.subarray(end)]
  switch (kind) {
    case 'flip':
      return Buffer.concat([before, middle.map((byte) => byte ^ (own[0] || 1)), after])
    case 'insert':
      return Buffer.concat([before, own, middle, after])
    case 'remove':
      return Buffer.concat([before, after])
    case 'repeat':
      return Buffer.concat([before, middle, middle, middle, after])
    case 'cut':
      return before
    case 'swap':
      return Buffer.concat([before, after.subarray(0, length), middle, after.subarray(length)])
  }
}

/** Where the bytes are split, as fractions. */
export const splits = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 })
export function splitAt(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((one) => Math.floor(one * bytes.length)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}
