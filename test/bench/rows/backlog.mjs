/** e1, e2: how fast messages that wait are carried, however many there are. */
import { drain } from './drain.mjs'
import { fillMessages } from './fill.mjs'
import { books, cpuNote, inTurn, rowOf } from './measure.mjs'
import { calledAt } from './sending.mjs'

const flat = { against: 'drain of a backlog of 10,000', floor: 0.7, target: 0.9, moonshot: 1 }

/** What the agent is sent at least: a message of the same size, and its answer. */
const MESSAGE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'SendMessage',
  params: { message: { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'x'.repeat(900) }] } },
})

export const drains = {
  rows: {
    e1: { title: 'drain of a backlog of 100,000', ...flat },
    'e1-1m': { title: 'drain of a backlog of 1,000,000', ...flat, long: true },
    e2: {
      title: 'drain over HTTP',
      against: 'a bare undici POST loop to the same agent, 64 in flight',
      floor: 0.2,
      target: 0.35,
      moonshot: 0.5,
    },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const load = await stage.part('load')
    const receiver = await stage.part('agent')
    const gateway = await stage.gateway([calledAt('bench', `http://127.0.0.1:${receiver.port}/`)])
    const shared = { stage, gateway, receiver, fill: fillMessages, skipMs, windowMs: ms }
    const of = (backlog, name) => (warmUp) =>
      drain({ ...shared, backlog: warmUp ? 3_000 : backlog, name: warmUp ? '' : name })
    const [flatWanted, long] = [wanted.has('e1') || wanted.has('e1-1m'), wanted.has('e1-1m')]
    const measured = await inTurn(
      {
        ...(wanted.has('e2') && {
          'bare loop': () =>
            load.call('posts', { port: receiver.port, inFlight: 64, ms, skipMs, body: MESSAGE, path: '/rpc' }),
        }),
        ...(flatWanted && { small: of(10_000) }),
        large: of(100_000, 'e1'),
        ...(long && { million: of(1_000_000) }),
      },
      { rounds, say },
    )
    await gateway.close()
    const { small, large, million, 'bare loop': bare } = measured
    return {
      ...(wanted.has('e1') && { e1: rowOf(large, small, books([...small, ...large]), cpuNote(large)) }),
      ...(long && { 'e1-1m': rowOf(million, small, books([...small, ...million]), cpuNote(million)) }),
      ...(bare && { e2: rowOf(large, bare, books(large), 'of 100,000') }),
    }
  },
}
