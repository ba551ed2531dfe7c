/** Agents that are away, deaf, slow, forgetful, or talk nonsense; receivers of webhooks that do. */
import { GARBAGE, type Wire } from '../../support/agentScripts.ts'
import { ADMIN_KEY } from '../../support/replicas.ts'
import { nap } from '../dice.ts'
import { PROBED, type StagedAgent } from '../scene.ts'
import type { FaultClass, Stage } from './fault.ts'

const toAgent =
  (
    run: (staged: StagedAgent, stage: Stage) => Promise<void>,
    only: (staged: StagedAgent) => boolean = () => true,
  ): FaultClass =>
  (stage) => {
    const staged = stage.dice.pick(stage.scene.agents.filter((one) => one.name !== PROBED && only(one)))
    return { targets: [`agent ${staged.name}`], affects: [`agent ${staged.name}`], run: () => run(staged, stage) }
  }

/** What its connections do, for so long, to so many of the requests. */
async function meddling(staged: StagedAgent, wire: () => Wire | undefined, ms: number): Promise<void> {
  staged.meddle(wire)
  await nap(ms)
  staged.meddle(undefined)
}

/** By an operator of each tenant: its card is looked at now, and not when it is old. True: it is taken in all of them. */
async function refetch({ name }: StagedAgent, { admins, replicas }: Stage['scene'], at = 0): Promise<boolean> {
  const asked = admins.map(async ({ key, addressOf }) => {
    const response = await fetch(`${replicas[at % replicas.length]?.process.url}/v1/agents/${addressOf(name)}/probe`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: '{}',
      signal: AbortSignal.timeout(3_000),
    })
    return response.ok && ((await response.json()) as { probe: { ok: boolean } }).probe.ok
  })
  return (await Promise.allSettled(asked)).every((one) => one.status === 'fulfilled' && one.value)
}

const raw = (status: number, headers: Record<string, string> = {}): Wire => ({ raw: { status, headers, body: '' } })
const BUSY = [
  raw(429, { 'retry-after': '1' }),
  raw(429, { 'retry-after': '-5' }),
  raw(503),
  raw(503, { 'retry-after': '0' }),
  raw(500),
  raw(408),
  raw(502),
]
const NONSENSE = Object.values(GARBAGE).map((answer): Wire => ({ raw: answer as NonNullable<Wire['raw']> }))

const toReceiver =
  (run: (stage: Stage) => Promise<void>): FaultClass =>
  (stage) => ({ targets: ['receiver'], affects: ['receiver'], run: () => run(stage) })

const answering = (answer: Parameters<Stage['scene']['receiver']['always']>[0], longestMs: number): FaultClass =>
  toReceiver(async ({ scene, dice }) => {
    scene.receiver.always(answer)
    await nap(200 + dice.below(longestMs))
    scene.receiver.always(200)
  })

