/** D: the message and its parts, on every binding that can say it. */
import { expect } from 'vitest'
import { taskIn } from '../play.ts'
import {
  bad,
  body,
  type Case,
  configured,
  nested,
  nestedInObject,
  ofMessage,
  ofPart,
  type Row,
  refused,
  send,
  served,
} from '../rows.ts'
import { JSONS, JSONS1, type Surface, V1 } from '../speech.ts'
import { naughty } from '../vectors/naughty.ts'

const op = 'SendMessage'
const json = { on: JSONS }
const json1 = { on: JSONS1 }
/** What 0.3 has a place for only where it is JSON. */
const notOldProto = { on: [...V1, 'JSON-RPC 0.3', 'HTTP+JSON 0.3'] as readonly Surface[] }
const manyKeys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, 1]))
const kept = (what: string, part: Record<string, unknown>, more = {}) =>
  served(what, op, ofPart(part), { kept: [part], ...more })

const snake = () => ({
  message: {
    message_id: `snake-${Math.random()}`,
    role: 'ROLE_USER',
    parts: [{ text: 'x', media_type: 'text/plain' }],
  },
  configuration: { return_immediately: true },
})

const message: readonly Row[] = [
  {
    id: 'D-01',
    what: 'no message',
    cases: [
      bad('none', op, {}),
      bad('null', op, { message: null }),
      bad('an array', op, { message: [] }, json),
      bad('a text', op, { message: 'x' }, json),
    ],
  },
  {
    id: 'D-02',
    what: 'a messageId that is none',
    cases: [
      bad('none', op, ofMessage({ messageId: undefined })),
      bad('empty', op, ofMessage({ messageId: '' })),
      bad('a number', op, ofMessage({ messageId: 5 }), json),
      bad('257 characters', op, ofMessage({ messageId: 'x'.repeat(257) })),
      bad('a line end', op, ofMessage({ messageId: 'a\nb' })),
    ],
  },
  {
    id: 'D-03',
    what: 'a role that may not speak',
    cases: [
      bad('none', op, ofMessage({ role: undefined })),
      bad('the agent', op, ofMessage({ role: 'ROLE_AGENT' })),
      bad('unspecified', op, ofMessage({ role: 'ROLE_UNSPECIFIED' })),
      bad('of 0.3', op, ofMessage({ role: 'user' }), json1),
      served('the number of ROLE_USER', op, ofMessage({ role: 1 }), { on: V1 }),
      bad('another number', op, ofMessage({ role: 7 }), { on: V1 }),
    ],
  },
  {
    id: 'D-04',
    what: 'no parts',
    cases: [
      bad('none', op, ofMessage({ parts: undefined })),
      bad('empty', op, ofMessage({ parts: [] })),
      bad('an object', op, ofMessage({ parts: {} }), json),
    ],
  },
  {
    id: 'D-05',
    what: 'too many parts',
    cases: [
      bad('257', op, ofMessage({ parts: Array(257).fill({ text: 'x' }) })),
      bad('20,000 bad ones', op, ofMessage({ parts: Array(20_000).fill({}) })),
      refused('100,000 bad ones', op, ofMessage({ parts: Array(100_000).fill({}) }), 'PAYLOAD_TOO_LARGE', json),
    ],
  },
  {
    id: 'D-06',
    what: 'a part without content',
    cases: [bad('a name', op, ofPart({ filename: 'x' })), bad('nothing', op, ofPart({}))],
  },
  {
    id: 'D-07',
    what: 'a part with two contents',
    cases: [
      bad('text and url', op, ofPart({ text: 'x', url: 'https://x.example' }), json1),
      bad('raw and data', op, ofPart({ raw: 'AAAA', data: 1 }), json1),
    ],
  },
  {
    id: 'D-08',
    what: 'a text that is none',
    cases: [bad('a number', op, ofPart({ text: 5 }), json), bad('null', op, ofPart({ text: null }), json)],
  },
  { id: 'D-09', what: 'an empty text is a text', cases: [kept('empty', { text: '' })] },
  {
    id: 'D-10',
    what: 'a text of more than 1 MiB',
    cases: [bad('a byte more', op, ofPart({ text: 'x'.repeat(1_048_577) }))],
  },
  {
    id: 'D-11',
    what: 'bytes in base64',
    cases: [
      bad('garbage', op, ofPart({ raw: '!!!' }), json),
      bad('one character', op, ofPart({ raw: 'A' }), json),
      served('URL-safe', op, ofPart({ raw: '-_-_' }), { kept: [{ raw: '+/+/' }] }),
      served('without padding', op, ofPart({ raw: '-_8' }), { kept: [{ raw: '+/8=' }] }),
    ],
  },
  {
    id: 'D-12',
    what: 'bytes beyond the limit',
    cases: [refused('4 MiB', op, ofPart({ raw: 'A'.repeat(5_592_408) }), 'PAYLOAD_TOO_LARGE')],
  },
  {
    id: 'D-13',
    what: 'a URL that is more than a name',
    cases: [
      'javascript:alert(1)',
      'JavaScript:alert(1)',
      'file:///etc/passwd',
      'data:text/plain,x',
      'vbscript:x',
      '/relative',
      'https://u:p@h.example/',
      `https://h.example/${'x'.repeat(8_192)}`,
      'https://h.example/\r\nX: y',
    ].map((url) => bad(url.slice(0, 40), op, ofPart({ url }))),
  },
  {
    id: 'D-14',
    what: 'a URL to a private address is kept and never fetched',
    cases: [
      kept('metadata', { url: 'http://169.254.169.254/latest' }),
      kept('loopback', { url: 'http://127.0.0.1:1/' }),
    ],
  },
  {
    id: 'D-15',
    what: 'null is data',
    cases: [kept('null', { data: null }, { on: V1 }), kept('false', { data: false }, { on: V1 })],
  },
  {
    id: 'D-16',
    what: 'data nested too deep',
    cases: [
      ...[25, 49, 50].map((depth) => bad(`${depth} lists`, op, ofPart({ data: nested(depth) }), json1)),
      bad('25 lists', op, ofPart({ data: nested(25) }), { on: ['gRPC 1.0'] }),
      bad('25 objects', op, ofPart({ data: nestedInObject(25) })),
      kept('24 objects', { data: nestedInObject(24) }, notOldProto),
    ],
  },
]

