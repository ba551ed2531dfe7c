/** A gateway without its database: alive, not ready, and there as soon as the database is. */
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readConfig } from '../src/config.ts'
import type { HappeningSignals, Happenings } from '../src/happenings.ts'
import { startGateway } from '../src/main.ts'
import { freePort, openServer, type Server } from './support/databases.ts'
import { createLog } from './support/log.ts'
import { ADMIN_KEY, MASTER_KEY } from './support/replicas.ts'
import { aTcpLine, type TcpLine } from './support/tcpLine.ts'

let server: Server
let line: TcpLine
let databaseUrl: URL

beforeAll(async () => {
  server = await openServer()
  databaseUrl = new URL(await server.createEmpty())
  line = await aTcpLine({ target: () => ({ port: server.port }) })
})
afterAll(async () => {
  await line?.close()
  await server?.stop()
})

const QUICK = { databaseWaitFirstMs: 20, databaseWaitLongestMs: 100 }
const told = createLog<Happenings['store.awaited']>()

function start(url: URL, port: number) {
  const config = readConfig({
    env: {
      DATABASE_URL: url.href,
      PORT: String(port),
      GRPC_PORT: '0',
      WAYPOST_ADMIN_KEY: ADMIN_KEY,
      WAYPOST_MASTER_KEY: MASTER_KEY,
    },
    flags: {},
  })
  const onSignals = (signals: HappeningSignals) => void signals.on('store.awaited', (fact) => told.add(fact))
  return startGateway(config, { limits: QUICK, onSignals })
}
const onLine = () => Object.assign(new URL(databaseUrl), { port: String(line.port) })

test.each(['refuse', 'blackhole'] as const)('waits while the database is away (%s), and says so', async (kind) => {
  line.set(kind === 'refuse' ? { kind } : { kind, way: 'both' })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const ask = (path: string) => fetch(url + path, { method: path === '/' ? 'POST' : 'GET' })
  const starting = start(onLine(), port)
  if (kind === 'refuse') expect((await told.next(() => true)).reason).toMatch(/ECONN/)
  await expect
    .poll(
      () =>
        ask('/livez').then(
          ({ status }) => status,
          () => 0,
        ),
      { timeout: 10_000 },
    )
    .toBe(200)
  const ready = await ask('/readyz?verbose')
  expect([ready.status, await ready.json()]).toMatchObject([
    503,
    { status: 'not ready', checks: [{ name: 'database', ok: false }, {}, {}] },
  ])
  const refused = await ask('/')
  expect([refused.status, refused.headers.get('retry-after'), await refused.json()]).toMatchObject([
    503,
    '1',
    { code: 'UNAVAILABLE', detail: 'the gateway waits for its database' },
  ])
  line.set({ kind: 'pass' })
  const gateway = await starting
  expect(gateway.port).toBe(port)
  expect((await ask('/readyz')).status).toBe(200)
  await gateway.stop()
})

test.each([
  ['no such database', (url: URL) => Object.assign(url, { pathname: '/nobodys' }), /nobodys/],
  ['no such user', (url: URL) => Object.assign(url, { username: 'nobody' }), /nobody/],
])('%s: it ends at once and says what is wrong', async (_what, change, text) => {
  await expect(start(change(new URL(databaseUrl)), await freePort())).rejects.toMatchObject({
    code: 'WAYPOST_ERR_DATABASE_REFUSED',
    message: expect.stringMatching(text),
  })
})

test('a port that is taken is told now, not when the database is there', async () => {
  line.set({ kind: 'refuse' })
  const port = await freePort()
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
  await expect(start(onLine(), port)).rejects.toMatchObject({ code: 'WAYPOST_ERR_PORT_IN_USE' })
  await new Promise((resolve) => other.close(resolve))
  line.set({ kind: 'pass' })
})
