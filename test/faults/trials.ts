/** When all is well again: does a dead agent's backlog or three times the load hurt those who have nothing to do with it? C19, C20, C21. */
import { uuidv7 } from '../../src/platform/ids.ts'
import { type Finding, found } from './checkers/checker.ts'
import { percentile } from './checkers/service.ts'
import { nap } from './dice.ts'
import type { Party } from './record.ts'
import { PROBED, type Scene } from './scene.ts'

export interface Trials {
  readonly baselineP99Ms: number
  readonly besideBacklogP99Ms: number
  readonly goodputPerSecond: number
  readonly overloadedPerSecond: number
  readonly findings: readonly Finding[]
}

const TRIAL_MS = 5_000
const BACKLOG = 2_000
/** A slower start than this is one that a caller would notice (P21). */
const NOTICED_MS = 1_000

async function one(
  scene: Scene,
  { speech, addressOf }: Party,
  agent: string,
  returnImmediately: boolean,
  at: number,
): Promise<{ ms: number; good: boolean }> {
  const from = performance.now()
  const params = {
    message: { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'complete' }] },
    configuration: { returnImmediately },
  }
  const { direct: door } = scene.replicas[at % scene.replicas.length] as Scene['replicas'][number]
  const answer = await speech.call({ way: '1.0 JSONRPC', door, agent: addressOf(agent), name: 'SendMessage', params })
  return { ms: performance.now() - from, good: answer.type === 'ok' }
}

/** So many clients, one request after the other, for a while. */
async function drive(scene: Scene, party: Party, clients: number): Promise<{ times: number[]; perSecond: number }> {
  const times: number[] = []
  const until = performance.now() + TRIAL_MS
  await Promise.all(
    Array.from({ length: clients }, async (_, at) => {
      while (performance.now() < until) {
        const { ms, good } = await one(scene, party, PROBED, false, at)
        if (good) times.push(ms)
      }
    }),
  )
  return { times, perSecond: times.length / (TRIAL_MS / 1_000) }
}

export async function tryOut(scene: Scene, tell: (line: string) => void): Promise<Trials> {
  // Of different tenants.
  const [ada, , bob] = scene.parties as [Party, Party, Party]
  const dead = scene.agents.find(({ name }) => name === 'dedupes')
  tell('trial: three times the load')
  const usual = await drive(scene, bob, 8)
  const over = await drive(scene, bob, 24)
  tell('trial: beside the backlog of a dead agent')
  const baseline = await drive(scene, bob, 2)
  await dead?.agent.stop()
  for (let sent = 0; sent < BACKLOG; sent += 100)
    await Promise.all(Array.from({ length: 100 }, (_, at) => one(scene, ada, 'dedupes', true, at)))
  const beside = await drive(scene, bob, 2)
  await dead?.agent.restart()
  await nap(0)
  const baselineP99Ms = percentile(baseline.times, 0.99)
  const besideBacklogP99Ms = percentile(beside.times, 0.99)
  const slow = besideBacklogP99Ms > Math.max(2 * baselineP99Ms, NOTICED_MS)
  const shed = over.perSecond < 0.8 * usual.perSecond
  return {
    baselineP99Ms,
    besideBacklogP99Ms,
    goodputPerSecond: usual.perSecond,
    overloadedPerSecond: over.perSecond,
    findings: [
      found(
        'C19 three times the load',
        over.times.length,
        shed
          ? [`${Math.round(over.perSecond)} a second under three times the load, ${Math.round(usual.perSecond)} before`]
          : [],
      ),
      found(
        'C20 C21 others go on',
        beside.times.length,
        slow
          ? [`p99 beside the backlog ${Math.round(besideBacklogP99Ms)} ms, before ${Math.round(baselineP99Ms)} ms`]
          : [],
      ),
    ],
  }
}