const types = ['image/*', 'text/html;', 'text/html\r\nX: y', `text/${'x'.repeat(300)}`, 'text', 'a/b/c', ' a/b']
const shape: readonly Row[] = [
  {
    id: 'D-17',
    what: 'a media type that is none',
    cases: types.flatMap((mediaType): Case[] => [
      bad(mediaType.slice(0, 20), op, ofPart({ text: 'x', mediaType }), { on: V1 }),
      bad(`${mediaType.slice(0, 20)} of a file`, op, ofPart({ raw: 'AAAA', mediaType })),
    ]),
  },
  {
    id: 'D-18',
    what: 'a media type that the agent does not take',
    cases: [
      refused('a model', op, ofPart({ raw: 'AAAA', mediaType: 'model/obj' }), 'CONTENT_TYPE_NOT_SUPPORTED', {
        agent: 'texts',
      }),
      served('text', op, ofPart({ text: 'x' }), { agent: 'texts' }),
    ],
  },
  {
    id: 'D-19',
    what: 'file names',
    cases: [
      bad('a control character', op, ofPart({ raw: 'AAAA', filename: 'a\u0001b' })),
      bad('a line end', op, ofPart({ raw: 'AAAA', filename: 'a\nb' })),
      bad('a kilobyte', op, ofPart({ raw: 'AAAA', filename: 'x'.repeat(1_025) })),
      kept('a path', { raw: 'AAAA', filename: '../../etc/passwd' }),
      kept('a bidirectional override', { raw: 'AAAA', filename: 'gpj.\u202eexe' }),
    ],
  },
  {
    id: 'D-20',
    what: 'metadata beyond bounds',
    cases: [
      bad('an array', op, () => send({}, { metadata: [] }), json),
      bad('65 KiB', op, () => send({}, { metadata: { k: 'x'.repeat(66_560) } })),
      bad('65 KiB of the message', op, ofMessage({ metadata: { k: 'x'.repeat(66_560) } })),
      bad('a key of 1 KB', op, ofMessage({ metadata: { ['k'.repeat(1_024)]: 1 } })),
      bad('10,000 keys', op, ofMessage({ metadata: manyKeys(10_000) })),
      bad('too deep', op, ofMessage({ metadata: { k: nestedInObject(24) } })),
    ],
  },
  {
    id: 'D-21',
    what: 'extensions that are no URIs, or too many',
    cases: [
      bad('words', op, ofMessage({ extensions: ['not a uri'] })),
      bad('33', op, ofMessage({ extensions: Array(33).fill('urn:x') })),
      bad('a number', op, ofMessage({ extensions: [1] }), json),
    ],
  },
  {
    id: 'D-22',
    what: 'an extension that the agent requires and nobody asked for',
    cases: [
      refused('send', op, () => send(), 'EXTENSION_SUPPORT_REQUIRED', { agent: 'strict' }),
      refused('stream', 'SendStreamingMessage', () => send(), 'EXTENSION_SUPPORT_REQUIRED', { agent: 'strict' }),
      served('asked for', op, () => send(), { agent: 'strict', headers: { 'a2a-extensions': 'urn:x-needed' } }),
    ],
  },
  {
    id: 'D-23',
    what: 'an unknown extension is ignored',
    cases: [served('unknown', op, () => send(), { headers: { 'a2a-extensions': 'urn:x-unheard-of' } })],
  },
  {
    id: 'D-24',
    what: 'references to other tasks',
    cases: [
      bad('65', op, ofMessage({ referenceTaskIds: Array(65).fill('t') }), notOldProto),
      served('of somebody else', op, ({ foreign }) => send({ referenceTaskIds: [foreign] }), notOldProto),
      served('of nobody', op, ofMessage({ referenceTaskIds: ['none'] }), notOldProto),
    ],
  },
  {
    id: 'D-25',
    what: 'names in snake_case are read, as ProtoJSON asks',
    cases: [body('HTTP+JSON', () => JSON.stringify(snake()), undefined, { on: ['HTTP+JSON 1.0'] })].concat(
      body('JSON-RPC', () => JSON.stringify({ jsonrpc: '2.0', id: 1, method: op, params: snake() }), undefined, {
        on: ['JSON-RPC 1.0'],
      }),
    ),
  },
  {
    id: 'D-26',
    what: 'the kind of 0.3 is ignored',
    cases: [
      served('message and part', op, () => send({ kind: 'message', parts: [{ kind: 'file', text: 'x' }] }), {
        ...json1,
        kept: [{ text: 'x' }],
      }),
    ],
  },
]

