/** C: the JSON-RPC envelope; the same in both versions. */
import { expect } from 'vitest'
import { body, envelope, type Row, send } from '../rows.ts'
import { RPC } from '../speech.ts'

const call = (members: string): string => `{"jsonrpc":"2.0",${members}}`
const GET = '"method":"GetTask","params":{"id":"t"}'
const inherited = ['__proto__', 'toString', 'constructor', 'hasOwnProperty']

export const C: readonly Row[] = [
  { id: 'C-01', what: 'an empty array', cases: [envelope('[]', '[]', 'INVALID_REQUEST', 'null')] },
  {
    id: 'C-02',
    what: 'a batch: none of it is executed',
    cases: [
      envelope(
        'two sends',
        () => JSON.stringify([1, 2].map((id) => ({ jsonrpc: '2.0', id, method: 'SendMessage', params: send() }))),
        'INVALID_REQUEST',
        'null',
      ),
    ],
  },
  {
    id: 'C-03',
    what: 'no object',
    cases: ['null', '1', '"x"', 'true'].map((text) => envelope(text, text, 'INVALID_REQUEST', 'null')),
  },
  {
    id: 'C-04',
    what: 'another jsonrpc',
    cases: ['', '"jsonrpc":"1.0",', '"jsonrpc":2.0,', '"jsonrpc":"2.0 ",', '"jsonrpc":null,'].map((said) =>
      envelope(said || 'none', `{${said}"id":9,${GET}}`, 'INVALID_REQUEST', '9'),
    ),
  },
  {
    id: 'C-05',
    what: 'no id: not executed',
    cases: [
      body(
        'a send',
        () => JSON.stringify({ jsonrpc: '2.0', method: 'SendMessage', params: send() }),
        'INVALID_REQUEST',
        { on: ['JSON-RPC 1.0'], id: 'null' },
      ),
      // JSON-RPC's own mistakes come first: a call without an id is one of its requests, only A2A has no use for it.
      body('a method that is not there', call('"method":"message/ssend","params":{}'), 'METHOD_NOT_FOUND', {
        on: RPC,
        id: 'null',
      }),
      body('params that are wrong', call('"method":"message/send","params":{"":"x"}'), 'INVALID_PARAMS', {
        on: ['JSON-RPC 0.3'],
        id: 'null',
      }),
      body('a look', call(GET), 'INVALID_REQUEST', { on: ['JSON-RPC 1.0'], id: 'null' }),
    ],
  },
  { id: 'C-06', what: 'id null', cases: [envelope('null', call(`"id":null,${GET}`), 'INVALID_REQUEST', 'null')] },
  {
    id: 'C-07',
    what: 'an id that is none',
    cases: ['{}', '[]', 'true', '{"a":1}'].map((id) =>
      envelope(id, call(`"id":${id},${GET}`), 'INVALID_REQUEST', 'null'),
    ),
  },
  {
    id: 'C-08',
    what: 'ids that are numbers',
    cases: [
      envelope('1.5', call(`"id":1.5,${GET}`), 'INVALID_REQUEST', 'null'),
      ...['0', '-0', '1e308', '9007199254740993', '-7'].map((id) =>
        body(id, call(`"id" : ${id} ,${GET}`), 'TASK_NOT_FOUND', { on: ['JSON-RPC 1.0'], id }),
      ),
    ],
  },
  {
    id: 'C-09',
    what: 'an id of a megabyte',
    cases: [257, 1_000_000].map((length) =>
      envelope(`${length}`, () => call(`"id":"${'x'.repeat(length)}",${GET}`), 'INVALID_REQUEST', 'null'),
    ),
  },
  {
    id: 'C-10',
    what: 'an id with control characters is repeated escaped',
    cases: ['"a\\u0007\\nb"', '"\\u2028\\u0000"'].map((id) =>
      body(id, call(`"id":${id},${GET}`), 'TASK_NOT_FOUND', {
        on: ['JSON-RPC 1.0'],
        id: JSON.stringify(JSON.parse(id)),
      }),
    ),
  },
  {
    id: 'C-11',
    what: 'no method',
    cases: ['"x":1', '"method":1', '"method":""', '"method":null', '"method":["GetTask"]'].map((said) =>
      envelope(said, call(`"id":1,${said}`), 'INVALID_REQUEST', '1'),
    ),
  },
  {
    id: 'C-12',
    what: 'a method that is not there',
    cases: ['sendmessage', 'SendMessage ', 'rpc.x', 'tasks/', ...inherited].map((method) =>
      envelope(method, call(`"id":1,"method":${JSON.stringify(method)}`), 'METHOD_NOT_FOUND', '1'),
    ),
  },
  {
    id: 'C-13',
    what: 'a method of a megabyte',
    cases: [envelope('long', () => call(`"id":1,"method":"${'x'.repeat(1_000_000)}"`), 'METHOD_NOT_FOUND', '1')],
    scene: async ({ http }) => {
      const { text } = await http({
        path: '/agents/box',
        headers: { 'a2a-version': '1.0' },
        body: call(`"id":1,"method":"${'x'.repeat(1_000)}"`),
      })
      expect(text).not.toContain('x'.repeat(65))
    },
  },
  {
    id: 'C-14',
    what: 'params that are no object',
    cases: ['[]', '"x"', '5', 'true'].flatMap((params) =>
      ['GetTask', 'tasks/get'].map((method, at) =>
        body(`${method} ${params}`, call(`"id":1,"method":"${method}","params":${params}`), 'INVALID_PARAMS', {
          on: [RPC[at] as (typeof RPC)[number]],
          id: '1',
        }),
      ),
    ),
  },
  {
    id: 'C-15',
    what: 'no params',
    cases: [
      body('GetTask', call('"id":1,"method":"GetTask"'), 'INVALID_PARAMS', { on: ['JSON-RPC 1.0'], id: '1' }),
      body('tasks/get', call('"id":1,"method":"tasks/get"'), 'INVALID_PARAMS', { on: ['JSON-RPC 0.3'], id: '1' }),
      // Needs none: what is wrong is that the agent has no such card.
      body('GetExtendedAgentCard', call('"id":1,"method":"GetExtendedAgentCard"'), 'UNSUPPORTED_OPERATION', {
        agent: 'echo',
        on: ['JSON-RPC 1.0'],
      }),
    ],
  },
  {
    id: 'C-16',
    what: 'unknown members of params are ignored',
    cases: [
      body(
        'GetTask',
        ({ waiting }) => call(`"id":1,"method":"GetTask","params":{"id":"${waiting}","no":{"such":1}}`),
        undefined,
        {
          on: ['JSON-RPC 1.0'],
        },
      ),
      body(
        'tasks/get',
        ({ waiting }) => call(`"id":1,"method":"tasks/get","params":{"id":"${waiting}","no":[1]}`),
        undefined,
        {
          on: ['JSON-RPC 0.3'],
        },
      ),
    ],
  },
  {
    id: 'C-17',
    what: 'a result beside the method is ignored',
    cases: [
      body(
        'both',
        ({ waiting }) => call(`"id":1,"result":{"x":1},"error":null,"method":"GetTask","params":{"id":"${waiting}"}`),
        undefined,
        { on: ['JSON-RPC 1.0'] },
      ),
    ],
  },
  {
    id: 'C-18',
    what: 'a method of 0.3 under 1.0',
    cases: ['message/send', 'tasks/get'].map((method) =>
      body(method, call(`"id":1,"method":"${method}","params":{}`), 'METHOD_NOT_FOUND', { on: ['JSON-RPC 1.0'] }),
    ),
  },
  {
    id: 'C-19',
    what: 'a method of 1.0 under 0.3',
    cases: [
      body('said', call(`"id":1,${GET}`), 'VERSION_NOT_SUPPORTED', { on: ['JSON-RPC 0.3'], code: -32009 }),
      body(
        'not said: the method tells the version',
        ({ waiting }) => call(`"id":1,"method":"GetTask","params":{"id":"${waiting}"}`),
        undefined,
        {
          on: ['JSON-RPC 1.0'],
          headers: { 'a2a-version': '' },
        },
      ),
    ],
    differs:
      'the table says -32601; a client that says 0.3 and speaks 1.0 is told the version (-32009). One that says nothing is understood by the method’s name: its names are of 1.0 alone',
  },
  {
    id: 'C-20',
    what: 'one id for two requests at once',
    scene: async ({ say, fixtures }) => {
      const looks = await Promise.all(
        [fixtures.waiting, fixtures.waiting, 'none'].map((id) => say('JSON-RPC 1.0', 'GetTask', { id })),
      )
      expect(looks.map(({ code, result }) => code ?? (result as { id: string }).id)).toEqual([
        fixtures.waiting,
        fixtures.waiting,
        -32001,
      ])
    },
  },
]
