/** c, c2: webhooks, signed and durable, and what order costs. */
import { drain } from './drain.mjs'
import { fillWebhooks } from './fill.mjs'
import { books, cpuNote, inTurn, rowOf } from './measure.mjs'

const inOrder = (tasks) => ({
  title: `webhooks in order, ${tasks} tasks at a time`,
  against: 'as many webhooks, each of a task of its own',
  floor: 0.7,
  target: 0.85,
  moonshot: 0.95,
})

/** How many tasks' events wait at a time, of each row. */
const ORDERED = { 'c2-16': 16, 'c2-64': 64 }

export const webhooks = {
  rows: {
    c: {
      title: 'webhooks, durable and signed (ES256)',
      against: 'a bare undici POST loop to the same sink, 64 in flight',
      floor: 0.2,
      target: 0.3,
      moonshot: 0.5,
    },
    'c2-16': inOrder(16),
    'c2-64': inOrder(64),
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const load = await stage.part('load')
    const receiver = await stage.part('sink')
    const gateway = await stage.gateway([])
    const url = `http://127.0.0.1:${receiver.port}/hook`
    const backlog = Math.round(ms * 10)
    const drained = (tasks, name) => (warmUp) => {
      const waiting = warmUp ? 3_000 : backlog
      const events = tasks ? Math.round(waiting / tasks) : 1
      const fill = (sql, count) => fillWebhooks(sql, count, { url, events })
      const shared = { stage, gateway, receiver, fill, skipMs, windowMs: ms }
      return drain({ ...shared, backlog: tasks ? tasks * events : waiting, name: warmUp ? '' : name })
    }
    const ordered = Object.entries(ORDERED).filter(([id]) => wanted.has(id))
    const body = 'x'.repeat(1_150)
    const measured = await inTurn(
      {
        ...(wanted.has('c') && {
          'bare loop': () => load.call('posts', { port: receiver.port, inFlight: 64, ms, skipMs, body }),
        }),
        gateway: drained(0, 'c'),
        ...Object.fromEntries(ordered.map(([id, tasks]) => [id, drained(tasks, '')])),
      },
      { rounds, say },
    )
    await gateway.close()
    const { gateway: free, 'bare loop': bare } = measured
    return {
      ...(bare && { c: rowOf(free, bare, books(free), `${cpuNote(free)}; 64 in flight to one receiver`) }),
      ...Object.fromEntries(ordered.map(([id]) => [id, rowOf(measured[id], free, books(measured[id]))])),
    }
  },
}
