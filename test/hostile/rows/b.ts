/** B: content type and JSON text. */
import { expect } from 'vitest'
import { goodBody, taskIn } from '../play.ts'
import { type Body, body, type Row } from '../rows.ts'
import { type Fields, JSONS, REST, RPC, type Surface, versionOf } from '../speech.ts'
import { bodyOf, suite } from '../vectors/jsonSuite.ts'
import type { HostileWorld } from '../world.ts'

const MiB = 1_048_576
const LIMIT = 4 * MiB
const PATHS: { readonly [S in Surface]?: string } = {
  'JSON-RPC 1.0': '/agents/box',
  'JSON-RPC 0.3': '/agents/box',
  'HTTP+JSON 1.0': '/agents/box/message:send',
  'HTTP+JSON 0.3': '/agents/box/v1/message:send',
}

const ofSuite = (prefix: string) => suite.filter(([name]) => name.startsWith(prefix))

const NOT_JSON = ['{', '{"a":1,}', "{'a':1}", '{} x', '{}{}', '\u00a0{}']
const bytes = (...values: number[]) => Buffer.from(values)
const NO_UTF8: readonly (readonly [string, Buffer])[] = [
  ['UTF-16', Buffer.from('{"a":1}', 'utf16le')],
  ['latin-1', bytes(0x22, 0xe4, 0x22)],
  ['overlong', bytes(0x22, 0xc0, 0xaf, 0x22)],
  ['a lone continuation byte', bytes(0x22, 0x80, 0x22)],
  ['a surrogate as bytes', bytes(0x22, 0xed, 0xa0, 0x80, 0x22)],
  ['beyond Unicode', bytes(0x22, 0xf5, 0x80, 0x80, 0x80, 0x22)],
]

const goodOf = (surface: Surface): string => goodBody(PATHS[surface] as string, versionOf(surface))

/** A message with this part as text, in each surface's envelope. */
const withPart = (part: string, surface: Surface): string => {
  const good = JSON.parse(goodOf(surface)) as Fields
  const message = ((good.params ?? good) as { message: { parts: unknown[] } }).message
  message.parts = ['PART']
  return JSON.stringify(good).replace('"PART"', part)
}
const withParts = (what: string, part: string, reason: Body['reason']): readonly Body[] =>
  JSONS.map((surface) => body(what, () => withPart(part, surface), reason, { on: [surface] }))

const padded = (surface: Surface, length: number): string => {
  const good = goodOf(surface)
  return good + ' '.repeat(length - Buffer.byteLength(good))
}
/** Which answer a deep document gets is the same on both: it is refused before it is a request of either. */
const deep = (depth: number): readonly Body[] => [
  body(`${depth} levels`, () => `{"jsonrpc":"2.0","x":${'['.repeat(depth)}${']'.repeat(depth)}}`, 'INVALID_REQUEST'),
]

