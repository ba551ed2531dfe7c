/** C4: thousands of calls for work that wait, and a stream of messages: how soon the right one wakes, and what it costs to hold them. MAILBOX test 20. */
import { readFileSync } from 'node:fs'
import { Agent, request as send } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { slopeOf } from '../bench/numbers.mjs'
import { dice } from '../faults/dice.ts'
import { MINUTES, openReport, percentile, SEED, spread } from './report.ts'
import { nap, openStage, operator } from './stage.ts'

const POLLS = Number(process.env.MAILBOX_POLLS ?? 5_000)
/** Five calls for each. */
const AGENTS = Math.ceil(POLLS / 5)
const PER_SECOND = Number(process.env.MAILBOX_RATE ?? 200)
const WAKE_MS = 250
const WAIT_SECONDS = 50
/** What is measured begins when all wait and what is compiled is compiled. */
const WARM_MS = 20_000
const SAMPLE_MS = 3_000
/**
 * A call that waits lives for long enough to be old when it ends, so that what is used rises by hundreds of MiB between two
 * collections of the old. What stays is seen where it is lowest, once in each of these.
 */
const FLOOR_MS = 60_000
/** Of what stays, in a minute: less than this is the collector's business. */
const GROWTH_MIB_MAX = 4
/** Of fewer minutes a line cannot be told from the collector's chance: growth is printed, and not judged. */
const JUDGED_FROM_MINUTES = 10

interface Call {
  readonly status: number
  readonly text: string
}

