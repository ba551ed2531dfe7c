/** A2A 1.0 §10: service parameters and errors of gRPC. More of it, byte by byte, is in test/wire/bindings/grpc. */
import { expect, test } from 'vitest'
import { uuidv7 } from '../../../src/platform/ids.ts'
import { aMessage } from '../../support/world.ts'
import { ask, text } from '../../wire/bindings/grpc/world.ts'
import { section } from './section.ts'

section('10 gRPC', (at) => {
  test('10.2 service parameters are metadata, in lower case', async () => {
    const speaker = at().speaker()
    const refusal = await speaker.refused('gRPC', 'ListTasks', {}, { 'a2a-version': '9.9' })
    expect([refusal.reason, refusal.code]).toEqual(['VERSION_NOT_SUPPORTED', 'FAILED_PRECONDITION'])
    expect((await speaker.ask('gRPC', 'ListTasks', {})).kind).toBe('result')
  })

  test('10.6 an error is a google.rpc.Status with an ErrorInfo in its trailers', async () => {
    const { world } = at()
    // GetTaskRequest: tenant 1, id 2.
    const field = (number: number, value: string) =>
      Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), Buffer.from(value)])
    const metadata = { authorization: `Bearer ${world.gateway.adminKey}`, 'a2a-version': '1.0' }
    const request = Buffer.concat([field(1, 'echo'), field(2, uuidv7())])
    const { code, details } = await ask(world.address, 'GetTask', request, { metadata })
    expect([code, text(details.ErrorInfo, 1), text(details.ErrorInfo, 2)]).toEqual([
      'NOT_FOUND',
      'TASK_NOT_FOUND',
      'a2a-protocol.org',
    ])
  })

  test("the tenant of the card's interface is the agent", async () => {
    const { world } = at()
    const headers = { 'a2a-version': '1.0' }
    const response = await fetch(`${world.gateway.url}/agents/open/.well-known/agent-card.json`, { headers })
    const { supportedInterfaces } = (await response.json()) as {
      supportedInterfaces: { protocolBinding: string; tenant?: string }[]
    }
    expect(supportedInterfaces.find(({ protocolBinding }) => protocolBinding === 'GRPC')?.tenant).toBe('open')
    const { task } = await at()
      .stranger('open')
      .must('gRPC', 'SendMessage', { message: aMessage('complete') })
    expect(task.status.state).toBe('TASK_STATE_COMPLETED')
    expect((await at().speaker('nobody-here').refused('gRPC', 'ListTasks', {})).reason).toBe('AGENT_NOT_FOUND')
  })
})
