/**
 * The gateway against a model that fits on a page: senders and one agent that collects, in any order of their words, two
 * replicas that die in between. fast-check makes the orders, and makes a failing one short.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { OperationName, Params } from '../../src/a2a/operations.ts'
import type { Task } from '../../src/a2a/tasks.ts'
import type { Offer } from '../../src/gateway/mailbox/offer.ts'
import type { Verdict } from '../../src/gateway/mailbox/verdict.ts'
import type { Caller } from '../../src/ports.ts'
import { CALLER, inWorld, said, untilHeard, type World } from './world.ts'

type State = 'SUBMITTED' | 'WORKING' | 'INPUT_REQUIRED' | 'COMPLETED' | 'CANCELED'

interface ModelTask {
  readonly id: string
  readonly messageId: string
  readonly conversation: string
  state: State
  /** Its message is on the shelf, in hand, or done with; by its place in the queue. */
  mail: 'waiting' | 'leased' | 'none'
  place: number
  lease?: string
}

/** What should be. */
interface Model {
  tasks: ModelTask[]
  places: number
}

/** What is: the world, and a clock that goes on while one waits. */
interface Real {
  readonly world: World
  readonly conversations: readonly string[]
}

const BOB: Caller = { ...CALLER, id: 'bob' }
let ids = 0
const uuid = () => `00000000-0000-4000-9000-${String(++ids).padStart(12, '0')}`

/** Waits in the world's time. */
async function drive<T>({ world }: Real, promise: Promise<T>): Promise<T> {
  let settled = false
  const mark = () => {
    settled = true
  }
  promise.then(mark, mark)
  if (!(await world.sea.time.until(() => settled, 120_000))) throw new Error('no answer in two minutes of the world')
  return promise
}

async function ask<N extends OperationName>(real: Real, name: N, params: Params<N>, caller?: Caller) {
  const heard = await drive(real, untilHeard(real.world, name, params, 'box', caller))
  return heard.kind === 'answer' ? { value: heard.value } : { refused: heard.reason }
}

const stateOf = (value: unknown): string => (value as Task).status.state.replace('TASK_STATE_', '')

const messageOf = (messageId: string, contextId: string, text: string, taskId?: string) => ({
  message: { messageId, role: 'ROLE_USER' as const, contextId, parts: [{ text }], ...(taskId && { taskId }) },
  configuration: { returnImmediately: true },
})

/** The mailbox of whichever replica lives. */
async function collect<T>(
  real: Real,
  what: (mailbox: World['replicas'] extends () => (infer P)[] ? P : never) => Promise<T>,
): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const [process] = real.world.replicas()
    const answer =
      process &&
      (await drive(
        real,
        said(real.world.sea.time, process, () => what(process)),
      ))
    if (answer !== undefined) return answer
    await real.world.sea.time.until(() => false, 100)
  }
  throw new Error('no replica answers')
}

/** What may be handed out: of each conversation the oldest, and nothing of one that has something in hand. */
const available = ({ tasks }: Model): ModelTask[] => {
  const busy = new Set(tasks.filter(({ mail }) => mail === 'leased').map(({ conversation }) => conversation))
  const waiting = tasks.filter(({ mail, conversation }) => mail === 'waiting' && !busy.has(conversation))
  return waiting.filter(
    (one) => !waiting.some((other) => other.conversation === one.conversation && other.place < one.place),
  )
}

abstract class Command implements fc.AsyncCommand<Model, Real> {
  abstract readonly words: string
  check(_: Readonly<Model>): boolean {
    return true
  }
  abstract run(model: Model, real: Real): Promise<void>
  toString = () => this.words
}

class Send extends Command {
  readonly words: string
  readonly conversation: number
  constructor(conversation: number) {
    super()
    this.conversation = conversation
    this.words = `send(${conversation})`
  }
  async run(model: Model, real: Real) {
    const conversation = real.conversations[this.conversation] as string
    const messageId = uuid()
    const { value } = await ask(real, 'SendMessage', messageOf(messageId, conversation, 'hello'))
    const { task } = value as { task: Task }
    expect(stateOf(task)).toBe('SUBMITTED')
    model.tasks.push({
      id: task.id,
      messageId,
      conversation,
      state: 'SUBMITTED',
      mail: 'waiting',
      place: model.places++,
    })
  }
}

/** One of the tasks, if there is one that fits. */
abstract class OfTask extends Command {
  readonly nth: number
  constructor(nth: number) {
    super()
    this.nth = nth
  }
  get words() {
    return `${this.constructor.name}(${this.nth})`
  }
  fits(_: ModelTask): boolean {
    return true
  }
  override check({ tasks }: Readonly<Model>) {
    return tasks.some((task) => this.fits(task))
  }
  async run(model: Model, real: Real) {
    const fit = model.tasks.filter((task) => this.fits(task))
    await this.of(fit[this.nth % fit.length] as ModelTask, model, real)
  }
  abstract of(task: ModelTask, model: Model, real: Real): Promise<void>
}

class SendAgain extends OfTask {
  async of(task: ModelTask, _: Model, real: Real) {
    const { value } = await ask(real, 'SendMessage', messageOf(task.messageId, task.conversation, 'hello'))
    expect((value as { task: Task }).task.id).toBe(task.id)
    const other = await ask(real, 'SendMessage', messageOf(task.messageId, task.conversation, 'something else'))
    expect(other.refused).toBe('MESSAGE_ID_REUSED')
  }
}

class Get extends OfTask {
  async of(task: ModelTask, _: Model, real: Real) {
    const { value } = await ask(real, 'GetTask', { id: task.id })
    expect(stateOf(value)).toBe(task.state)
    expect((await ask(real, 'GetTask', { id: task.id }, BOB)).refused).toBe('TASK_NOT_FOUND')
  }
}

