/** Lines between clients and replicas, and clients that behave badly. */
import { connect, type Socket } from 'node:net'
import { nap } from '../dice.ts'
import type { Staged } from '../scene.ts'
import { type FaultClass, replicaOf, type Stage } from './fault.ts'

const toClients =
  (run: (replica: Staged, stage: Stage) => Promise<void>): FaultClass =>
  (stage) => {
    const replica = stage.dice.pick(stage.scene.replicas)
    return { targets: [`clients of ${replicaOf(replica.index)}`], affects: [], run: () => run(replica, stage) }
  }

const both = ({ http, grpc }: Staged) => [http, grpc]

async function whileOn(replica: Staged, mode: Parameters<Staged['http']['set']>[0], ms: number): Promise<void> {
  for (const line of both(replica)) line.set(mode)
  await nap(ms)
  for (const line of both(replica)) line.set({ kind: 'pass' })
}

/** Sockets that say `words` and then nothing, for a while. */
async function idlers({ process }: Staged, count: number, words: string, ms: number): Promise<void> {
  const { hostname: host, port } = new URL(process.url)
  const sockets: Socket[] = Array.from({ length: count }, () => {
    const socket = connect({ host, port: Number(port) }, () => socket.write(words))
    socket.on('error', () => {})
    return socket
  })
  await nap(ms)
  for (const socket of sockets) socket.destroy()
}

export const NETWORK: Readonly<Record<string, FaultClass>> = {
  'F43 clients are far away': toClients((replica, { dice }) =>
    whileOn(replica, { kind: 'latency', ms: 80, jitterMs: 200 }, 1_000 + dice.below(3_000)),
  ),
  'F43 clients have a thin line': toClients((replica, { dice }) =>
    whileOn(replica, { kind: 'throttle', bytesPerSecond: 8_000 }, 1_000 + dice.below(2_000)),
  ),
  'F60 the same message from eight at once': ({ storm, dice }) => ({
    targets: ['storm'],
    affects: [],
    async run() {
      for (let times = 5 + dice.below(10); times > 0; times--) await storm()
    },
  }),
  'F61 clients lose their connections': toClients(async (replica) => {
    for (const line of both(replica)) line.cutAll()
  }),
  'F61 clients do not get their answers': toClients((replica, { dice }) =>
    whileOn(replica, { kind: 'lose replies' }, 100 + dice.below(900)),
  ),
  'F62 two hundred connections come and go': toClients(async (replica) => {
    for (let times = 0; times < 4; times++) await idlers(replica, 50, '', 50)
  }),
  'F63 a hundred slow headers': toClients((replica) =>
    idlers(replica, 100, 'POST /agents/dedupes HTTP/1.1\r\nHost: localhost\r\nX-Slow: ', 4_000),
  ),
}
