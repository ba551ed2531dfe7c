/** What every check has at hand: the built command line, an official agent, and our gateway with that agent behind it. */
import { afterAll, beforeAll } from 'vitest'
import { aGrpcWorld, type GrpcWorld } from '../../wire/bindings/grpc/world.ts'
import { emptyDirectory, type Ran, type RunSettings, runCli } from '../run.ts'
import type { Loose } from './loose.ts'
import { type OfficialAgent, type OfficialWish, startOfficial } from './official.ts'

type Json = Loose

export interface Scene {
  readonly agent: OfficialAgent
  readonly world: GrpcWorld
  /** `-a` and the variables for the agent behind the gateway. */
  atGateway(): { readonly ref: string; readonly env: Record<string, string> }
  official(wish: OfficialWish): Promise<OfficialAgent>
  /** Stopped when all is over. */
  keep<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T>
}

/** What shows that a requirement holds; rejects when it does not. */
export type Check = (scene: Scene) => Promise<void>

export function aScene(): () => Scene {
  let scene: Scene
  const open: { stop(): Promise<unknown> }[] = []
  beforeAll(async () => {
    const keep: Scene['keep'] = async (starting) => {
      const started = await starting
      open.push(started)
      return started
    }
    const agent = await keep(startOfficial())
    const world = await keep(aGrpcWorld({ cards: { official: { connector: { kind: 'a2a', url: agent.url } } } }))
    const env = { WAYPOST_URL: world.gateway.url, WAYPOST_KEY: world.gateway.adminKey }
    scene = {
      agent,
      world,
      keep,
      atGateway: () => ({ ref: '@official', env }),
      official: (wish) => keep(startOfficial(wish)),
    }
  })
  afterAll(async () => {
    for (const one of open.reverse()) await one.stop()
  })
  return () => scene
}

export { emptyDirectory, type Ran }

/** Runs the command line; `words` are split at spaces, further arguments are taken as they are. */
export const cli = (words: string, more: readonly string[] = [], settings: RunSettings = {}): Promise<Ran> =>
  runCli([...words.split(' '), ...more], settings)

export const json = ({ stdout }: Ran): Json => JSON.parse(stdout)
export const lines = ({ stdout }: Ran): Json[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))

/** The value of a field in text output; undefined: it is not there. */
export const field = ({ stdout }: Ran, label: string): string | undefined =>
  new RegExp(`^${label}: (.*)$`, 'm').exec(stdout)?.[1]

/** A block's content: after its label on a line of its own, up to the empty line. */
export const block = ({ stdout }: Ran, label: string): string | undefined =>
  new RegExp(`^${label}:\n([^]*?)\n\n`, 'm').exec(stdout)?.[1]
