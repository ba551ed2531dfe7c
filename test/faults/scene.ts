/** The world of a run: a database, replicas, agents, a receiver, and lines between all of them that can do harm. */
import { type ScriptedAgent, startAgent } from '../support/agent.ts'
import type { Wire } from '../support/agentScripts.ts'
import { startPostgres } from '../support/databases.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { ADMIN_KEY, aReplica, MASTER_KEY, type ReplicaOptions, type ReplicaProcess } from '../support/replicas.ts'
import { aTcpLine, type TcpLine } from '../support/tcpLine.ts'
import { type Dice, dice, nap } from './dice.ts'
import { COLLECTS, type Enrolled, enrol } from './parties.ts'
import type { Party } from './record.ts'
import type { Door } from './speech.ts'

export interface StagedAgent {
  readonly name: string
  readonly agent: ScriptedAgent
  readonly line: TcpLine
  /** It knows a message again: executed once, whatever happens, as long as it keeps its memory. */
  readonly dedupes: boolean
  /** Its policy is at most once: never executed twice. */
  readonly once: boolean
  /** May lose its memory. */
  readonly forgets: boolean
  meddle(how: (() => Wire | undefined) | undefined): void
  /** Its card says that it is there; undefined: where it is. */
  move(to: string | undefined): void
}

export interface Staged {
  readonly index: number
  readonly process: ReplicaProcess
  /** Between the replica and the database. */
  readonly database: TcpLine
  /** Between clients and the replica. */
  readonly http: TcpLine
  readonly grpc: TcpLine
  /** Around the lines: for probes and operators. */
  readonly direct: Door
}

export interface Scene {
  readonly postgres: Awaited<ReturnType<typeof startPostgres>>
  /** Straight to the database. */
  readonly databaseUrl: string
  readonly replicas: readonly Staged[]
  readonly doors: readonly Door[]
  readonly agents: readonly StagedAgent[]
  readonly receiver: Receiver
  readonly receiverLine: TcpLine
  /** Where a card that lies says that its agent is: nobody may be sent there. */
  readonly decoy: Receiver
  /** Operators, one of each tenant. */
  readonly admins: Enrolled['admins']
  /** Base of push URLs, ends with '/'. */
  readonly pushTo: string
  readonly parties: readonly Party[]
  readonly prober: Party
  /** The tokens of the agents that collect, one in each tenant. */
  readonly collectorTokens: readonly string[]
  /** Strings that may stand in no answer, no log, no row. */
  readonly secrets: readonly string[]
  /** Secrets that stood in a replica's log. */
  readonly spilled: Set<string>
  readonly dice: Dice
  /** Ends everything. */
  strike(): Promise<void>
}

export interface SceneOptions {
  readonly replicas: number
  readonly seed: number
  /** Another build. */
  readonly main?: string
  /** Made to the database before the gateway starts. */
  readonly sql?: readonly string[]
  /** Of the replicas, beside the usual. */
  readonly env?: Readonly<Record<string, string>>
  /** A running server to use. */
  readonly postgres?: Awaited<ReturnType<typeof startPostgres>>
}

export const PROBED = 'steady'
const UPSTREAM_SECRET = 'upstream-credential-that-nobody-may-see'

export const DESCRIBED = {
  dedupes: { dedupe: true },
  polls: { dedupe: true, streaming: false },
  plain: { dedupe: false, interfaces: ['1.0 HTTP+JSON', '1.0 JSONRPC'], authorization: `Bearer ${UPSTREAM_SECRET}` },
  old: { dedupe: true, interfaces: ['0.3 JSONRPC'] },
  [PROBED]: { dedupe: true },
} as const

/** Agents by weight, as the clients choose them. */
export const AGENTS = { dedupes: 45, polls: 12, plain: 22, old: 12, [COLLECTS]: 9 } as const

async function stageAgent(name: keyof typeof DESCRIBED, random: Dice): Promise<StagedAgent> {
  let how: (() => Wire | undefined) | undefined
  let at: string | undefined
  const line = await aTcpLine({ target: () => ({ port: Number(new URL(agent.url).port) }), random: random.next })
  const agent: ScriptedAgent = await startAgent({
    ...DESCRIBED[name],
    meddle: () => how?.(),
    // Everything that the gateway says to the agent goes over the line.
    card: (card) => JSON.parse(JSON.stringify(card).replaceAll(agent.url, at ?? `http://127.0.0.1:${line.port}/`)),
  })
  return {
    name,
    agent,
    line,
    dedupes: DESCRIBED[name].dedupe,
    once: name === 'plain',
    forgets: name === 'old',
    meddle: (next) => {
      how = next
    },
    move: (to) => {
      at = to
    },
  }
}

const registrationOf = ({ name, line }: StagedAgent) => ({
  connector: { kind: 'a2a', url: `http://127.0.0.1:${line.port}/` },
  redelivery: name === 'plain' ? 'atMostOnce' : 'atLeastOnce',
  maxInflight: 32,
  maxAttempts: 50,
  backoff: { firstMs: 50, longestMs: 500 },
  ...(name === 'plain' && { credentials: { scheme: 'Bearer', token: UPSTREAM_SECRET } }),
})