async function keeps({ say, http }: HostileWorld, surface: Surface, data: string): Promise<string> {
  const part = surface.endsWith('0.3') ? `{"kind":"data","data":${data}}` : `{"data":${data}}`
  const sent = await http({
    path: PATHS[surface] as string,
    headers: { 'a2a-version': surface.slice(-3) },
    body: withPart(part, surface),
  })
  expect(sent.status, sent.text).toBe(200)
  const { text } = await say('JSON-RPC 1.0', 'GetTask', { id: taskIn(sent.text.replace(/"messageId":"[^"]*"/g, '')) })
  return text
}

const TYPE_NUMBER =
  'JSON-RPC says it with -32005 (A2A §5.4, which the conformance kit looks for) under HTTP 415, the table with -32000'

export const B: readonly Row[] = [
  { id: 'B-01', what: 'no Content-Type', cases: unsupported(''), differs: TYPE_NUMBER },
  {
    id: 'B-02',
    what: 'types that are not JSON',
    cases: ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'].flatMap(unsupported),
    differs: TYPE_NUMBER,
  },
  {
    id: 'B-03',
    what: 'another charset',
    cases: ['application/json; charset=latin1', 'application/json; charset=utf-16'].flatMap(unsupported),
    differs: TYPE_NUMBER,
  },
  {
    id: 'B-04',
    what: 'either JSON type at either binding',
    cases: JSONS.flatMap((surface) =>
      ['application/json', 'application/a2a+json', 'application/json; charset="UTF-8"', 'APPLICATION/JSON'].map(
        (type): Body => ({
          ...body(type, () => goodOf(surface), undefined, { on: [surface] }),
          type,
        }),
      ),
    ),
  },
  { id: 'B-05', what: 'an empty body', cases: [body('empty', '', 'JSON_PARSE')] },
  { id: 'B-06', what: 'white space only', cases: [body('spaces', ' \r\n\t ', 'JSON_PARSE')] },
  { id: 'B-07', what: 'not JSON', cases: NOT_JSON.map((text) => body(text, text, 'JSON_PARSE')) },
  { id: 'B-08', what: 'a byte order mark', cases: [body('BOM', '\ufeff{}', 'JSON_PARSE')] },
  { id: 'B-09', what: 'not UTF-8', cases: NO_UTF8.map(([what, text]) => body(what, text, 'JSON_PARSE')) },
  {
    id: 'B-10',
    what: 'what every JSON parser must refuse',
    cases: ofSuite('n_').map(([name, text]) => body(name, () => bodyOf(text), 'JSON_PARSE')),
  },
  {
    id: 'B-11',
    what: 'what every JSON parser must take; what it may take gets a definite answer',
    scene: async (world) => {
      for (const surface of JSONS)
        for (const [name, text] of [...ofSuite('y_'), ...ofSuite('i_')]) {
          const headers = { 'a2a-version': versionOf(surface) }
          const path = PATHS[surface] as string
          const { status, reason } = await world.http({ path, headers, body: bodyOf(text) })
          const allowed = name.startsWith('y_') ? /^INVALID/ : /^(INVALID|JSON_PARSE)/
          expect([surface, name, status < 500, reason]).toEqual([surface, name, true, expect.stringMatching(allowed)])
        }
    },
  },
  {
    id: 'B-12',
    what: 'numbers and comments that JSON does not have',
    cases: ['NaN', 'Infinity', '-Infinity', '0x10', '1e', '.5', '1.', '01', '+1', '{}// x', '/* x */{}'].map((text) =>
      body(text, text.startsWith('{') || text.startsWith('/') ? text : `{"a":${text}}`, 'JSON_PARSE'),
    ),
  },
  { id: 'B-13', what: 'too deep', cases: [64, 1_000, 100_000, 1_000_000].flatMap(deep) },
  {
    id: 'B-14',
    what: 'too many values, before they are built',
    cases: [
      body('100,001 objects', () => `[${'{},'.repeat(100_001)}{}]`, 'PAYLOAD_TOO_LARGE'),
      body('100,001 numbers', () => `{"a":[${'1,'.repeat(100_001)}1]}`, 'PAYLOAD_TOO_LARGE'),
      body('50 MB of objects', () => `[${'{},'.repeat(17_000_000)}{}]`, 'PAYLOAD_TOO_LARGE'),
    ],
  },
  {
    id: 'B-15',
    what: 'a member of the envelope twice',
    cases: [
      body('method', '{"jsonrpc":"2.0","id":1,"method":"GetTask","method":"SendMessage"}', 'INVALID_REQUEST'),
      body('method, escaped', '{"jsonrpc":"2.0","id":1,"method":"a","m\\u0065thod":"b"}', 'INVALID_REQUEST'),
      body('message', '{"message":{},"message":{}}', 'INVALID_REQUEST'),
    ],
  },
  {
    id: 'B-16',
    what: 'of a member twice inside data the last counts',
    scene: async (world) => {
      for (const surface of JSONS) expect(await keeps(world, surface, '{"a":1,"a":2}')).toContain('"data":{"a":2}')
    },
  },
  {
    id: 'B-17',
    what: 'names that mean something to JavaScript are data',
    scene: async (world) => {
      const data = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"prototype":3}'
      for (const surface of JSONS) expect(await keeps(world, surface, data)).toContain(`"data":${data}`)
      expect(({} as { polluted?: number }).polluted).toBeUndefined()
      const envelope = JSON.stringify(JSON.parse(goodBody('/agents/box'))).replace('{', '{"__proto__":{"method":"x"},')
      expect(
        (await world.http({ path: '/agents/box', body: envelope, headers: { 'a2a-version': '1.0' } })).status,
      ).toBe(200)
    },
  },
  {
    id: 'B-18',
    what: '4 MiB and a byte',
    cases: JSONS.map((surface) =>
      body('one more', () => padded(surface, LIMIT + 1), 'PAYLOAD_TOO_LARGE', { on: [surface] }),
    ),
  },
  {
    id: 'B-19',
    what: 'exactly 4 MiB',
    cases: JSONS.map((surface) => body('all of it', () => padded(surface, LIMIT), undefined, { on: [surface] })),
  },
  {
    id: 'B-20',
    what: 'lone surrogates',
    cases: ['\\ud800', '\\udc00\\ud800', 'a\\udfffb'].flatMap((text) =>
      withParts(text, `{"kind":"text","text":"${text}"}`, 'INVALID_PARAMS'),
    ),
  },
  {
    id: 'B-21',
    what: 'NUL',
    cases: [
      ...withParts('in a text', '{"kind":"text","text":"a\\u0000b"}', 'INVALID_PARAMS'),
      ...withParts('in a key', '{"kind":"text","text":"a","metadata":{"\\u0000":1}}', 'INVALID_PARAMS'),
      ...withParts('in data', '{"kind":"data","data":{"a":["\\u0000"]}}', 'INVALID_PARAMS'),
    ],
  },
  {
    id: 'B-22',
    what: 'numbers too large for a double',
    cases: [
      ...withParts('1e400', '{"kind":"text","text":"a","metadata":{"n":1e400}}', 'INVALID_PARAMS'),
      ...withParts('401 digits', `{"kind":"data","data":{"n":-1${'0'.repeat(400)}}}`, 'INVALID_PARAMS'),
      ...withParts('2^63 is the nearest double', '{"kind":"data","data":{"n":9223372036854775807}}', undefined),
    ],
  },
]

/** JSON-RPC has A2A's own number for it, under HTTP's status; HTTP+JSON has HTTP's. */
function unsupported(type: string): readonly Body[] {
  return [
    { ...body(type || 'none', '{}', 'UNSUPPORTED_MEDIA_TYPE', { on: REST }), type },
    { ...body(type || 'none', '{}', 'CONTENT_TYPE_NOT_SUPPORTED', { on: RPC, status: 415 }), type },
  ]
}
