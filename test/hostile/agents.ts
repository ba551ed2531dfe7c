/** What agents answer, generated and damaged: whatever it is, there is a verdict, and what is taken from it is sound. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AgentTarget } from '../../src/ports.ts'
import { ALL_VERSIONS, LATEST } from '../../src/wire/versions/table.ts'
import { aSend, aWorld, listen, type World } from '../wire/bindings/peers.ts'
import { entry } from '../wire/bindings/served.ts'
import { event, plain } from '../wire/versions/arbitraries.ts'
import type { FuzzOptions } from './fuzz.ts'
import { damage, damaged, mutated, mutation } from './mutants.ts'
import { count } from './tally.ts'

type Way = 'JSONRPC' | 'HTTP+JSON'

/** A stream of these events, the last perhaps missing; or the first of them as a plain answer. */
function answerOf(version: string, way: Way, streams: boolean, events: readonly unknown[]): Buffer {
  const codec = ALL_VERSIONS.find((one) => one.version === version) ?? LATEST
  const lines = events.map((one) => {
    const json = codec.encodeEvent(entry(1, one as never), way, false)
    return way === 'JSONRPC' ? `{"jsonrpc":"2.0","id":"1","result":${json}}` : json
  })
  return Buffer.from(streams ? lines.map((line) => `data: ${line}\n\n`).join('') : (lines[0] ?? ''))
}

export function agentSuite({ runs, seed }: FuzzOptions): void {
  describe('what agents answer', () => {
    let world: World
    let body: Buffer = Buffer.alloc(0)
    let type = ''
    let asked = 0
    // What is asked after the first answer is not found.
    const server = createServer((request, response) => {
      asked += 1
      request.resume().on('end', () => {
        if (asked === 1) return void response.writeHead(200, { 'content-type': type }).end(body)
        const error = { code: -32001, message: 'gone', data: [] }
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ jsonrpc: '2.0', id: '1', error }))
      })
    })
    beforeAll(async () => {
      world = aWorld()
      await once(server.listen(0, '127.0.0.1'), 'listening')
    })
    afterAll(async () => {
      await world.egress.close()
      server.closeAllConnections()
      server.close()
    })

    function target(version: string, way: Way, streaming: boolean): AgentTarget {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      const card = {
        ...{ name: 'a', description: 'a', version: '1', defaultInputModes: [], defaultOutputModes: [], skills: [] },
        capabilities: { streaming },
        supportedInterfaces: [{ url, protocolBinding: way, protocolVersion: version }],
      }
      return { tenant: 't', name: 'agent', url, headers: {}, card }
    }

    test('events with mistakes, bytes that were damaged', { timeout: 30_000 + runs * 500 }, () =>
      fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...ALL_VERSIONS.map(({ version }) => version)),
          fc.constantFrom<Way>('JSONRPC', 'HTTP+JSON'),
          fc.boolean(),
          fc.array(event.filter(plain), { minLength: 1, maxLength: 6 }),
          fc.array(mutation, { maxLength: 2 }),
          fc.array(damage, { maxLength: 2 }),
          async (version, way, streams, events, mistakes, harms) => {
            const wrong = mistakes.reduce<unknown>(mutated, events) as readonly unknown[]
            const whole = Array.isArray(wrong) && wrong.length > 0 ? wrong : events
            body = harms.reduce(
              damaged,
              answered(version, way, streams, whole) ?? answerOf(version, way, streams, events),
            )
            type = streams ? 'text/event-stream' : 'application/json'
            asked = 0
            const heard = listen()
            const stop = new AbortController()
            const late = setTimeout(() => stop.abort(), 10_000)
            const verdict = await world.peer.send(target(version, way, streams), aSend('x'), heard.sink, stop.signal)
            clearTimeout(late)
            expect(stop.signal.aborted, body.toString()).toBe(false)
            count('agents', verdict.kind === 'refused' ? verdict.code : verdict.kind)
            for (const one of heard.log.entries)
              for (const codec of ALL_VERSIONS) codec.encodeEvent(entry(1, one), way, false)
          },
        ),
        { numRuns: runs, seed, endOnFailure: true },
      ),
    )
  })
}

/** As the older version says it, if it can say something so wrong. */
function answered(version: string, way: Way, streams: boolean, events: readonly unknown[]): Buffer | undefined {
  try {
    return answerOf(version, way, streams, events)
  } catch {
    return undefined
  }
}
