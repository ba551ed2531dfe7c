/**
 * Kill at every commit point (SQLite's method): a scenario is played with the process killed at its first failpoint, then at
 * its second, and so on, until a run ends untouched. After each kill the process is started again, the client goes on as a
 * client does, and then the checkers look. The lease of the one that was killed is ended at once, where in life one waits
 * for its time: nothing else is made easier.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { type ScriptedAgent, startAgent } from '../../support/agent.ts'
import { freePort } from '../../support/databases.ts'
import { type Receiver, startReceiver } from '../../support/receiver.ts'
import { ADMIN_KEY, MASTER_KEY } from '../../support/replicas.ts'
import { check } from '../checkers.ts'
import { dice } from '../dice.ts'
import { type Act, createAct, type Stage } from './act.ts'
import { type Copies, createCopies, type PostgresServer } from './copies.ts'
import type { Scenario } from './scenario.ts'
import { createVictims, type Victim, type Victims } from './victims.ts'

export interface Run {
  readonly scenario: string
  readonly k: number
  /** Where it was killed; undefined: it ended untouched. */
  readonly point?: string
  readonly violations: readonly string[]
  /** From the kill to an empty queue and a checked result, milliseconds. */
  readonly recoveryMs: number
  readonly ms: number
}

/** A place to play in: agents, a receiver and a database to copy. Scenarios run in it one after another. */
export interface Lane {
  play(scenario: Scenario, k: number, seed: number, action?: Action): Promise<Run>
  close(): Promise<void>
}

/** Waits of the gateway, shortened; leases are not. */
const LIMITS = {
  sweepEveryMs: 150,
  pollMs: 100,
  followPollMs: 100,
  pollTickMs: 25,
  probeFirstMs: 50,
  probeLongestMs: 300,
  agentPollFirstMs: 30,
  agentPollLongestMs: 200,
  cancelGraceMs: 300,
  cancelWaitMs: 1_000,
  webhookBackoffFirstMs: 40,
  webhookBackoffLongestMs: 400,
  stopGraceMs: 200,
  // A card that was fetched for the template need not be fetched again.
  cardFreshMs: 86_400_000,
}

/** What the clock does whether anything happens or not; a scenario says which of it counts. */
const BY_THE_CLOCK = [
  'replicas.beat',
  'replicas.sweep',
  'replicas.join',
  'replicas.leave',
  'deliveries.reap',
  'deliveries.leaseExpired',
  'deliveries.expireWebhooks',
  'results.expire',
  'channels.expire',
  'lanes.seenMany',
  'statistics',
  'keys.touch',
  'tasks.purge',
  'lanes.tidy',
  'webhookProofs.tidy',
  'webhookHosts.tidy',
  'keys.tidy',
]

/**
 * What happens at the k-th hit: the process dies, the statement or the step fails, or the reply is not sent. What fails in the
 * middle of nowhere would only end the process, which is the first.
 */
export type Action = 'kill' | 'throw' | 'dropReply'
const NOT_THROWN = ['egress.sent', 'drain', 'ready', 'migration', 'forward.begun', 'webhook.begun', 'replicas']

function rulesOf({ counts = [], ignores = [], fromNothing = false }: Scenario, k: number, action: Action): string {
  const after = fromNothing ? '' : 'after=ready;'
  if (action === 'dropReply') return `${after}reply,face.reply,stream.half=dropReply@${k}`
  const left = BY_THE_CLOCK.filter((name) => !counts.some((one) => name.startsWith(one)))
  const never = action === 'throw' ? NOT_THROWN : []
  return `${after}*,${[...left, ...ignores, ...never].map((name) => `!${name}*`).join()}=${action}@${k}`
}

export async function openLane(server: PostgresServer, name: string): Promise<Lane> {
  const agents = {
    dedupes: await startAgent({ dedupe: true }),
    polls: await startAgent({ dedupe: true, streaming: false }),
    old: await startAgent({ dedupe: true, interfaces: ['0.3 JSONRPC'] }),
    rest: await startAgent({ dedupe: true, interfaces: ['1.0 HTTP+JSON'] }),
    once: await startAgent(),
  }
  const receiver = await startReceiver()
  const victims = createVictims(1)
  const home = mkdtempSync(join(tmpdir(), 'waypost-kill-'))
  mkdirSync(join(home, 'cards'))
  for (const [name, card] of Object.entries(cardsOf(agents)))
    writeFileSync(join(home, 'cards', `${name}.json`), JSON.stringify(card))
  const copies = createCopies(server, name)
  const place = { server, copies, agents, receiver, victims, home }
  const { template, boxToken } = await prepare(place)
  return {
    play: (scenario, k, seed, action = 'kill') => play({ ...place, template, boxToken }, scenario, { k, seed, action }),
    async close() {
      await Promise.all([victims.close(), copies.close()])
      await Promise.all([...Object.values(agents).map((agent) => agent.stop()), receiver.stop()])
      rmSync(home, { recursive: true, force: true })
    },
  }
}

