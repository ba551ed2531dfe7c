/** d2: what an idle subscriber costs. d3: how long an event takes from its commit to a reader's socket. */
import { quantilesOf } from '../numbers.mjs'
import { startPart } from '../parts.mjs'
import { followed, newStream, startStream, streamingAgent } from './fanOut.mjs'
import { books, inTurn, pause, plainRow, rowOf } from './measure.mjs'

/** Enough that what each costs shows beside what everybody shares. */
const IDLE = 2_000
const FIRST = 200

/** Bytes of one more subscriber, when there are some already. */
async function bytesEach(server, readers, target, subscribers) {
  await readers.call('hold', { subscribers: FIRST, ...target })
  await pause(500)
  const before = await server.call('memory')
  const { held } = await readers.call('hold', { subscribers, ...target })
  await pause(500)
  const after = await server.call('memory')
  await readers.call('release')
  return { value: (after.rss - before.rss) / subscribers / 1_024, lost: FIRST + subscribers - held }
}

export const idle = {
  rows: {
    d2: {
      title: 'KiB of memory (RSS) a subscriber, idle',
      against: 'a response of raw node:http',
      floor: 2.5,
      target: 1.5,
      moonshot: 1.2,
      lower: true,
    },
  },
  async measure(stage, { rounds, say, quick }) {
    const readers = await stage.part('readers')
    const agent = await stage.part('agent')
    const subscribers = quick ? IDLE / 4 : IDLE
    // A process of its own each time: what one round has freed, the next would use again.
    const raw = async () => {
      const server = await startPart('rawStream', {}, { execArgv: ['--expose-gc'] })
      const each = await bytesEach(server, readers, { port: server.port, path: '/', head: '', body: '' }, subscribers)
      await server.stop()
      return each
    }
    const ours = async () => {
      const gateway = await stage.gateway(streamingAgent(agent.port))
      const stream = newStream()
      const id = await startStream(gateway, stream)
      await pause(200)
      const each = await bytesEach(gateway, readers, followed(gateway, id), subscribers)
      await agent.call('finish', { stream })
      await gateway.close()
      return each
    }
    const measured = await inTurn({ raw, gateway: ours }, { rounds, say, warmUp: false })
    const notes = `${subscribers} beyond the first ${FIRST}`
    return { d2: rowOf(measured.gateway, measured.raw, books(measured.gateway), notes, ({ value }) => value) }
  },
}

const onTheWire = {
  against: 'none, a time',
  lower: true,
  unit: 'ms',
}
const READERS = 10
const EVERY_MS = 25

export const wire = {
  rows: {
    'd3-same': { title: 'commit to reader, p99, same replica', ...onTheWire, floor: 20, target: 5, moonshot: 2 },
    'd3-other': { title: 'commit to reader, p99, another replica', ...onTheWire, floor: 100, target: 30, moonshot: 15 },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const [here, there] = await Promise.all([startPart('readers'), startPart('readers')])
    const agent = await stage.part('agent')
    const database = await stage.database()
    const writer = await stage.gateway(streamingAgent(agent.port), database)
    const other = await stage.gateway(streamingAgent(agent.port), database)
    // One that is alone tells nobody; it learns of the other with its next heartbeat.
    await pause(4_500)
    const parts = { agent, writer, other, here, there }
    const measured = []
    for (let round = 1; round <= rounds; round++) {
      measured.push(await wireRound(parts, { ms, skipMs }))
      const { same, another } = measured.at(-1)
      say(`  round ${round}: p99 ${same.p99.toFixed(2)} ms, on the other replica ${another.p99.toFixed(2)} ms`)
    }
    for (const part of [here, there]) await part.stop()
    for (const gateway of [other, writer]) await gateway.close()
    await database.drop()
    const rowFor = (place) => {
      const taken = measured.map((round) => ({ ...round[place], value: round[place].p99 }))
      return plainRow(taken, books(taken), `${READERS} readers, an event each ${EVERY_MS} ms`)
    }
    return {
      ...(wanted.has('d3-same') && { 'd3-same': rowFor('same') }),
      ...(wanted.has('d3-other') && { 'd3-other': rowFor('another') }),
    }
  },
}

/** One task that speaks each 25 ms; readers at the replica that writes its events, and at the other. */
async function wireRound({ agent, writer, other, here, there }, { ms, skipMs }) {
  const stream = newStream()
  const id = await startStream(writer, stream)
  await pause(300)
  await here.call('listen', { subscribers: READERS, ...followed(writer, id) })
  await there.call('listen', { subscribers: READERS, ...followed(other, id) })
  await pause(300)
  await writer.call('watchCommits')
  const count = Math.ceil((ms + skipMs) / EVERY_MS)
  for (let sent = 0; sent < count; sent++) {
    await fetch(`http://127.0.0.1:${agent.port}/emit?stream=${stream}&n=1`, { method: 'POST' })
    await pause(EVERY_MS)
  }
  await pause(1_500)
  const commits = new Map(await writer.call('commits'))
  const [same, another] = await Promise.all([here.call('release'), there.call('release')])
  await agent.call('finish', { stream })
  return { same: latencies(commits, same, count), another: latencies(commits, another, count) }
}

function latencies(commits, arrivals, count) {
  const times = arrivals.map(([number, at]) => at - commits.get(number))
  if (times.some(Number.isNaN)) throw new Error('an event was read whose commit was not seen')
  return {
    // A reader may have it before the writer's own loop comes to note the commit.
    ...quantilesOf(times.map((ms) => Math.max(0, ms))),
    lost: Math.max(0, READERS * count - arrivals.length),
    duplicated: Math.max(0, arrivals.length - READERS * count),
  }
}
