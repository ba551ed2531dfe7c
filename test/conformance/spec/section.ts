/** A world for the tests of one section: a gateway with all three bindings, agents behind it, keys of several callers. */
import { afterAll, beforeAll, describe } from 'vitest'
import { makeKey } from '../../e2e/surfaces.ts'
import { type AgentOptions, type ScriptedAgent, startAgent } from '../../support/agent.ts'
import { freePort, openServer } from '../../support/databases.ts'
import { aGrpcWorld, type GrpcWorld } from '../../wire/bindings/grpc/world.ts'
import { aSpeaker, type Speaker } from './ways.ts'

export interface Section {
  readonly world: GrpcWorld
  /** Behind `echo`, `open` (which takes anybody), and `plain`, which has no streams and does not push. */
  readonly agent: ScriptedAgent
  /** The operator, at `echo` unless said otherwise. */
  speaker(agent?: string): Speaker
  /** A caller of its own. */
  as(caller: string, agent?: string): Promise<Speaker>
  /** Nobody. */
  stranger(agent?: string): Speaker
  /** Another agent, stopped with the section. */
  another(name: string, options: AgentOptions, document?: object): Promise<ScriptedAgent>
}

export interface SectionOptions {
  /** Also on a real PostgreSQL: for sections whose rules the database keeps. */
  readonly onBoth?: boolean
}

/** Every test in it is named by the section that it checks. */
export function section(
  name: string,
  tests: (at: () => Section) => void,
  { onBoth = false }: SectionOptions = {},
): void {
  describe(name, () => suite(tests, async () => ({ close: async () => {} })))
  if (!onBoth) return
  describe(`${name}, on PostgreSQL`, () =>
    suite(tests, async () => {
      const server = await openServer()
      return { databaseUrl: await server.create(), close: () => server.stop() }
    }))
}

function suite(
  tests: (at: () => Section) => void,
  open: () => Promise<{ databaseUrl?: string; close(): Promise<void> }>,
): void {
  let found: Section
  const closing: (() => Promise<unknown>)[] = []
  beforeAll(async () => {
    const database = await open()
    closing.push(database.close)
    const agent = await startAgent({ dedupe: true })
    closing.push(() => agent.stop())
    const nobody = `http://127.0.0.1:${await freePort()}/`
    const world = await aGrpcWorld({
      ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
      env: { WAYPOST_BLOCK_SECONDS: '20' },
      webhooks: { attemptsMax: 3, firstMs: 20, longestMs: 60 },
      cards: {
        echo: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce', maxInflight: 64 },
        open: { connector: { kind: 'a2a', url: agent.url }, access: 'anonymous' },
        away: { connector: { kind: 'a2a', url: nobody } },
      },
    })
    closing.push(() => world.stop())
    const { gateway, address } = world
    const at = (name: string, key: string | undefined) =>
      aSpeaker({ url: `${gateway.url}/agents/${name}`, grpc: address, agent: name, key })
    found = {
      world,
      agent,
      speaker: (name = 'echo') => at(name, gateway.adminKey),
      as: async (caller, name = 'echo') => at(name, (await makeKey(world, { caller })).key),
      stranger: (name = 'echo') => at(name, undefined),
      async another(name, options, document = {}) {
        const started = await startAgent(options)
        closing.push(() => started.stop())
        await world.register({ name, connector: { kind: 'a2a', url: started.url }, ...document })
        return started
      },
    }
  })
  afterAll(async () => {
    for (const close of closing.reverse()) await close()
  })
  tests(() => found)
}

export const now = { returnImmediately: true }