const hasty = { firstMs: 20, longestMs: 100 }
const cardsOf = (agents: Stage['agents']) => {
  const of = (agent: ScriptedAgent, more: object) => ({
    connector: { kind: 'a2a', url: agent.url },
    backoff: hasty,
    ...more,
  })
  const again = { redelivery: 'atLeastOnce', maxAttempts: 50 }
  return {
    dedupes: of(agents.dedupes, again),
    polls: of(agents.polls, again),
    old: of(agents.old, again),
    rest: of(agents.rest, again),
    once: of(agents.once, { redelivery: 'atMostOnce', maxAttempts: 50 }),
    few: of(agents.dedupes, { redelivery: 'atLeastOnce', maxAttempts: 2 }),
    box: { connector: { kind: 'mailbox' }, maxAttempts: 4, backoff: hasty },
  }
}

interface Place {
  readonly server: PostgresServer
  readonly copies: Copies
  readonly agents: Stage['agents']
  readonly receiver: Receiver
  readonly victims: Victims
  readonly home: string
}
interface Prepared extends Place {
  readonly template: string
  readonly boxToken: string
}

const environment = (home: string, port: number, databaseUrl: string | undefined): Record<string, string> => ({
  PORT: String(port),
  GRPC_PORT: '0',
  WAYPOST_DATA: home,
  WAYPOST_CARDS: join(home, 'cards'),
  WAYPOST_ADMIN_KEY: ADMIN_KEY,
  WAYPOST_MASTER_KEY: MASTER_KEY,
  WAYPOST_EGRESS_ALLOW: '127.0.0.0/8',
  WAYPOST_BLOCK_SECONDS: '5',
  WAYPOST_LOG: 'json',
  WAYPOST_LOG_LEVEL: 'info',
  ...(databaseUrl && { DATABASE_URL: databaseUrl }),
})

/** A database with every agent in it and its card fetched, to be copied for each run. */
async function prepare({ server, victims, home }: Place): Promise<{ template: string; boxToken: string }> {
  const template = await server.create()
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const victim = victims.start({ url, cwd: home, env: environment(home, port, template), limits: LIMITS })
  if (!(await victim.ready)) throw new Error(`the gateway does not start: ${victim.output()}`)
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }
  const response = await fetch(`${url}/v1/agents/box/rotate-key`, { method: 'POST', headers, body: '{}' })
  const { token } = (await response.json()) as { token: string }
  for (const name of ['dedupes', 'polls', 'old', 'rest', 'once', 'few'])
    await fetch(`${url}/v1/agents/${name}/probe`, { method: 'POST', headers, body: '{}' })
  await victim.kill('SIGTERM')
  return { template, boxToken: token }
}

interface Hit {
  readonly k: number
  readonly seed: number
  readonly action: Action
}

async function play(place: Prepared, scenario: Scenario, { k, seed, action }: Hit): Promise<Run> {
  const began = performance.now()
  const { server, copies, receiver, template, boxToken, agents } = place
  const databaseUrl = scenario.fromNothing ? await server.createEmpty() : await copies.copy(template)
  receiver.always(200)
  const sql = postgres(databaseUrl, { max: 2, onnotice: () => {} })
  const random = dice(seed * 7_919 + k)
  const watch = await supervise(place, scenario, rulesOf(scenario, k, action), { databaseUrl, sql, random })
  const act = createAct({
    url: watch.url,
    agents,
    receiver,
    boxToken,
    sql,
    dice: random,
    terminate: watch.terminate,
  })
  const violations: string[] = []
  try {
    await watch.first
    await scenario.run(act)
    if (!scenario.embedded) {
      await quiet(act)
      violations.push(...(await look(act, scenario, databaseUrl)))
    }
  } catch (error) {
    violations.push(`${(error as Error).message}`)
  }
  const ended = performance.now()
  const { killedAt, point, troubles } = await watch.stop()
  violations.push(...troubles)
  await sql.end({ timeout: 1 })
  await copies.drop(databaseUrl)
  return {
    scenario: scenario.name,
    k,
    ...(point !== undefined && { point }),
    violations,
    recoveryMs: killedAt === undefined ? 0 : Math.round(ended - killedAt),
    ms: Math.round(ended - began),
  }
}

