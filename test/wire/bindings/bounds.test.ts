/** The bounds by themselves, as a binding uses them that has no body to scan. */
import { describe, expect, test } from 'vitest'
import { A2AError } from '../../../src/a2a/errors.ts'
import { LIMITS } from '../../../src/limits.ts'
import { checkParams } from '../../../src/wire/bindings/bounds.ts'
import { parseBody, scanJson } from '../../../src/wire/bindings/scan.ts'

const fieldsOf = (run: () => void): (string | undefined)[] => {
  try {
    run()
  } catch (error) {
    if (error instanceof A2AError) return error.detail.violations?.map(({ field }) => field) ?? [error.reason]
    throw error
  }
  return []
}
const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
const send = (part: object, more: object = {}) =>
  fieldsOf(() => {
    const message = { messageId: 'm', role: 'ROLE_USER' as const, parts: [{ text: 'x' }, part] as never, ...more }
    checkParams('SendMessage', { message }, LIMITS)
  })

describe('without knowing the weight everything is measured', () => {
  test.each<[object, string[]]>([
    [{ text: 'fine', metadata: { a: [1] } }, []],
    [{ text: 'x'.repeat(LIMITS.textPartBytesMax) }, []],
    [{ text: 'é'.repeat(LIMITS.textPartBytesMax / 2 + 1) }, ['message.parts[1].text']],
    [{ data: nested(LIMITS.dataDepthMax) }, []],
    [{ data: nested(LIMITS.dataDepthMax + 1) }, ['message.parts[1].data']],
    [{ text: 'a\u0000' }, ['message.parts[1].text']],
    [{ text: '\udc00' }, ['message.parts[1].text']],
    [{ data: { 'k\u0000': 1 } }, ['message.parts[1].data']],
    [{ data: [Number.POSITIVE_INFINITY] }, ['message.parts[1].data[0]']],
    [{ text: 'x', metadata: { a: 'x'.repeat(LIMITS.metadataBytesMax) } }, ['message.parts[1].metadata']],
  ])('%# %.60j', (part, fields) => expect(send(part)).toEqual(fields))

  test('no more than twenty are told', () => {
    const parts = Array(100).fill({ url: 'javascript:x' })
    expect(send({ text: '' }, { parts })).toHaveLength(LIMITS.violationsMax)
  })
  test('a hostile depth costs no stack', () => {
    let data: unknown = 1
    for (let at = 0; at < 200_000; at++) data = [data]
    expect(send({ data })).toContain('message.parts[1].data')
  })
  test('a task id that no task can have is an unknown task', () =>
    expect(fieldsOf(() => checkParams('GetTask', { id: 'a/b' }, LIMITS))).toEqual(['TASK_NOT_FOUND']))
})

describe('the scan', () => {
  const scan = (text: string) => scanJson(Buffer.from(text))
  test.each<[string, object]>([
    ['{"a":[1,{"b":2}]}', { depth: 3, suspicious: false }],
    ['"[[["', { depth: 0, nodes: 0 }],
    ['{"a":"}]\\"[","b":1}', { depth: 1, nodes: 2 }],
    ['{"a":"\\u0041"}', { suspicious: true }],
    ['{"a":"\\\\u0041"}', { suspicious: false }],
    ['{"a":true,"b":false,"c":null,"d":-1.5}', { suspicious: false }],
    ['{"a":1e9}', { suspicious: true }],
    ['{"x":{"id":1},"id":  12 ,"y":3}', { idText: '12' }],
    ['{"id":"a,b}"}', { idText: '"a,b}"' }],
    ['{"a":"id","b":1}', {}],
    ['{"a":{"a":1},"b":[{"a":1},"b","b"]}', {}],
    ['{"a":1,"b":2,"a":3}', { duplicate: 'a' }],
    [`{"a":"${'}[,'.repeat(50)}","b":1}`, { depth: 1, nodes: 2 }],
    [`{"a":"${'}[,'.repeat(50)}\\"]","b":1}`, { depth: 1, nodes: 2 }],
    [`{"a":"${'x'.repeat(100)}`, { depth: 1, nodes: 1 }],
  ])('%s', (text, facts) => {
    const found = scan(text)
    expect(found).toMatchObject(facts)
    expect('duplicate' in found).toBe('duplicate' in facts)
    expect(found.idText).toBe((facts as { idText?: string }).idText)
  })
  test('bytes that are no UTF-8 are no JSON', () => {
    expect(() => parseBody(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), LIMITS)).toThrow('not UTF-8')
  })
})
