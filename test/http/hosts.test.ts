import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { createHostCheck, isLoopbackBind } from '../../src/http/hosts.ts'

const asked = (host: string, { local = '10.1.2.3', remote = '10.9.9.9', url = '/' } = {}) =>
  ({
    rawHeaders: ['Host', host],
    url,
    socket: { localAddress: local, remoteAddress: remote },
  }) as unknown as IncomingMessage
const check = (bind: string, publicUrl = 'https://gw.test') => createHostCheck({ publicUrl: () => publicUrl, bind })

test('on a wildcard bind: the public host, its agents, and the very address that was dialled', () => {
  const refusal = check('0.0.0.0')
  for (const host of ['gw.test', 'GW.test:443', 'echo.gw.test', '10.1.2.3:4280'])
    expect(refusal(asked(host)), host).toBeUndefined()
  for (const host of ['evil.test', 'gw.test.evil.test', 'evilgw.test', 'localhost', '127.0.0.1', '10.1.2.4'])
    expect(refusal(asked(host))?.status, host).toBe(421)
})

test('the machine itself may say localhost, also inside a container', () => {
  expect(
    check('0.0.0.0')(asked('localhost:4280', { local: '::ffff:127.0.0.1', remote: '::ffff:127.0.0.1' })),
  ).toBeUndefined()
  expect(check('::')(asked('[::1]:4280', { local: '::1', remote: '::1' }))).toBeUndefined()
})

test('on one address: that address', () => {
  expect(check('192.0.2.10')(asked('192.0.2.10:4280'))).toBeUndefined()
  expect(check('192.0.2.10')(asked('localhost'))?.status).toBe(421)
})

test('what is a loopback bind', () => {
  for (const bind of ['127.0.0.1', '127.8.8.8', '::1', 'localhost']) expect(isLoopbackBind(bind)).toBe(true)
  for (const bind of ['0.0.0.0', '::', '10.0.0.1', 'gw.test']) expect(isLoopbackBind(bind)).toBe(false)
})
