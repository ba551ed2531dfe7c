/** Clients that never give up: three parties, several clients each, all ways, any replica. */
import { uuidv7 } from '../../src/platform/ids.ts'
import type { Place, Workplace } from './asking.ts'
import { type Dice, dice } from './dice.ts'
import { createHistory } from './history.ts'
import { flood, OPERATIONS, type OperationRow, storm } from './operations.ts'
import { type ClientState, type Evidence, newEvidence, type Party } from './record.ts'
import { type Door, WAYS, type Way } from './speech.ts'

export type { Line, Sent } from './checkers.ts'

export interface WorkloadOptions {
  readonly parties: readonly Party[]
  readonly doors: readonly Door[]
  readonly clients: number
  /** Agents by weight. */
  readonly agents: Readonly<Record<string, number>>
  readonly seed: number
  /** Base of push URLs, ends with '/'. */
  readonly pushTo?: string
  /** Clients send nothing new after this many messages. */
  readonly messagesMax: number
  readonly ways?: readonly Way[]
  /** Default: all rows by their own weights. */
  readonly operations?: Partial<Readonly<Record<OperationRow, number>>>
  readonly scripts?: Readonly<Record<string, number>>
  /** Strings that nobody may see. */
  readonly secrets?: readonly string[]
  readonly burst?: number
  readonly pushPaths?: number
}

export interface Workload {
  readonly evidence: Evidence
  readonly place: Place
  /** All messages are sent and acknowledged. */
  finished(): Promise<unknown>
  /** One message, eight times at once. */
  storm(): Promise<void>
  /** So many messages to one agent, side by side, each its own conversation. */
  flood(agent: string, count: number): Promise<void>
  stop(): Promise<void>
}

/** What agents are asked to do. Some of it is against the rules: nobody else may notice. */
export const SCRIPTS = {
  echo: 30,
  artifact: 16,
  complete: 10,
  'chunks:4': 12,
  'slow:20': 8,
  'pace:5:60': 6,
  duplicate: 3,
  twice: 2,
  after: 2,
  foreign: 2,
  interject: 2,
  fail: 2,
  reject: 1,
  'bytes:5000': 2,
} as const

const STREAMS_PER_CLIENT = 6

export function runWorkload(options: WorkloadOptions): Workload {
  const { parties, doors, clients, agents, seed, pushTo, messagesMax, secrets = [] } = options
  const evidence = newEvidence(createHistory())
  let stopping = false
  const work: Workplace = {
    evidence,
    doors,
    parties,
    agents,
    scripts: options.scripts ?? SCRIPTS,
    ways: options.ways ?? WAYS,
    pushTo,
    leaksIn: (text, caller) => leaksIn(text, caller, secrets),
    stopping: () => stopping,
    streamsMax: STREAMS_PER_CLIENT,
    burst: options.burst ?? 1,
    pushPaths: options.pushPaths ?? 3,
  }
  const weights =
    options.operations ??
    (Object.fromEntries(Object.entries(OPERATIONS).map(([name, { weight }]) => [name, weight])) as Record<
      OperationRow,
      number
    >)
  const random: Dice = dice(seed)
  const newClient = (index: number): ClientState => ({
    index,
    party: parties[index % parties.length] as Party,
    dice: dice(seed + index * 7_919),
    recent: [],
    conversation: { contextId: uuidv7(), nth: 0 },
    made: 0,
    openStreams: 0,
  })
  async function run(client: ClientState): Promise<void> {
    const place: Place = { ...work, client }
    while (!stopping && evidence.sent.length < messagesMax)
      await OPERATIONS[client.dice.weighed(weights as Record<OperationRow, number>)].run(place)
  }
  const running = Promise.all(Array.from({ length: clients }, (_, index) => run(newClient(index))))
  const stormy: Place = { ...work, client: { ...newClient(clients), dice: random } }
  return {
    evidence,
    place: stormy,
    finished: () => running,
    storm: () => storm(stormy),
    flood: (agent, count) => flood(stormy, agent, count),
    async stop() {
      stopping = true
      await running
    },
  }
}

/** Tokens of other callers, and secrets: none of them may be in what this one gets. */
export function leaksIn(text: string, caller: string, secrets: readonly string[]): string[] {
  const found: string[] = []
  for (let at = text.indexOf('op-'); at >= 0; at = text.indexOf('op-', at + 3)) {
    const token = /^op-([a-z]+)-\d+-\d+/.exec(text.slice(at, at + 64))
    if (token && token[1] !== caller) found.push(token[0])
  }
  for (const secret of secrets) if (text.includes(secret)) found.push(`secret ${secret.slice(0, 6)}…`)
  return found
}
