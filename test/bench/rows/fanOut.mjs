/** d1: one task's events to many subscribers, from the agent's stream through the log to every reader's socket. */
import { books, cpuNote, inTurn, pause, rowOf, withCpu } from './measure.mjs'
import { profiled } from './profile.mjs'

const budget = {
  against: 'raw `res.write(sharedBuffer)`, one event in one turn of the loop (ours may take many: see RESULTS.md)',
  floor: 0.5,
  target: 0.75,
  moonshot: 0.95,
}
const SIZES = {
  'd1-100': { subscribers: 100, batch: 100, ahead: 4 },
  'd1-1000': { subscribers: 1_000, batch: 20, ahead: 4 },
  'd1-5000': { subscribers: 5_000, batch: 5, ahead: 4 },
}

/** A task whose agent streams what it is told to under this id. */
export async function startStream(gateway, messageId) {
  const response = await fetch(`http://127.0.0.1:${gateway.port}/agents/bench`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${gateway.key}` },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'SendMessage',
      params: {
        message: { messageId, role: 'ROLE_USER', parts: [{ text: 'speak' }] },
        configuration: { returnImmediately: true },
      },
    }),
  })
  return (await response.json()).result.task.id
}

/** How to follow a task. */
export const followed = (gateway, id) => ({
  port: gateway.port,
  path: '/agents/bench',
  head: `Content-Type: application/json\r\nAccept: text/event-stream\r\nA2A-Version: 1.0\r\nAuthorization: Bearer ${gateway.key}\r\n`,
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SubscribeToTask', params: { id } }),
})

let streams = 0
export const newStream = () => `00000000-0000-4000-8000-${String(++streams).padStart(12, '0')}`

export const streamingAgent = (port) => [
  { name: 'bench', connector: { kind: 'a2a', url: `http://127.0.0.1:${port}/stream/` }, redelivery: 'atLeastOnce' },
]

export const fanOut = {
  rows: {
    'd1-100': { title: 'SSE frames/s to 100 subscribers', ...budget },
    'd1-1000': { title: 'SSE frames/s to 1,000 subscribers', ...budget },
    'd1-5000': { title: 'SSE frames/s to 5,000 subscribers', ...budget },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const readers = await stage.part('readers')
    const agent = await stage.part('agent')
    const raw = await stage.part('rawStream')
    const gateway = await stage.gateway(streamingAgent(agent.port))
    const report = {}
    const limit = (size) => async () => {
      await raw.call('reset')
      return readers.call('fanOut', {
        ...size,
        ms,
        skipMs,
        port: raw.port,
        path: '/',
        head: '',
        body: '',
        emit: `http://127.0.0.1:${raw.port}/emit`,
      })
    }
    const ours = (size, name) => async (warmUp) => {
      const stream = newStream()
      const id = await startStream(gateway, stream)
      await pause(200)
      const emit = `http://127.0.0.1:${agent.port}/emit?stream=${stream}`
      const read = () => readers.call('fanOut', { ...size, ms, skipMs, ...followed(gateway, id), emit })
      const count = ({ events }) => events * size.subscribers
      const run = warmUp ? read : () => profiled(stage, gateway, name, read, count)
      const result = await withCpu(gateway, run, count)
      await agent.call('finish', { stream })
      return result
    }
    for (const [name, size] of Object.entries(SIZES)) {
      if (!wanted.has(name)) continue
      const measured = await inTurn(
        { [`raw ${size.subscribers}`]: limit(size), [`gateway ${size.subscribers}`]: ours(size, name) },
        { rounds, say },
      )
      const [bare, mine] = Object.values(measured)
      report[name] = rowOf(mine, bare, books(mine), cpuNote(mine, 'a frame', 1))
    }
    await gateway.close()
    return report
  },
}
