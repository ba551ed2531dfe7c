/** g1, g2: what a second replica brings. */
import { availableParallelism } from 'node:os'
import { absent, books, inTurn, rowOf } from './measure.mjs'
import { acknowledged, collecting, emptyQueues } from './sending.mjs'

/** A gateway, its database, the load generator and the system each want some of one. */
const CORES_FREE = 4
const CONNECTIONS = 64

export const replicas = {
  rows: {
    g1: {
      title: 'accepted/s by 2 replicas, same cores',
      against: '1 replica, as many connections in all',
      floor: 0.7,
      target: 0.8,
      moonshot: 0.9,
    },
    g2: {
      title: 'accepted/s by 2 replicas, cores to spare',
      against: '1 replica, as many connections in all',
      floor: 1.5,
      target: 1.7,
      moonshot: 1.9,
    },
  },
  async measure(stage, { wanted, rounds, ms, skipMs, say }) {
    const cores = availableParallelism()
    const spare = cores >= CORES_FREE
    const shared = `${cores} cores: the replicas do not share them as g1 wants it`
    const report = {
      ...(!spare && { g2: absent(`it needs cores to spare, ${CORES_FREE} at least; this machine has ${cores}`) }),
      ...(spare && { g1: absent(shared) }),
    }
    const id = spare ? 'g2' : 'g1'
    if (!wanted.has(id)) return report
    const load = await stage.part('load')
    const database = await stage.database()
    const alone = await stage.gateway([collecting('bench')])
    const both = [
      await stage.gateway([collecting('bench')], database),
      await stage.gateway([collecting('bench')], database),
    ]
    const pace = { ms, skipMs }
    const single = async () => {
      await emptyQueues(alone)
      return acknowledged(load, alone, 'bench', pace)
    }
    const together = async () => {
      await emptyQueues(both[0])
      const connections = CONNECTIONS / both.length
      const sent = await Promise.all(
        both.map((gateway) => acknowledged(load, gateway, 'bench', { ...pace, connections })),
      )
      const slower = sent[0].p99 > sent[1].p99 ? sent[0] : sent[1]
      return { ...slower, rate: sent[0].rate + sent[1].rate, ...books(sent) }
    }
    const measured = await inTurn({ 'one replica': single, 'two replicas': together }, { rounds, say })
    for (const gateway of [alone, ...both]) await gateway.close()
    await database.drop()
    const [one, two] = [measured['one replica'], measured['two replicas']]
    return { ...report, [id]: rowOf(two, one, books(two), 'latencies of the slower of the two') }
  },
}
