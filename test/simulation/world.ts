/** A whole world from one seed: two replicas on one store, agents, a receiver, clients who repeat, and a storm that passes. */
import { setMaxListeners } from 'node:events'
import { A2AError } from '../../src/a2a/errors.ts'
import type { OperationName, Params } from '../../src/a2a/operations.ts'
import type { Message, Task } from '../../src/a2a/tasks.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import type { Call, Caller, EventStream, Permit, StreamEntry } from '../../src/ports.ts'
import { StoreError } from '../../src/store/db.ts'
import { type Dice, dice } from '../faults/dice.ts'
import { type Arrived, newAgent, type SimAgent } from './agents.ts'
import { takeOver } from './determinism.ts'
import { type Process, type Surroundings, startProcess } from './gateway.ts'
import { newTables } from './memory/rows.ts'
import { latency, type Sabotage, type Sea } from './network.ts'
import { createTime, type Owner } from './time.ts'

/** What a client has sent, and what it was told. */
export interface SentMessage {
  readonly messageId: string
  readonly agent: string
  readonly contextId: string
  readonly text: string
  /** The task that it answers; undefined: it opens one. */
  readonly taskId?: string
  /** Its place in its conversation. */
  readonly nth: number
  readonly taskIds: Set<string>
  acked: boolean
  refused?: string
  cancelAsked: boolean
  /** Told CANCELED when the agent had not seen it. */
  canceledUnseen: boolean
}

export interface Read {
  readonly taskId: string
  readonly frames: { readonly sequence: number; readonly opening: boolean; readonly json: string }[]
}

export interface World {
  readonly seed: number
  readonly sea: Sea
  readonly dice: Dice
  readonly agents: ReadonlyMap<string, SimAgent>
  readonly arrived: Arrived[]
  readonly sent: SentMessage[]
  readonly reads: Read[]
  /** Results that the mailbox worker was told to be settled, by delivery. */
  readonly settled: Map<string, string[]>
  /** Things that are still going on. */
  readonly going: Set<string>
  replicas(): Process[]
  kill(at: number): void
}

const PERMITS = new Set<Permit>(['operator', 'send', 'read', 'cancel', 'push'])
export const CALLER: Caller = { tenant: 'default', id: 'alice', kind: 'key', permits: PERMITS }
const STORM_MS = 12_000
const EPOCH = Date.parse('2026-01-01T00:00:00Z')
/** How long after the storm everything must be over. */
export const CALM_MS = 240_000