export const AGENT_FAULTS: Readonly<Record<string, FaultClass>> = {
  'F42 an agent is parted from us': toAgent(async ({ line }, { dice }) => {
    line.set({ kind: 'blackhole', way: dice.pick(['both', 'up', 'down']) })
    await nap(1_000 + dice.below(4_000))
    line.set({ kind: 'pass' })
  }),
  'F43 an agent is far away': toAgent(async ({ line }, { dice }) => {
    line.set({ kind: 'latency', ms: 100, jitterMs: 200 })
    await nap(2_000 + dice.below(3_000))
    line.set({ kind: 'pass' })
  }),
  'F50 an agent is away for a while': toAgent(async ({ agent }, { dice }) => {
    await agent.stop()
    await nap(200 + dice.below(3_000))
    await agent.restart()
  }),
  'F50 an agent accepts and never answers': toAgent(async (staged, { dice }) => {
    await meddling(staged, () => ({ silent: true }), 300 + dice.below(1_500))
    staged.agent.cutAll()
  }),
  'F51 all connections to an agent are cut': toAgent(async ({ agent }) => agent.cutAll()),
  'F51 an agent cuts its streams after a few frames': toAgent((staged, { dice }) =>
    meddling(staged, () => ({ cutAfter: 1 + dice.below(3) }), 500 + dice.below(2_000)),
  ),
  'F51 an agent drips': toAgent((staged, { dice }) => meddling(staged, () => ({ drip: true }), 300 + dice.below(700))),
  'F53 an agent talks nonsense': toAgent((staged, { dice }) =>
    meddling(staged, () => (dice.next() < 0.5 ? dice.pick(NONSENSE) : undefined), 200 + dice.below(800)),
  ),
  'F54 an agent says that it is busy, or broken': toAgent((staged, { dice }) =>
    meddling(staged, () => (dice.next() < 0.6 ? dice.pick(BUSY) : undefined), 300 + dice.below(2_000)),
  ),
  'F55 an agent flaps': toAgent(async ({ line }, { dice }) => {
    for (let times = 3 + dice.below(4); times > 0; times--) {
      line.set({ kind: 'refuse' })
      await nap(150 + dice.below(300))
      line.set({ kind: 'pass' })
      await nap(150 + dice.below(300))
    }
  }),
  'F56 an agent executes, and its answer is lost': toAgent((staged, { dice }) =>
    meddling(staged, () => (dice.next() < 0.5 ? { drop: true } : undefined), 300 + dice.below(1_500)),
  ),
  'F57 an agent loses its memory': toAgent(
    async ({ agent }) => agent.restart({ forget: true }),
    ({ forgets }) => forgets,
  ),
  'F58 the card of an agent says that it is elsewhere': toAgent(async (staged, { scene }) => {
    staged.move(scene.decoy.url)
    await refetch(staged, scene)
    await nap(1_500)
    staged.move(undefined)
    // Until then it is held, and waits for an operator: who else has troubles may not hear of it at once.
    for (let tries = 1; tries < 100 && !(await refetch(staged, scene, tries)); tries++) await nap(300)
  }),
  'F64 a herd waits for an agent that returns': toAgent(
    async ({ name, agent }, { flood }) => {
      await agent.stop()
      await flood(name, 400)
      await agent.restart()
    },
    ({ forgets, once }) => !forgets && !once,
  ),
  'F70 the webhook receiver is away': toReceiver(async ({ scene, dice }) => {
    await scene.receiver.stop()
    await nap(200 + dice.below(1_500))
    await scene.receiver.start()
  }),
  'F70 the webhook receiver answers 500': answering(500, 800),
  'F70 the webhook receiver says that it is gone': answering(410, 400),
  'F70 the webhook receiver answers 429': answering({ status: 429, headers: { 'retry-after': '1' } }, 800),
  'F70 the webhook receiver sends us elsewhere': answering(
    { status: 301, headers: { location: 'http://169.254.169.254/' } },
    600,
  ),
  'F70 the webhook receiver hangs up': answering('cut', 1_000),
  'F70 the webhook receiver drips': answering('drip', 1_500),
  'F70 the webhook receiver takes its time': toReceiver(async ({ scene, dice }) => {
    scene.receiver.always({ status: 200, delayMs: 2_500 })
    await nap(3_000 + dice.below(3_000))
    scene.receiver.always(200)
  }),
  'F70 the line to the webhook receiver is slow': toReceiver(async ({ scene, dice }) => {
    scene.receiverLine.set({ kind: 'latency', ms: 100, jitterMs: 300 })
    await nap(1_000 + dice.below(2_000))
    scene.receiverLine.set({ kind: 'pass' })
  }),
  'F70 receipts of webhooks are lost': toReceiver(async ({ scene, dice }) => {
    scene.receiverLine.set({ kind: 'lose replies' })
    await nap(200 + dice.below(1_000))
    scene.receiverLine.set({ kind: 'pass' })
  }),
  'F71 the signing keys are rotated': ({ scene, dice }) => ({
    targets: ['signing keys'],
    affects: [],
    async run() {
      await fetch(`${dice.pick(scene.replicas).process.url}/v1/signing-keys/rotate`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${ADMIN_KEY}` },
        body: '{}',
        signal: AbortSignal.timeout(5_000),
      }).catch(() => undefined)
    },
  }),
}
