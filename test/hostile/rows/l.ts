/** L: gRPC below its messages. Frames, deadlines and floods are played on the listener's own tests. */
import { expect } from 'vitest'
import { type Row, refused } from '../rows.ts'
import { GRPC } from '../speech.ts'
import type { HostileWorld } from '../world.ts'

const SERVICES = ['lf.a2a.v1.A2AService', 'a2a.v1.A2AService'] as const
const frames = ['wire/bindings/grpc/refusals.test.ts']

/** These bytes as the message of an rpc of both versions. */
const sent = (bytes: Uint8Array, code: string, reason: string, rpc = 'SendMessage') =>
  async function play({ grpc, stored }: HostileWorld): Promise<void> {
    const before = await stored()
    for (const service of SERVICES) {
      const heard = await grpc(service, rpc, bytes)
      expect([service, heard.code, heard.reason], heard.text).toEqual([service, code, reason])
    }
    expect(await stored()).toEqual(before)
  }
const all =
  (...plays: ((world: HostileWorld) => Promise<void>)[]) =>
  async (world: HostileWorld) => {
    for (const play of plays) await play(world)
  }

export const L: readonly Row[] = [
  {
    id: 'L-01',
    what: 'bytes that are no message',
    scene: all(
      ...[Buffer.from('garbage'), Buffer.from([0x0a, 0xff]), Buffer.alloc(64, 0xff), Buffer.from([0x07])].map((bytes) =>
        sent(bytes, 'INVALID_ARGUMENT', 'INVALID_PARAMS'),
      ),
    ),
  },
  { id: 'L-02', what: 'lists in lists in lists', at: frames },
  {
    id: 'L-03',
    what: '4 MiB and a byte',
    scene: sent(Buffer.alloc(4 * 1_048_576 + 1), 'RESOURCE_EXHAUSTED', 'PAYLOAD_TOO_LARGE'),
  },
  {
    id: 'L-04',
    what: 'text that is not UTF-8',
    scene: all(
      sent(Buffer.from([0x0a, 2, 0xff, 0xfe]), 'INVALID_ARGUMENT', 'INVALID_PARAMS', 'GetTask'),
      sent(Buffer.from([0x0a, 2, 0xc3, 0x28]), 'INVALID_ARGUMENT', 'INVALID_PARAMS', 'CancelTask'),
    ),
  },
  {
    id: 'L-05',
    what: 'a method or service that is not there',
    scene: async ({ grpc }) => {
      for (const [service, rpc] of [
        ['lf.a2a.v1.A2AService', 'Frobnicate'],
        ['a2a.v1.A2AService', 'ListTasks'],
        ['some.other.Service', 'GetTask'],
        ['grpc.reflection.v1.ServerReflection', 'ServerReflectionInfo'],
      ] as const) {
        const { code, reason } = await grpc(service, rpc, Buffer.alloc(0))
        expect([rpc, code, reason]).toEqual([rpc, 'UNIMPLEMENTED', 'METHOD_NOT_FOUND'])
      }
    },
  },
  {
    id: 'L-06',
    what: 'metadata beyond 16 KiB',
    cases: [17_000, 60_000].map((length) =>
      refused(`${length}`, 'GetTask', { id: 't' }, 'PAYLOAD_TOO_LARGE', {
        on: GRPC,
        headers: { 'x-long': 'x'.repeat(length) },
      }),
    ),
  },
  { id: 'L-07', what: 'deadlines: a moment, none, ten years', at: frames },
  { id: 'L-08', what: 'a cancel after it was accepted', at: frames },
  { id: 'L-09', what: 'resets, floods, a window of a byte', at: frames },
  { id: 'L-10', what: 'no te, another encoding', at: frames },
  { id: 'L-11', what: 'two contents in one part', at: frames },
  { id: 'L-12', what: 'fields and numbers that nobody knows', at: frames },
]