interface Replicated {
  readonly databaseUrl: string
  readonly random: Dice
  readonly run: Omit<ReplicaOptions, 'databaseUrl' | 'grpc'>
}

async function stageReplica(index: number, { databaseUrl, random, run }: Replicated): Promise<Staged> {
  const url = new URL(databaseUrl)
  const lineTo = (port: () => number) => aTcpLine({ target: () => ({ port: port() }), random: random.next })
  const there = Number(url.port)
  const database = await lineTo(() => there)
  url.port = String(database.port)
  // The sink of all tenants answers no challenge: whether it agrees is not what is tested here.
  const env = {
    WAYPOST_BLOCK_SECONDS: '3',
    WAYPOST_SEND_RATE: 'off',
    WAYPOST_REQUEST_RATE: 'off',
    WAYPOST_WEBHOOK_PROOF: 'off',
    ...run.env,
  }
  const process = await aReplica({ ...run, databaseUrl: url.href, env, grpc: true })
  const http = await lineTo(() => Number(new URL(process.url).port))
  const grpc = await lineTo(() => process.grpcPort)
  const direct = { replica: index, http: process.url, grpc: `http://127.0.0.1:${process.grpcPort}` }
  return { index, process, database, http, grpc, direct }
}

export async function setScene({
  replicas: count,
  seed,
  main,
  sql = [],
  postgres: given,
  env = {},
}: SceneOptions): Promise<Scene> {
  const random = dice(seed)
  const postgres = given ?? (await startPostgres({ durable: true }))
  const databaseUrl = await postgres.create()
  for (const text of sql) await command(databaseUrl, text)
  const names = Object.keys(DESCRIBED) as (keyof typeof DESCRIBED)[]
  const agents = await Promise.all(names.map((name) => stageAgent(name, random)))
  const receiver = await startReceiver()
  const decoy = await startReceiver()
  const receiverLine = await aTcpLine({
    target: () => ({ port: Number(new URL(receiver.url).port) }),
    random: random.next,
  })
  const steady = agents.find(({ name }) => name === PROBED) as StagedAgent
  const cards = { [PROBED]: registrationOf(steady) }
  const spilled = new Set<string>()
  const secrets: string[] = [ADMIN_KEY, MASTER_KEY, UPSTREAM_SECRET]
  const onOutput = (text: string) => {
    for (const secret of secrets)
      if (text.includes(secret)) spilled.add(`${secret.slice(0, 6)}… in a log: ${text.slice(0, 300)}`)
  }
  const replicas: Staged[] = []
  const run = { cards, onOutput, env, ...(main !== undefined && { main }) }
  for (let index = 0; index < count; index++) replicas.push(await stageReplica(index, { databaseUrl, random, run }))
  for (const { process } of replicas) await process.start()
  const gateway = replicas[0]?.process.url as string
  const { parties, prober, collectorTokens, admins } = await enrol(
    gateway,
    agents.map((one) => ({ name: one.name, ...registrationOf(one) })),
    secrets,
  )
  const lines = [
    receiverLine,
    ...agents.map(({ line }) => line),
    ...replicas.flatMap(({ database, http, grpc }) => [database, http, grpc]),
  ]
  return {
    postgres,
    databaseUrl,
    replicas,
    doors: replicas.map(({ index, http, grpc }) => ({
      replica: index,
      http: `http://127.0.0.1:${http.port}`,
      grpc: `http://127.0.0.1:${grpc.port}`,
    })),
    agents,
    receiver,
    receiverLine,
    decoy,
    admins,
    pushTo: `http://127.0.0.1:${receiverLine.port}/`,
    parties,
    prober,
    collectorTokens,
    secrets,
    spilled,
    dice: random,
    async strike() {
      await Promise.all([...parties, prober].map(({ speech }) => speech.close()))
      await Promise.all(replicas.map(({ process }) => process.remove()))
      await Promise.all([...agents.map(({ agent }) => agent.stop()), receiver.stop(), decoy.stop()])
      await Promise.all(lines.map((line) => line.close()))
      if (!given) await postgres.stop()
    },
  }
}

/** One statement as the superuser, around all lines; tried for a while, because the database may be away. */
export async function command<T = unknown>(databaseUrl: string, text: string, tries = 40): Promise<T[]> {
  const { default: connect } = await import('postgres')
  for (let left = tries; ; left--) {
    const sql = connect(databaseUrl, {
      max: 1,
      onnotice: () => {},
      connect_timeout: 3,
      fetch_types: false,
      connection: { application_name: 'nemesis', default_transaction_read_only: 'off' } as never,
    })
    try {
      return (await sql.unsafe(text)) as unknown as T[]
    } catch (error) {
      if (left <= 1) throw error
    } finally {
      await sql.end({ timeout: 1 }).catch(() => {})
    }
    await nap(250)
  }
}