export async function inWorld<T>(seed: number, live: (world: World) => Promise<T>, sabotage?: Sabotage): Promise<T> {
  const chance = dice(seed)
  // Ids made by the gateway carry the time: later seeds live later, so that none is older than what is known.
  const epochMs = EPOCH + seed * 1_000_000
  const time = createTime(epochMs)
  let ids = 0
  const newId = () => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`
  const sea: Sea = {
    time,
    epochMs,
    dice: chance,
    weather: { loss: chance.pick([0, 0.02, 0.05, 0.15]), databaseAwayUntil: 0 },
    tables: newTables(newId),
    listeners: new Map(),
    troubles: [],
    sabotage,
  }
  const agents = new Map(
    [
      newAgent('dedupes', true, true),
      newAgent('asked', true, false),
      newAgent('once', false, true),
      newAgent('mute', false, false),
    ].map((agent) => [agent.name, agent]),
  )
  const around: Surroundings = { sea, agents, arrived: [] }
  const processes: (Process | undefined)[] = []
  const restore = takeOver(seed ^ 0x5eed, () => epochMs + time.elapsed())
  const going = new Set<string>()
  let over = false
  /** Starts it, and again whenever it has died. */
  async function supervise(at: number): Promise<void> {
    for (let life = 1; !over; life++) {
      const process = await startProcess(around, `r${at}.${life}`).catch((error) => {
        if (!(error instanceof StoreError)) sea.troubles.push(String((error as Error).stack))
        return undefined
      })
      if (process) {
        processes[at] = process
        while (process.alive && !over) await time.sleep(20)
        sea.listeners.delete(process)
      }
      await time.sleep(100 + chance.below(400))
    }
  }
  const world: World = {
    seed,
    sea,
    dice: chance,
    agents,
    arrived: around.arrived,
    sent: [],
    reads: [],
    settled: new Map(),
    going,
    replicas: () => processes.filter((one): one is Process => one?.alive === true),
    kill(at) {
      const process = processes[at]
      if (process) process.alive = false
    },
  }
  try {
    void supervise(0)
    void supervise(1)
    await time.until(() => processes[0] !== undefined, 60_000)
    const told = await live(world)
    return told
  } finally {
    over = true
    for (const process of processes) if (process) process.alive = false
    restore()
  }
}

/** What clients do, all at the same time; resolves when all of them have what they wanted. */
export async function storm(world: World): Promise<boolean> {
  const { dice: chance, sea } = world
  const { time } = sea
  const clients = 1 + chance.below(4)
  for (let n = 0; n < clients; n++) void going(world, `client ${n}`, () => client(world))
  void going(world, 'worker', () => worker(world))
  void going(world, 'nemesis', () => nemesis(world))
  await time.until(() => time.elapsed() > STORM_MS, STORM_MS * 2)
  sea.weather.loss = 0
  sea.weather.databaseAwayUntil = 0
  const quiet = () =>
    (world.going.size === 0 || (world.going.size === 1 && world.going.has('worker'))) &&
    ![...sea.tables.deliveries.values()].some(({ state }) => state < 2)
  return time.until(quiet, CALM_MS)
}

async function going(world: World, name: string, run: () => Promise<void>): Promise<void> {
  world.going.add(name)
  try {
    await run()
    world.going.delete(name)
  } catch (error) {
    world.sea.troubles.push(`${name}: ${(error as Error).stack}`)
  }
}

/** A few conversations, one message after the other. */
async function client(world: World): Promise<void> {
  const { dice: chance, sea } = world
  let contextId = uuidv7()
  let nth = 0
  const count = 1 + chance.below(3)
  for (let n = 0; n < count; n++) {
    await sea.time.sleep(chance.below(2_000))
    if (chance.next() < 0.6) {
      contextId = uuidv7()
      nth = 0
    }
    const agent = chance.pick(['dedupes', 'asked', 'once', 'mute', 'box', 'box'])
    const text = chance.pick(['chunks:0', 'chunks:3', 'chunks:2 fail', 'ask', 'chunks:1 ask', 'slow chunks:4'])
    const message = note(world, { agent, text, contextId, nth: nth++ })
    if (chance.next() < 0.15) await Promise.all([send(world, message), send(world, message)])
    else if (chance.next() < 0.3) await follow(world, message)
    else await send(world, message)
    const taskId = [...message.taskIds][0]
    if (taskId === undefined) continue
    if (chance.next() < 0.2) await cancel(world, message, taskId)
    if (text.includes('ask')) await answer(world, message, taskId, nth++)
  }
}

function note(
  world: World,
  given: Pick<SentMessage, 'agent' | 'text' | 'contextId' | 'nth'> & { taskId?: string },
): SentMessage {
  const started = { taskIds: new Set<string>(), acked: false, cancelAsked: false, canceledUnseen: false }
  const made: SentMessage = { messageId: uuidv7(), ...given, ...started }
  world.sent.push(made)
  return made
}

const paramsOf = (world: World, { messageId, contextId, taskId, text }: SentMessage): Params<'SendMessage'> => {
  const message: Message = { messageId, role: 'ROLE_USER', contextId, parts: [{ text }], ...(taskId && { taskId }) }
  const push = world.dice.next() < 0.4 && !taskId
  return {
    message,
    configuration: {
      returnImmediately: world.dice.next() < 0.6,
      ...(push && { taskPushNotificationConfig: { id: 'hook', url: `http://hook/${messageId}` } as never }),
    },
  }
}

/** What a request to a gateway comes to; undefined: nobody knows, ask again. */
type Heard<T> = { kind: 'answer'; value: T } | { kind: 'refused'; reason: string } | undefined

