/** b1: stored, forwarded, the answer stored, the caller answered; against forwarding alone. */
import { books, sendRound } from './accept.mjs'
import { inTurn, median, profiled, rowOf, withCpu } from './measure.mjs'

export const carry = {
  rows: {
    b1: {
      title: 'end to end, blocking',
      against: 'a proxy that stores nothing, same agent',
      floor: 0.3,
      target: 0.45,
      moonshot: 0.57,
    },
  },
  async measure(stage, { rounds, ms, skipMs, say }) {
    const load = await stage.part('load')
    const agent = await stage.part('agent')
    const proxy = await stage.part('proxy', { upstream: agent.port })
    const url = `http://127.0.0.1:${agent.port}/`
    const gateway = await stage.gateway([
      { name: 'bench', connector: { kind: 'a2a', url }, maxInflight: 64, redelivery: 'atLeastOnce' },
    ])
    const target = { port: gateway.port, path: '/agents/bench', key: gateway.key, blocking: true }
    const ours = async (warmUp) => {
      await agent.call('reset')
      const send = () => sendRound(load, target, { ms, skipMs })
      const sent = await withCpu(
        gateway,
        warmUp ? send : () => profiled(stage, gateway, 'carry', send),
        ({ tasks }) => tasks.length,
      )
      const { executed, distinct } = await agent.call('stats')
      const [done] =
        await gateway.sql`select count(*)::int as count from tasks where id = any(${sent.tasks}::uuid[]) and state = 3`
      return { ...sent, lost: sent.tasks.length - Math.min(distinct, done.count), duplicated: executed - distinct }
    }
    const through = () => sendRound(load, { port: proxy.port, path: '/', blocking: true }, { ms, skipMs })
    const measured = await inTurn({ proxy: through, gateway: ours }, { rounds, say })
    await gateway.close()
    const cpu = `${Math.round(median(measured.gateway.map(({ cpuMicros }) => cpuMicros)))} µs of the gateway's CPU each`
    const p50 = (rows) => median(rows.map((row) => row.p50)).toFixed(1)
    const notes = `${cpu}; p50 ${p50(measured.gateway)} ms, the proxy's ${p50(measured.proxy)} ms`
    return { b1: rowOf(measured.gateway, measured.proxy, books(measured.gateway), notes) }
  },
}