test('C4', async () => {
  const minutes = MINUTES ?? 5
  const report = openReport(
    'C4',
    `${POLLS} idle long polls of ${AGENTS} agents, ${PER_SECOND} messages a second, ${minutes} min`,
  )
  const stage = await openStage()
  const line = new Agent({
    keepAlive: true,
    maxSockets: Number.POSITIVE_INFINITY,
    maxFreeSockets: Number.POSITIVE_INFINITY,
  })
  const post = (path: string, headers: Record<string, string>, body: string): Promise<Call> =>
    new Promise((resolve, reject) => {
      const request = send(stage.url + path, { method: 'POST', agent: line, headers }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        // A turn later, when the agent has its socket back: at once, the next request would open another, 600 a second in
        // all, and Node accepts one in each turn of its loop.
        response.on('end', () =>
          setImmediate(() => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() })),
        )
        response.on('error', reject)
      })
      request.on('error', reject)
      request.end(body)
    })

  let stopping = false
  const sentAt = new Map<string, number>()
  const wakes: number[] = []
  const acks: number[] = []
  const problems: string[] = []
  let measuring = false
  let waiting = 0
  let again = 0

  async function poll(token: string): Promise<void> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    while (!stopping) {
      waiting++
      const { status, text } = await post(`/v1/inbox/lease?wait=${WAIT_SECONDS}`, headers, '{}').catch((error) => ({
        status: 0,
        text: String(error),
      }))
      waiting--
      if (status === 204 || stopping) continue
      if (status !== 200) {
        problems.push(`${status} ${text.slice(0, 100)}`)
        await nap(500)
        continue
      }
      const { lease, message } = JSON.parse(text) as { lease: string; message: { messageId: string } }
      const since = sentAt.get(message.messageId)
      sentAt.delete(message.messageId)
      if (since !== undefined && measuring) wakes.push(performance.now() - since)
      const settled = await post(`/v1/leases/${lease}/complete`, headers, '{"text":"done"}')
      if (settled.status !== 200) problems.push(`complete: ${settled.status} ${settled.text.slice(0, 100)}`)
    }
  }

  async function sendOne(name: string): Promise<void> {
    const message = { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: 'x' }] }
    const began = performance.now()
    sentAt.set(message.messageId, began)
    const params = { message, configuration: { returnImmediately: true } }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params })
    const headers = { ...operator, 'a2a-version': '1.0' }
    // A connection that was kept may be closed in the moment of its use: the same message once more is the same task.
    const { status, text } = await post(`/agents/${name}`, headers, body).catch(() => {
      again++
      return post(`/agents/${name}`, headers, body)
    })
    if (status !== 200 || text.includes('"error"')) problems.push(`send: ${status} ${text.slice(0, 160)}`)
    if (measuring) acks.push(performance.now() - began)
  }

  try {
    const random = dice(SEED)
    const tokens: string[] = []
    for (let n = 0; n < AGENTS; n += 20) {
      const names = Array.from({ length: 20 }, (_, at) => `idle-${n + at}`)
      tokens.push(...(await Promise.all(names.map((name) => stage.agent(name, { maxInflight: 100 })))))
    }
    report.tell(`${tokens.length} agents`)
    const polls = Array.from({ length: POLLS }, (_, n) => poll(tokens[n % AGENTS] as string))
    while (waiting < POLLS * 0.99) await nap(200)
    report.tell(`${waiting} wait`)

    const lag = monitorEventLoopDelay()
    const pid = stage.replicas[0]?.pid() as number
    const memory: Sample[] = []
    const resident: number[] = []
    const startedAt = performance.now()
    const end = startedAt + WARM_MS + minutes * 60_000
    let due = startedAt
    let sampled = 0
    let spent = { at: 0, ms: 0 }
    while (performance.now() < end) {
      const now = performance.now()
      if (!measuring && now - startedAt >= WARM_MS) {
        measuring = true
        lag.enable()
        spent = { at: now, ms: cpuMs(pid) }
      }
      for (; due <= now; due += 1_000 / PER_SECOND)
        void sendOne(`idle-${random.below(AGENTS)}`).catch((error) => problems.push(String(error)))
      if (measuring && now - sampled >= SAMPLE_MS) {
        sampled = now
        resident.push(residentMiB(pid))
        void usedMiB(stage.url).then((mib) => memory.push({ at: (now - startedAt) / 60_000, mib }))
      }
      await nap(5)
    }
    const cpu = (cpuMs(pid) - spent.ms) / (performance.now() - spent.at)
    await nap(2_000)
    const lost = [...sentAt.values()].length
    stopping = true
    line.destroy()
    await Promise.allSettled(polls)

    const floor = floorOf(memory)
    // In the first minute what remembers a little of each agent still fills.
    const growth = slopeOf(floor.slice(1).map(({ at, mib }) => [at, mib]))
    report.fact('wake ms, from the send to the answered poll (p50 / p95 / p99 / max)', spread(wakes))
    report.fact('acknowledged ms (p50 / p95 / p99 / max)', spread(acks))
    report.fact('woken', wakes.length)
    report.fact('sent again, because a kept connection had been closed', again)
    report.fact(
      'resident MiB, first, last and most',
      [resident[0], resident.at(-1), Math.max(...resident)].map((mib) => mib?.toFixed(0)).join(', '),
    )
    report.fact('resident MiB, most, minute by minute', mostOf(resident).join(', '))
    report.fact('used MiB where it was lowest, minute by minute', floor.map(({ mib }) => mib.toFixed(0)).join(', '))
    report.fact('growth of that, MiB a minute', growth.toFixed(2))
    report.fact('the gateway’s share of a core', cpu.toFixed(2))
    report.fact('this client’s own delay ms (p99)', (lag.percentile(99) / 1e6).toFixed(1))
    report.check(
      `p99 of the wakes is below ${WAKE_MS} ms`,
      percentile(wakes, 0.99) < WAKE_MS,
      percentile(wakes, 0.99).toFixed(1),
    )
    if (minutes >= JUDGED_FROM_MINUTES)
      report.check('memory is flat', growth < GROWTH_MIB_MAX, `${growth.toFixed(2)} MiB a minute`)
    report.check('all are woken', lost === 0, `${lost} never`)
    report.none('nothing is refused', problems, wakes.length)
  } finally {
    stopping = true
    line.destroy()
    await stage.close()
  }
  report.end()
}, 3_600_000)

const residentMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024

/** Processor time of a process, in milliseconds; a tick is a hundredth of a second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10
}

interface Sample {
  /** Minutes. */
  readonly at: number
  readonly mib: number
}

/** Of the heap, as the gateway itself tells. */
async function usedMiB(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers: operator })).text()
  return Number(/^nodejs_heap_size_used_bytes(?:{[^}]*})? (\S+)$/m.exec(text)?.[1]) / 2 ** 20
}

/** The lowest of each window. */
function floorOf(samples: readonly Sample[]): Sample[] {
  const windows = new Map<number, Sample>()
  for (const one of samples) {
    const window = Math.floor((one.at * 60_000 - WARM_MS) / FLOOR_MS)
    if (one.mib < (windows.get(window)?.mib ?? Number.POSITIVE_INFINITY)) windows.set(window, one)
  }
  return [...windows.values()]
}

/** The most of each minute. */
const mostOf = (resident: readonly number[]): string[] => {
  const each = FLOOR_MS / SAMPLE_MS
  return Array.from({ length: Math.ceil(resident.length / each) }, (_, n) =>
    Math.max(...resident.slice(n * each, (n + 1) * each)).toFixed(0),
  )
}