/** One request over the network to one replica, which may die, or not be heard. */
async function request<N extends OperationName>(
  { sea, dice: chance, replicas }: World,
  name: N,
  params: Params<N>,
  agent: string,
  { lastEventId, caller = CALLER }: { lastEventId?: number | undefined; caller?: Caller } = {},
): Promise<(Heard<unknown> & object) | undefined> {
  const { time, weather } = sea
  await time.sleep(latency(chance))
  const alive = replicas()
  if (alive.length === 0 || chance.next() < weather.loss) return undefined
  const process = chance.pick(alive)
  const gone = new AbortController()
  setMaxListeners(0, gone.signal)
  const call: Call = {
    agent,
    caller,
    version: '1.0',
    binding: 'JSONRPC',
    extensions: [],
    signal: gone.signal,
    ...(lastEventId !== undefined && { lastEventId }),
  }
  const lost = chance.next() < weather.loss
  return new Promise((resolve) => {
    // A client waits for so long; a process that died answers nothing.
    const off = time.after(10_000, () => {
      gone.abort()
      resolve(undefined)
    })
    const tell = (heard: Heard<unknown>) => {
      if (!process.alive) return
      time.after(latency(chance), () => {
        off()
        resolve(lost ? undefined : heard)
      })
    }
    process.execute(name, params, call).then(
      (value) => tell({ kind: 'answer', value }),
      (error) => {
        if (!(error instanceof A2AError)) {
          sea.troubles.push(`${name}: ${(error as Error).stack}`)
          return tell({ kind: 'refused', reason: 'BUG' })
        }
        const again = ['UNAVAILABLE', 'OUTCOME_UNKNOWN', 'INTERNAL', 'RATE_LIMITED'].includes(error.reason)
        tell(again ? undefined : { kind: 'refused', reason: error.reason })
      },
    )
  })
}

export async function untilHeard<N extends OperationName>(
  world: World,
  name: N,
  params: Params<N>,
  agent: string,
  caller: Caller = CALLER,
) {
  for (;;) {
    const heard = await request(world, name, params, agent, { caller })
    if (heard) return heard
    await world.sea.time.sleep(50 + world.dice.below(300))
  }
}

async function send(world: World, message: SentMessage): Promise<void> {
  const heard = await untilHeard(world, 'SendMessage', paramsOf(world, message), message.agent)
  if (heard.kind === 'refused') {
    message.refused = heard.reason
    return
  }
  const { task } = heard.value as { task?: Task }
  message.acked = true
  if (task) message.taskIds.add(task.id)
}

/** Streams, and comes back with the last id whenever it is cut. */
async function follow(world: World, message: SentMessage): Promise<void> {
  const { time } = world.sea
  const frames: Read['frames'] = []
  let taskId = ''
  for (;;) {
    const last = frames.at(-1)?.sequence
    const heard = await (last === undefined
      ? request(world, 'SendStreamingMessage', paramsOf(world, message), message.agent)
      : request(world, 'SubscribeToTask', { id: taskId }, message.agent, { lastEventId: last }))
    if (heard?.kind === 'refused') {
      if (last === undefined) message.refused = heard.reason
      break
    }
    if (heard) {
      const end = await readStream(world, heard.value as EventStream, frames, last === undefined)
      const id = (heard.value as EventStream).taskId
      if (id !== undefined && frames.length > 0) {
        taskId = id
        message.taskIds.add(id)
        message.acked = true
      }
      // A question stands at the end of the log: until somebody answers, nothing comes.
      const asked = frames.at(-1)?.json.includes('TASK_STATE_INPUT_REQUIRED')
      if (end === 'finished' || end === 'interrupted' || asked) break
    }
    await time.sleep(50 + world.dice.below(200))
  }
  if (taskId !== '') world.reads.push({ taskId, frames })
}

/** Until it ends, or its process dies, or the reader has had enough. */
function readStream(world: World, stream: EventStream, frames: Read['frames'], fresh: boolean): Promise<string> {
  const { time } = world.sea
  const { dice: chance } = world
  let opening = fresh
  return new Promise((resolve) => {
    let over = false
    const finish = (why: string) => {
      if (over) return
      over = true
      off()
      stream.close()
      resolve(why)
    }
    const off = time.after(2_000 + chance.below(8_000), () => finish('cut'))
    const enough = chance.next() < 0.3 ? 1 + chance.below(3) : Number.POSITIVE_INFINITY
    let read = 0
    stream.open({
      push({ sequence, json, last }: StreamEntry) {
        if (over) return false
        frames.push({ sequence, json, opening })
        opening = false
        read++
        if (last) finish('finished')
        else if (read >= enough) finish('cut')
        return !over
      },
      end: (why) => finish(why),
    })
  })
}

async function cancel(world: World, message: SentMessage, taskId: string): Promise<void> {
  message.cancelAsked = true
  const heard = await untilHeard(world, 'CancelTask', { id: taskId }, message.agent)
  if (heard.kind !== 'answer') return
  const task = heard.value as Task
  const executions = world.agents.get(message.agent)?.executions ?? []
  const seen = executions.some(({ messageIds }) => messageIds.includes(message.messageId))
  message.canceledUnseen = task.status.state === 'TASK_STATE_CANCELED' && !seen
}

