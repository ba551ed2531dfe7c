/** b1: stored, forwarded, the answer stored, the caller answered; against forwarding alone. */
import { median } from '../numbers.mjs'
import { books, cpuNote, inTurn, rowOf, withCpu } from './measure.mjs'
import { profiled } from './profile.mjs'
import { calledAt, sendRound, targetOf } from './sending.mjs'

/** A gateway, a proxy that stores nothing, and the agent behind both. */
export async function carryStage(stage) {
  const load = await stage.part('load')
  const agent = await stage.part('agent')
  const proxy = await stage.part('proxy', { upstream: agent.port })
  const gateway = await stage.gateway([calledAt('bench', `http://127.0.0.1:${agent.port}/`)])
  return { load, agent, proxy, gateway }
}

const DONE = 'select count(*)::int as count from tasks where id = any($1::uuid[]) and state = 3'

/** Blocking sends, and what the agent and the database say of them. */
export async function carried({ load, agent, gateway }, pace, around = (send) => send()) {
  await agent.call('reset')
  const send = () => sendRound(load, targetOf(gateway, 'bench', true), pace)
  const sent = await withCpu(
    gateway,
    () => around(send),
    ({ tasks }) => tasks.length,
  )
  const { executed, distinct } = await agent.call('stats')
  const [done] = await gateway.sql.unsafe(DONE, [`{${sent.tasks.join(',')}}`])
  return { ...sent, lost: sent.tasks.length - Math.min(distinct, done.count), duplicated: executed - distinct }
}

export const proxied = ({ load, proxy }, pace) => sendRound(load, { port: proxy.port, path: '/', blocking: true }, pace)

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
    const parts = await carryStage(stage)
    const pace = { ms, skipMs }
    const measured = await inTurn(
      {
        proxy: () => proxied(parts, pace),
        gateway: (warmUp) =>
          carried(parts, pace, (send) =>
            warmUp ? send() : profiled(stage, parts.gateway, 'b1', send, ({ tasks }) => tasks.length),
          ),
      },
      { rounds, say },
    )
    await parts.gateway.close()
    const p50 = median(measured.proxy.map((round) => round.p50)).toFixed(1)
    const notes = `${cpuNote(measured.gateway)}; the proxy's p50 ${p50} ms`
    return { b1: rowOf(measured.gateway, measured.proxy, books(measured.gateway), notes) }
  },
}