/** Nothing is waiting or on its way. */
async function quiet({ sql, until }: Act): Promise<void> {
  await until('an empty queue', async () => {
    const [row] = (await sql`select count(*)::int as n from deliveries where state in (0, 1)`) as unknown as {
      n: number
    }[]
    return row?.n === 0
  })
}

async function look(act: Act, { without = [] }: Scenario, databaseUrl: string): Promise<string[]> {
  const { history, sent, agents, receiver } = act
  const deduping = ['dedupes', 'polls', 'old', 'rest']
  const findings = await check({ databaseUrl, history, sent, agents, deduping, receiver })
  const wrong = findings
    .filter(({ checker }) => !without.some((name) => checker.startsWith(name)))
    .flatMap(({ checker, violations }) => violations.map((text) => `${checker}: ${text}`))
  const twice = sent.filter(({ agent, messageId }) => agent === 'once' && agents.once.executionsOf(messageId) > 1)
  return [
    ...wrong,
    ...twice.map(({ messageId }) => `C4: ${messageId} ran twice at an agent that must not be asked twice`),
  ]
}

interface Watch {
  readonly url: () => string
  readonly first: Promise<unknown>
  readonly terminate: () => void
  stop(): Promise<{ killedAt?: number; point?: string; troubles: string[] }>
}

const HIT = /failpoint (\S+) hit \d+/

/** Starts the gateway, and starts it again as long as the play lasts. */
async function supervise(
  { victims, home }: Prepared,
  scenario: Scenario,
  rules: string,
  { databaseUrl, sql, random }: { databaseUrl: string; sql: postgres.Sql; random: ReturnType<typeof dice> },
): Promise<Watch> {
  const data = scenario.embedded ? mkdtempSync(join(tmpdir(), 'waypost-kill-data-')) : home
  if (scenario.embedded) cpSync(join(home, 'cards'), join(data, 'cards'), { recursive: true })
  const limits = { ...LIMITS, ...scenario.limits, ...(scenario.embedded && { leaseMs: 1_500, leaseHeartbeatMs: 300 }) }
  const url = scenario.embedded ? undefined : databaseUrl
  const at = async (more: Record<string, string> = {}) => {
    const port = await freePort()
    return {
      url: `http://127.0.0.1:${port}`,
      cwd: data,
      env: { ...environment(data, port, url), ...scenario.env, ...more },
      limits,
    }
  }
  const where = await at()
  const troubles: string[] = []
  let over = false
  let killedAt: number | undefined
  let point: string | undefined
  let victim: Victim = victims.start({ ...where, env: { ...where.env, WAYPOST_FAILPOINTS: rules } })
  const armed = victim
  const other = scenario.survivor ? victims.start(await at()) : undefined

  const again = async (): Promise<void> => {
    while (!over) {
      const how = await victim.ended
      if (over) return
      const hit = HIT.exec(victim.output())?.[1]
      if (how === 'SIGKILL' && hit) {
        point = hit
        killedAt = performance.now()
      } else if (how !== 0) {
        troubles.push(`the gateway ended with ${how}: ${victim.output().slice(-500)}`)
        return
      }
      if (!scenario.embedded) {
        const name = `%:${victim.pid}`
        await sql`update replicas set until = now() - interval '1 second' where name like ${name}`.catch(() => {})
      }
      victim = victims.start(where)
      await victim.ready
    }
  }
  const watching = again()
  return {
    url: () => (other && random.next() < 0.5 ? other.url : where.url),
    first: Promise.all([victim.ready, other?.ready]),
    terminate: () => void process.kill(victim.pid, 'SIGTERM'),
    async stop() {
      over = true
      await Promise.all([victim.kill('SIGKILL'), other?.kill('SIGKILL')])
      await watching
      if (scenario.embedded) rmSync(data, { recursive: true, force: true })
      point ??= HIT.exec(armed.output())?.[1]
      const unhandled = /unhandled|uncaught/i.exec(victim.output())
      if (unhandled) troubles.push(`unhandled: ${victim.output().slice(unhandled.index, unhandled.index + 300)}`)
      return { ...(killedAt !== undefined && { killedAt }), ...(point !== undefined && { point }), troubles }
    },
  }
}