/** Waits for the question, and answers it, if there is one. */
async function answer(world: World, { agent, contextId }: SentMessage, taskId: string, nth: number): Promise<void> {
  for (let looks = 0; looks < 200; looks++) {
    const heard = await untilHeard(world, 'GetTask', { id: taskId }, agent)
    const state = heard.kind === 'answer' ? (heard.value as Task).status.state : 'gone'
    if (/COMPLETED|FAILED|CANCELED|REJECTED|gone/.test(state)) return
    if (state === 'TASK_STATE_INPUT_REQUIRED') {
      await send(world, note(world, { agent, text: 'chunks:1', contextId, nth, taskId }))
      return
    }
    await world.sea.time.sleep(300)
  }
}

/** An agent that collects: takes, reports, asks, gives up, falls silent. */
async function worker(world: World): Promise<void> {
  const { sea, dice: chance } = world
  const { time } = sea
  for (;;) {
    await time.sleep(200 + chance.below(400))
    const process = world.replicas()[0] ? chance.pick(world.replicas()) : undefined
    if (!process) continue
    const agent = process.find('box')
    const request = { max: 1, leaseSeconds: 10, worker: 'w', level: 4, contextId: null, from: null, skill: null }
    const signal = new AbortController().signal
    const more = { kinds: null, label: null, reclaim: chance.next() < 0.3 }
    const offers = await said(time, process, () => process.mailbox.lease(agent, { ...request, ...more }, 0, signal))
    const offer = offers?.[0]
    if (!offer) continue
    await time.sleep(chance.below(500))
    // It has fallen silent: whoever comes next gets it when the lease has run out.
    if (chance.next() < sea.weather.loss) continue
    const asks =
      offer.text.includes('ask') &&
      offer.message.taskId === offer.task.id &&
      !/INPUT/.test(JSON.stringify(offer.task.history ?? []))
    const verb = chance.next() < 0.1 ? 'release' : asks && chance.next() < 0.5 ? 'ask' : 'complete'
    await settleIt(world, offer.lease, offer.delivery, verb)
  }
}

async function settleIt(world: World, lease: string, delivery: string, verb: 'complete' | 'ask' | 'release') {
  const { sea, dice: chance } = world
  const verdict = verb === 'release' ? { verb } : { verb, text: `by ${lease.slice(-6)}` }
  for (let tries = 0; tries < 20; tries++) {
    const alive = world.replicas()
    if (alive.length > 0) {
      const process = chance.pick(alive)
      const answer = await said(sea.time, process, () => process.mailbox.settle(process.find('box'), lease, verdict))
      if (answer?.kind === 'new messages') {
        const ignore = answer.messages.map(({ delivery: one }) => one)
        await said(sea.time, process, () =>
          process.mailbox.settle(process.find('box'), lease, { verb: 'complete', text: 'all', ignore }),
        )
        return
      }
      if (answer?.kind === 'settled') {
        world.settled.set(delivery, [...(world.settled.get(delivery) ?? []), `${verb} ${lease}`])
        return
      }
      if (answer) return
    }
    await sea.time.sleep(100)
  }
}

/** What a process answers, if it lives that long and the answer is not an error of the store. */
export function said<T>(time: Sea['time'], process: Owner, ask: () => Promise<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    const off = time.after(10_000, () => resolve(undefined))
    const tell = (value: T | undefined) => {
      if (!process.alive) return
      off()
      resolve(value)
    }
    ask().then(tell, () => tell(undefined))
  })
}

/** Kills, pauses, cuts off: while the storm lasts. */
async function nemesis(world: World): Promise<void> {
  const { sea, dice: chance, agents } = world
  const { time, weather } = sea
  const calm = weather.loss === 0 && chance.next() < 0.5
  while (!calm && time.elapsed() < STORM_MS - 1_000) {
    await time.sleep(200 + chance.below(3_000))
    const fault = chance.below(6)
    if (fault <= 1) world.kill(chance.below(2))
    if (fault === 2) {
      world.kill(0)
      world.kill(1)
    }
    if (fault === 3) for (const agent of agents.values()) agent.awayUntil = time.elapsed() + chance.below(4_000)
    if (fault === 4) weather.databaseAwayUntil = time.elapsed() + chance.below(3_000)
    if (fault === 5) {
      const alive = world.replicas()
      // Longer than a lease: what it still writes when it wakes must change nothing.
      if (alive.length > 0) chance.pick(alive).pausedUntil = time.elapsed() + chance.below(25_000)
    }
  }
}