const configuration: readonly Row[] = [
  {
    id: 'D-27',
    what: 'a historyLength that is none',
    cases: [
      bad('-1', op, configured({ historyLength: -1 })),
      bad('1.5', op, configured({ historyLength: 1.5 }), json),
      bad('"5"', op, configured({ historyLength: '5' }), json),
      bad('2^31', op, configured({ historyLength: 2 ** 31 }), json),
    ],
  },
  {
    id: 'D-28',
    what: 'output modes beyond bounds',
    cases: [
      bad('33', op, configured({ acceptedOutputModes: Array(33).fill('a/b') })),
      bad('a number', op, configured({ acceptedOutputModes: [1] }), json),
    ],
  },
  {
    id: 'D-29',
    what: 'a returnImmediately that is neither',
    cases: [
      bad('"true"', op, configured({ returnImmediately: 'true' }), json),
      bad('1', op, configured({ returnImmediately: 1 }), json),
    ],
  },
  {
    id: 'D-30',
    what: 'a push configuration of another task in a message',
    cases: [
      bad('taskId', op, configured({ taskPushNotificationConfig: { taskId: 't', url: 'https://h.example' } }), {
        on: V1,
      }),
    ],
  },
  {
    id: 'D-31',
    what: 'two hundred mistakes get twenty lines',
    cases: [
      bad(
        '200 parts',
        op,
        () => send({ parts: Array.from({ length: 200 }, () => ({ ['x'.repeat(4_000)]: 1, text: 5 })) }),
        json,
      ),
    ],
    scene: async ({ say }) => {
      const parts = Array.from({ length: 200 }, () => ({ [`<b>${'x'.repeat(4_000)}`]: 1, text: 5 }))
      for (const surface of JSONS) {
        const { text } = await say(surface, op, send({ parts }))
        // 0.3 tells them twice over HTTP+JSON: its clients read the members of a JSON-RPC error.
        const told = (text.match(/"description"/g)?.length ?? 0) / (surface === 'HTTP+JSON 0.3' ? 2 : 1)
        expect(told, surface).toBe(20)
        expect(text.length).toBeLessThan(8_192)
      }
    },
  },
  {
    id: 'D-32',
    what: 'texts that other programs fall over are kept as they are',
    cases: naughty.map((text) => kept(JSON.stringify(text).slice(0, 40), { text })),
  },
  {
    id: 'D-40',
    what: 'texts that show other than they are, as content',
    cases: [
      'abc\u202edef\u202c',
      'a\u200b\u200d\ufeffb',
      '\u{e0041}\u{e0042}\u{e007f}',
      `a${'\u0301'.repeat(1_000)}`,
      'שלום \u05d0\u05d1',
      '\u0000'.replace('\u0000', '\u0001\u009f'),
    ].map((text) => kept(JSON.stringify(text).slice(0, 30), { text })),
  },
  {
    id: 'D-41',
    what: 'texts that look alike are two ids',
    scene: async ({ say }) => {
      const ids = ['caf\u00e9', 'cafe\u0301', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', '\u{1f468}\u{1f469}\u{1f467}']
      const tag = `${Date.now()}-${Math.random()}`
      for (const surface of V1) {
        const tasks = await Promise.all(
          ids.map(async (id) => {
            const { text, status, code } = await say(surface, op, send({ messageId: `${surface} ${tag} ${id}` }))
            expect([status, code], text).toEqual([200, undefined])
            return taskIn(text)
          }),
        )
        expect(new Set(tasks).size, surface).toBe(ids.length)
      }
    },
  },
]

export const D: readonly Row[] = [...message, ...shape, ...configuration]
