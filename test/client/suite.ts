/** Both client libraries, each in a process of its own, against a whole gateway, over a line that may do harm. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type AgentInHand, aMailboxWorld, type OpenDatabase, stateOf, textOf } from '../e2e/mailboxWorld.ts'
import { aCollector } from '../support/collector.ts'
import { aFaultyLine, type FaultyLine } from '../support/faultyLine.ts'
import { createLog, type Log } from '../support/log.ts'
import { aMessage } from '../support/world.ts'

interface Told {
  readonly said: string
  readonly text?: string
  readonly attempt?: number
  readonly reclaimed?: boolean
  readonly delivery?: string
  readonly why?: string
  readonly name?: string
  readonly status?: number
  readonly code?: string
}

export const LANGUAGES = [
  { language: 'TypeScript', command: process.execPath, file: 'worker.mjs' },
  { language: 'Python', command: 'python3', file: 'worker.py' },
] as const

export function clientSuite(driver: string, open: OpenDatabase): void {
  for (const language of LANGUAGES) describe(`${language.language} on ${driver}`, () => suite(language, open))
}

function suite({ language, command, file }: (typeof LANGUAGES)[number], open: OpenDatabase): void {
  const { world, anAgent } = aMailboxWorld(open, language.toLowerCase())
  const children: ChildProcess[] = []
  let line: FaultyLine

  beforeAll(async () => {
    line = await aFaultyLine(() => world().gateway.url)
  })
  afterEach(async () => {
    line.harm(() => undefined)
    await Promise.all(children.splice(0).map(end))
  })
  afterAll(() => line.close())

  const end = async (child: ChildProcess) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'close')
  }

  function aWorker({ agent }: AgentInHand, options: Record<string, unknown> = {}) {
    const settings = { gateway: line.url, token: agent.token, checkSeconds: 0.1, stopSeconds: 20, ...options }
    const child = spawn(command, [join(import.meta.dirname, file)], {
      env: { ...process.env, WORKER: JSON.stringify(settings) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    children.push(child)
    const told: Log<Told> = createLog()
    createInterface({ input: child.stdout }).on('line', (text) => told.add(JSON.parse(text) as Told))
    const heard = (said: string, more: (one: Told) => boolean = () => true) =>
      told.next((one) => one.said === said && more(one), 20_000)
    return { child, told, heard }
  }

  test.for([
    ['upper:hello', 'TASK_STATE_COMPLETED', 'HELLO'],
    ['nothing', 'TASK_STATE_COMPLETED', ''],
    ['parts', 'TASK_STATE_COMPLETED', ''],
    ['artifacts', 'TASK_STATE_COMPLETED', 'A|B'],
    ['chunks', 'TASK_STATE_COMPLETED', 'one |two |three|'],
    ['wrong', 'TASK_STATE_FAILED', ''],
    ['again', 'TASK_STATE_COMPLETED', 'attempt 2'],
    ['reject', 'TASK_STATE_REJECTED', ''],
    ['steps', 'TASK_STATE_COMPLETED', '{"at":1}'],
  ] as const)('%s ends as %s', async ([text, state, artifact]) => {
    const hand = await anAgent()
    aWorker(hand)
    const task = await hand.client.send(text)
    expect([stateOf(task), textOf(task)]).toEqual([state, artifact])
    if (text === 'wrong') expect(task.status.message?.parts).toEqual([{ text: 'it is wrong' }])
  })

  test('a question is answered, and the answer is the next piece of work', async () => {
    const hand = await anAgent()
    aWorker(hand)
    const asked = await hand.client.send('ask')
    expect(stateOf(asked)).toBe('TASK_STATE_INPUT_REQUIRED')
    const answered = await hand.client.send('four', { message: { taskId: asked.id, contextId: asked.contextId } })
    expect([answered.id, stateOf(answered), textOf(answered)]).toEqual([asked.id, 'TASK_STATE_COMPLETED', 'for four'])
  })

  test('as many side by side as it was told', async () => {
    const hand = await anAgent({ maxInflight: 8 })
    const { heard, told } = aWorker(hand, { concurrency: 3 })
    for (let n = 0; n < 5; n++) await hand.send(`hold:${n}`)
    await told.count(3, ({ said }) => said === 'begun', 20_000)
    const leased = await hand.agent.call('/v1/inbox?state=leased', undefined, { method: 'GET' })
    expect(leased.json.items).toHaveLength(3)
    const [first] = leased.json.items
    await hand.client.rpc('CancelTask', { id: first.task.id })
    await told.count(4, ({ said }) => said === 'begun', 20_000)
    expect((await heard('aborted')).why).toBe('Canceled')
  })

  test('a lease is kept alive for as long as the work takes', async () => {
    const hand = await anAgent()
    const { heard } = aWorker(hand, { leaseSeconds: 1, checkSeconds: 60 })
    const sent = await hand.send('hold')
    await heard('begun')
    const before = line.asked.entries.length
    // Four renewals, one in a third of a second: longer than the lease.
    await line.asked.count(before + 4, () => true, 20_000)
    const [row] = (await hand.agent.call('/v1/inbox?state=leased', undefined, { method: 'GET' })).json.items
    expect(row).toMatchObject({ attempt: 1, task: { id: sent.id } })
  })

  test('whoever lost the lease is told, and what it says is not taken', async () => {
    const hand = await anAgent()
    const { heard } = aWorker(hand, { leaseSeconds: 1 })
    const sent = await hand.send('hold')
    await heard('begun')
    line.harm(({ path }) => (/renew|lease\?/.test(path) ? 'cut' : undefined))
    const stolen = await hand.agent.lease({ leaseSeconds: 60 }, 20)
    expect(stolen).toMatchObject({ attempt: 2, task: { id: sent.id } })
    line.harm(() => undefined)
    expect((await heard('aborted')).why).toBe('LeaseLost')
    await hand.agent.say(stolen.lease, 'complete', { text: 'by the other' })
    expect(textOf(await hand.client.get(sent.id))).toBe('by the other')
  })

  test('a cancel reaches the work, and is agreed to', async () => {
    const hand = await anAgent()
    const { heard } = aWorker(hand)
    const sent = await hand.send('hold')
    await heard('begun')
    const { result } = await hand.client.rpc('CancelTask', { id: sent.id })
    expect((await heard('aborted')).why).toBe('Canceled')
    await expect.poll(async () => stateOf(await hand.client.get(sent.id))).toBe('TASK_STATE_CANCELED')
    expect(result.id).toBe(sent.id)
  })

  test('what the sender says meanwhile is heard, and the task is not ended without it', async () => {
    const hand = await anAgent()
    const { heard } = aWorker(hand)
    const more = async (text: string, first: string) => {
      const sent = await hand.send(first)
      await heard('begun', (one) => one.text === first)
      const message = aMessage(text, { taskId: sent.id, contextId: sent.contextId })
      await hand.client.rpc('SendMessage', { message, configuration: { returnImmediately: true } })
      await expect
        .poll(async () => stateOf(await hand.client.get(sent.id)), { timeout: 20_000 })
        .toBe('TASK_STATE_COMPLETED')
      return textOf(await hand.client.get(sent.id))
    }
    expect(await more('the other file', 'hear')).toBe('the other file')
    expect(await more('and this', 'deaf')).toBe('deaf|and this')
  })

  test('settled again with the same words after a lost answer; a chunk whose fate is unknown is not doubled', async () => {
    const hand = await anAgent()
    const lost = new Set<string>()
    line.harm(({ path, body }) => {
      const verb = path.endsWith('/complete') ? 'complete' : body.includes('two ') ? 'chunk' : ''
      if (verb === '' || lost.has(verb)) return undefined
      lost.add(verb)
      return 'lose'
    })
    aWorker(hand)
    const task = await hand.client.send('chunks')
    expect([stateOf(task), textOf(task)]).toEqual(['TASK_STATE_COMPLETED', 'one |two |three|'])
    expect([...lost].sort()).toEqual(['chunk', 'complete'])
  })

  test('a gateway that is busy, or not there, is asked again', async () => {
    const hand = await anAgent()
    const harms = [{ status: 429, headers: { 'retry-after': '1' } }, 'cut', { status: 503 }, { status: 502 }] as const
    let at = 0
    line.harm(({ path }) => (/inbox/.test(path) ? harms[at++] : undefined))
    const { told } = aWorker(hand)
    const task = await hand.client.send('upper:x')
    expect(textOf(task)).toBe('X')
    expect(told.entries.filter(({ said }) => said === 'error').map(({ status }) => status ?? null)).toEqual([
      429,
      null,
      503,
      502,
    ])
  })

  test('a token that is not known ends it, with the reason', async () => {
    const hand = await anAgent()
    const { heard } = aWorker({ ...hand, agent: { ...hand.agent, token: 'wp_no_token' } })
    expect((await heard('refused')).code).toBe('UNAUTHENTICATED')
  })

  test('a stop lets what is in hand end; what does not end in time goes back, uncounted', async () => {
    const hand = await anAgent()
    const patient = aWorker(hand)
    const sent = await hand.send('deaf')
    await patient.heard('begun')
    patient.child.kill('SIGTERM')
    await patient.heard('stopped')
    expect(stateOf(await hand.client.get(sent.id))).toBe('TASK_STATE_COMPLETED')

    const hasty = aWorker(hand, { stopSeconds: 0 })
    const held = await hand.send('hold')
    await hasty.heard('begun')
    hasty.child.kill('SIGTERM')
    await hasty.heard('stopped')
    expect(await hand.agent.lease({}, 5)).toMatchObject({ attempt: 1, task: { id: held.id } })
  })

  test('60 tasks, one worker killed in the middle: each is completed once, and what it held is taken up again', async () => {
    const hand = await anAgent({ maxInflight: 8, leaseSeconds: 600 })
    const tasks = await Promise.all(Array.from({ length: 60 }, (_, n) => hand.send(`brief:${n}`)))
    const options = { worker: 'one', concurrency: 4 }
    const first = aWorker(hand, options)
    await first.told.count(20, ({ said }) => said === 'done', 30_000)
    await end(first.child)
    // Only its own name brings back what it held: the leases are of ten minutes.
    const second = aWorker(hand, options)
    const seen = (state: string) => async () => {
      const { json } = await hand.agent.call(`/v1/inbox?state=${state}`, undefined, { method: 'GET' })
      return json.items.length
    }
    await expect.poll(seen('waiting'), { timeout: 25_000 }).toBe(0)
    await expect.poll(seen('leased'), { timeout: 25_000 }).toBe(0)
    const ended = await Promise.all(tasks.map(({ id }) => hand.client.get(id)))
    expect(ended.map((task) => `${stateOf(task)} ${textOf(task)}`)).toEqual(
      tasks.map(() => 'TASK_STATE_COMPLETED done'),
    )
    const begun = second.told.entries.filter(({ said }) => said === 'begun')
    expect(begun.every(({ attempt }) => attempt === 1)).toBe(true)
    // Whatever both of them did was settled by one of them.
    const doneBy = (worker: typeof first) =>
      worker.told.entries.filter(({ said }) => said === 'done').map(({ delivery }) => delivery)
    expect(new Set([...doneBy(first), ...doneBy(second)]).size).toBe(60)
  })

  test('several workers of one name in turn, beside a stranger: nothing is lost', async () => {
    const hand = await anAgent({ maxInflight: 4 })
    const other = await aCollector(world(), `${hand.agent.name}-other`)
    const { told } = aWorker(hand, { concurrency: 4 })
    await Promise.all(Array.from({ length: 12 }, (_, n) => hand.send(`brief:${n}`)))
    await told.count(12, ({ said }) => said === 'done', 20_000)
    expect(await other.lease()).toBeUndefined()
  })
}