class Cancel extends OfTask {
  async of(task: ModelTask, _: Model, real: Real) {
    const { value, refused } = await ask(real, 'CancelTask', { id: task.id })
    if (task.state === 'COMPLETED') return expect(refused).toBe('TASK_NOT_CANCELABLE')
    expect(stateOf(value)).toBe('CANCELED')
    task.state = 'CANCELED'
    task.mail = 'none'
  }
}

class Answer extends OfTask {
  override fits = ({ state }: ModelTask) => state === 'INPUT_REQUIRED'
  async of(task: ModelTask, model: Model, real: Real) {
    const { value } = await ask(real, 'SendMessage', messageOf(uuid(), task.conversation, 'that one', task.id))
    expect(stateOf((value as { task: Task }).task)).toBe('SUBMITTED')
    Object.assign(task, { state: 'SUBMITTED', mail: 'waiting', place: model.places++ })
  }
}

class AnswerEnded extends OfTask {
  override fits = ({ state }: ModelTask) => state === 'COMPLETED' || state === 'CANCELED'
  async of(task: ModelTask, _: Model, real: Real) {
    const { refused } = await ask(real, 'SendMessage', messageOf(uuid(), task.conversation, 'too late', task.id))
    expect(refused).toBe('UNSUPPORTED_OPERATION')
  }
}

class Lease extends Command {
  readonly words = 'lease'
  async run(model: Model, real: Real) {
    const request = { max: 1, leaseSeconds: 10, worker: undefined, level: 4, contextId: null, from: null, skill: null }
    const more = { kinds: null, label: null, reclaim: false }
    const signal = new AbortController().signal
    const [offer] = await collect(real, ({ mailbox, find }) =>
      mailbox.lease(find('box'), { ...request, ...more }, 0, signal),
    )
    const may = available(model)
    const task = may.find(({ id }) => id === (offer as Offer | undefined)?.task.id)
    expect([may.length > 0, offer === undefined]).toEqual([may.length > 0, may.length === 0])
    if (!offer) return
    expect(task, `${offer.task.id} was handed out`).toBeDefined()
    Object.assign(task as ModelTask, { state: 'WORKING', mail: 'leased', lease: offer.lease })
  }
}

abstract class Settle extends OfTask {
  override fits = ({ mail }: ModelTask) => mail === 'leased'
  abstract readonly verdict: Verdict
  abstract readonly after: Pick<ModelTask, 'state' | 'mail'>
  async of(task: ModelTask, _: Model, real: Real) {
    const settle = () =>
      collect(real, ({ mailbox, find }) => mailbox.settle(find('box'), task.lease as string, this.verdict))
    expect((await settle()).kind).toBe('settled')
    // Said again, for the answer may have been lost: the same answer, and nothing more.
    expect((await settle()).kind).toBe('settled')
    Object.assign(task, this.after)
  }
}

class Complete extends Settle {
  readonly verdict = { verb: 'complete', text: 'done' } as const
  readonly after = { state: 'COMPLETED', mail: 'none' } as const
}
class Ask extends Settle {
  readonly verdict = { verb: 'ask', text: 'which?' } as const
  readonly after = { state: 'INPUT_REQUIRED', mail: 'none' } as const
}
class Release extends Settle {
  readonly verdict = { verb: 'release' } as const
  readonly after = { state: 'WORKING', mail: 'waiting' } as const
}

/** Nobody renews: what is in hand is on the shelf again, and who held it is refused. */
class TimePasses extends Command {
  readonly words = 'time passes'
  async run(model: Model, real: Real) {
    await real.world.sea.time.until(() => false, 15_000)
    for (const task of model.tasks.filter(({ mail }) => mail === 'leased')) {
      const late = await collect(real, ({ mailbox, find }) =>
        mailbox.settle(find('box'), task.lease as string, { verb: 'complete', text: 'late' }),
      )
      expect(late.kind).toBe('lost')
      task.mail = 'waiting'
    }
  }
}

class Die extends Command {
  readonly words: string
  readonly which: number
  constructor(which: number) {
    super()
    this.which = which
    this.words = `die(${which})`
  }
  async run(_: Model, real: Real) {
    if (this.which < 2) real.world.kill(this.which)
    else for (const one of [0, 1]) real.world.kill(one)
  }
}

const nth = fc.nat(20)
const COMMANDS = [
  fc.nat(2).map((conversation) => new Send(conversation)),
  nth.map((n) => new SendAgain(n)),
  nth.map((n) => new Get(n)),
  nth.map((n) => new Cancel(n)),
  nth.map((n) => new Answer(n)),
  nth.map((n) => new AnswerEnded(n)),
  fc.constant(new Lease()),
  fc.constant(new Lease()),
  nth.map((n) => new Complete(n)),
  nth.map((n) => new Ask(n)),
  nth.map((n) => new Release(n)),
  fc.constant(new TimePasses()),
  fc.nat(2).map((which) => new Die(which)),
]

test('whatever is said in whatever order: the gateway does what the model does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(COMMANDS, { maxCommands: 40, size: 'max' }), fc.nat(1_000_000), (commands, seed) =>
      inWorld(seed, async (world) => {
        world.sea.weather.loss = 0
        const real: Real = { world, conversations: [uuid(), uuid(), uuid()] }
        const model: Model = { tasks: [], places: 0 }
        await fc.asyncModelRun(() => ({ model, real }), commands)
        for (const task of model.tasks) await new Get(0).of(task, model, real)
        expect(world.sea.troubles).toEqual([])
      }),
    ),
    { numRuns: Number(process.env.MODEL_RUNS ?? 60) },
  )
}, 120_000)
