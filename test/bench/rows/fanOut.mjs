/** d1: one task's events to many subscribers, from the agent's stream through the log to every reader's socket. */
import { books } from './accept.mjs'
import { inTurn, median, profiled, rowOf, withCpu } from './measure.mjs'

const budget = {
  against: 'raw `res.write(sharedBuffer)`, one event in one turn of the loop (ours may take many: see RESULTS.md)',
  floor: 0.5,
  target: 0.75,
  moonshot: 0.95,
}
const SIZES = {
  'd1-100': { subscribers: 100, batch: 100, ahead: 4 },
  'd1-1000': { subscribers: 1_000, batch: 20, ahead: 4 },
}

async function startStream(gateway, messageId) {
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

export const fanOut = {
  rows: {
    'd1-100': { title: 'SSE frames/s to 100 subscribers', ...budget },
    'd1-1000': { title: 'SSE frames/s to 1,000 subscribers', ...budget },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const readers = await stage.part('readers')
    const agent = await stage.part('agent')
    const raw = await stage.part('rawStream')
    const url = `http://127.0.0.1:${agent.port}/stream/`
    const gateway = await stage.gateway([{ name: 'bench', connector: { kind: 'a2a', url }, redelivery: 'atLeastOnce' }])
    const report = {}
    let streams = 0
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
      const stream = `00000000-0000-4000-8000-${String(++streams).padStart(12, '0')}`
      const id = await startStream(gateway, stream)
      await new Promise((resolve) => setTimeout(resolve, 200))
      const head = `Content-Type: application/json\r\nAccept: text/event-stream\r\nA2A-Version: 1.0\r\nAuthorization: Bearer ${gateway.key}\r\n`
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SubscribeToTask', params: { id } })
      const emit = `http://127.0.0.1:${agent.port}/emit?stream=${stream}`
      const read = () =>
        readers.call('fanOut', { ...size, ms, skipMs, port: gateway.port, path: '/agents/bench', head, body, emit })
      const run = warmUp ? read : () => profiled(stage, gateway, name, read)
      const result = await withCpu(gateway, run, ({ events }) => events * size.subscribers)
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
      const cpu = `${median(mine.map(({ cpuMicros }) => cpuMicros)).toFixed(1)} µs of the gateway's CPU a frame`
      report[name] = rowOf(mine, bare, books(mine), cpu)
    }
    await gateway.close()
    return report
  },
}
