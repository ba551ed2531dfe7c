/** Starts the parts in order, stops them in reverse. `assembly.ts` builds them. */
import type { RequestListener } from 'node:http'
import { parseArgs } from 'node:util'
import {
  buildOutward,
  buildParties,
  buildQueue,
  buildReplay,
  type Outward,
  type Parties,
  type Queue,
} from './assembly.ts'
import { banner } from './banner.ts'
import { buildMcp } from './bridges.ts'
import { type Config, readConfig, SETTINGS } from './config.ts'
import { type Ground, layGround, limitsOf, type Overrides } from './ground.ts'
import type { HappeningSignals, Happenings } from './happenings.ts'
import { createFace } from './http/app.ts'
import { createAccess, type Face } from './http/face.ts'
import { createHealth } from './http/health.ts'
import { createHostCheck } from './http/hosts.ts'
import { inboxRoutes } from './http/inbox.ts'
import { createLog, type Log } from './http/log.ts'
import { createMetrics, type Metrics } from './http/metrics.ts'
import { createListener } from './httpListener.ts'
import { roomFor } from './issuers.ts'
import { buildGrpc, buildSockets, refuseHeaders, serve } from './listeners.ts'
import { buildDoors } from './others.ts'
import { systemClock } from './platform/clock.ts'
import { failpoint } from './platform/failpoints.ts'
import { listen } from './platform/listen.ts'
import { createSignals } from './platform/signals.ts'
import { type Caller, DEFAULT_TENANT, type Execute } from './ports.ts'
import { derivedKey } from './secrets.ts'
import type { Db } from './store/db.ts'
import { countWaiting } from './store/lanes.ts'
import { VERSION } from './version.ts'
import { untilThere } from './waitingRoom.ts'
import { createPlaces, type StreamPlaces } from './wire/bindings/places.ts'
import { createA2aServer } from './wire/bindings/server.ts'

export type { Overrides } from './ground.ts'

export interface Gateway {
  readonly url: string
  readonly port: number
  readonly db: Db
  readonly signals: HappeningSignals
  readonly adminKey: string
  readonly adminKeyFile?: string
  readonly agents: readonly string[]
  readonly cardProblems: readonly string[]
  /** Takes no more, ends or hands over what is on its way, closes. Idempotent. */
  stop(): Promise<void>
}

const PROVISIONER: Caller = { tenant: DEFAULT_TENANT, id: 'operator', kind: 'local', permits: new Set(['operator']) }

/** Builds and starts a gateway; waits for its database. Rejects with an error that has a `code` and a `hint` when it cannot run. */
export async function startGateway(config: Config, overrides: Overrides = {}): Promise<Gateway> {
  const signals = createSignals<Happenings>()
  overrides.onSignals?.(signals)
  const waiting = { config, limits: limitsOf(overrides), clock: systemClock, signals }
  return untilThere(waiting, async (vacate) => {
    const ground = await layGround(config, overrides, signals)
    try {
      return await start(ground, vacate)
    } catch (error) {
      // Nobody else could open the embedded database as long as this process lives.
      if (!ground.draining.signal.aborted) await ground.db.close().catch(() => {})
      throw error
    }
  })
}

async function start(ground: Ground, vacate: () => Promise<void>): Promise<Gateway> {
  const { config, secrets } = ground
  const outward = await buildOutward(ground)
  const parties = buildParties(ground, outward)
  const queue = await buildQueue(ground, outward, parties)
  const { agents, problems } = await parties.agents.provision(config.cardsDir, PROVISIONER)

  const { server, services } = createListener(ground)
  await vacate()
  const port = await listen(server, config.host, config.port, 'PORT=4290')
  ground.bind(port)
  const metrics = createMetrics({ signals: ground.signals, db: ground.db, version: VERSION, node: process.version })
  const { execute, services: more, faces } = buildDoors(ground, outward, parties, queue)
  const places = createPlaces(roomFor(ground))
  const mcp = buildMcp(ground, parties, queue, execute)
  const spoken = { execute, places, mounts: [mcp.face, ...faces] }
  const sockets = buildSockets(ground, parties, queue)
  serve(server, { answer: buildInward(ground, outward, parties, queue, metrics, spoken), sockets })

  services.push(
    queue.replica,
    outward.signingKeys,
    outward.mcp,
    queue.hub,
    queue.forwarder,
    queue.mailbox,
    queue.sweep,
    sockets,
    ...more,
    mcp,
  )
  try {
    if (config.grpcPort > 0) services.push(...(await buildGrpc(ground, parties, { execute, places })))
    for (const service of services) await service.start()
    await queue.hints.listen(queue.look, queue.mailbox.woken)
  } catch (error) {
    await stop()
    throw error
  }
  failpoint('ready')

  let stopped: Promise<void> | undefined
  async function stop(): Promise<void> {
    ground.draining.abort()
    queue.forwarder.drain()
    failpoint('drain.begun')
    server.close()
    server.closeIdleConnections()
    for (const service of [...services].reverse()) await service.stop()
    failpoint('drain.released')
    server.closeAllConnections()
    metrics.close()
    await outward.egress.close()
    await ground.db.close()
  }
  return {
    url: ground.url(),
    port,
    db: ground.db,
    signals: ground.signals,
    adminKey: secrets.adminKey,
    ...(secrets.adminKeyFile && { adminKeyFile: secrets.adminKeyFile }),
    agents: agents.map(({ name }) => name),
    cardProblems: problems.map(({ file, problem }) => `${file}: ${problem}`),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** Where agents without a server come for their work. */
function buildInbox(
  { limits, secrets, draining }: Ground,
  { agents, authenticate, noteDenial }: Parties,
  { mailbox }: Queue,
) {
  return inboxRoutes({
    access: createAccess(authenticate, noteDenial),
    mailbox,
    findAgent: agents.find,
    limits,
    pageKey: derivedKey(secrets.masterKey, 'page tokens'),
    draining: draining.signal,
  })
}

/** The half that speaks, as a server: A2A first, then our own face. */
function buildInward(
  ground: Ground,
  outward: Outward,
  parties: Parties,
  queue: Queue,
  metrics: Metrics,
  { execute, places, mounts }: { execute: Execute; places: StreamPlaces; mounts: readonly Face[] },
): RequestListener {
  const { config, db, clock, signals, limits, url, draining, secrets } = ground
  const isDraining = () => draining.signal.aborted
  const a2a = createA2aServer({
    execute,
    places,
    authenticate: parties.authenticate,
    presentCard: parties.presentCard,
    sign: outward.signer.signature,
    signals,
    clock,
    limits,
    publicHost: new URL(url()).host,
    draining: isDraining,
    ...(config.rootAgent && { rootAgent: config.rootAgent }),
    ...(config.quirks && { quirks: config.quirks }),
  })
  const face = createFace({
    db,
    clock,
    signals,
    ...parties,
    health: createHealth({ db, clock, version: VERSION, draining: isDraining }),
    metrics,
    jwks: outward.signer.jwks,
    signingKeys: outward.signingKeys,
    replay: buildReplay(ground, parties, queue),
    follow: queue.hub.follow,
    receivePush: queue.pushes.receive,
    wake(tenant, destination) {
      queue.forwarder.open(tenant, destination)
      queue.mailbox.wake(tenant, destination)
    },
    draining: draining.signal,
    pageKey: derivedKey(secrets.masterKey, 'page tokens'),
    publicUrl: url,
    bind: config.host,
    enroll: config.enroll,
    mounts: [buildInbox(ground, parties, queue), ...mounts],
  })
  const checkHost = createHostCheck({ publicUrl: url, bind: config.host })
  return (request, response) => {
    if (request.rawHeaders.length > 2 * limits.headersCountMax) return refuseHeaders(request, response)
    // The face checks the host by itself, and says what is wrong.
    if (checkHost(request) || !a2a.serve(request, response)) face(request, response)
  }
}

/** What went wrong before the gateway ran, in the form that every command uses. */
function complain(error: unknown): void {
  const { code = 'WAYPOST_ERR_START', message, hint } = error as { code?: string; message?: string; hint?: string }
  process.stderr.write(`Error: ${code}: ${message ?? String(error)}\n`)
  if (hint) process.stderr.write(`Hint: ${hint}\n`)
}

/** Runs until a signal stops it. A second signal ends it at once, which is as safe as `kill -9`. */
function stopOnSignal(gateway: Gateway, log: Log): void {
  let asked = false
  const stop = async (signal: string) => {
    if (asked) process.exit(1)
    asked = true
    log.say('info', 'stopping', { signal })
    const began = performance.now()
    await gateway.stop()
    log.say('info', 'stopped', { ms: Math.round(performance.now() - began) })
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

/** Starts the gateway in this process and prints the first page. `flags` are settings by their flag's name. */
export async function runGateway(flags: Readonly<Record<string, string | undefined>> = {}): Promise<void> {
  const began = performance.now()
  try {
    const config = readConfig({ flags })
    const onTerminal = process.stderr.isTTY === true
    const log = createLog({
      level: config.logLevel,
      pretty: (config.log ?? (onTerminal ? 'pretty' : 'json')) === 'pretty',
    })
    // It may wait for its database for long; the first process of a container has no other way to hear of a signal.
    const leave = () => process.exit(0)
    process.once('SIGTERM', leave).once('SIGINT', leave)
    const gateway = await startGateway(config, { onSignals: log.follow })
    process.off('SIGTERM', leave).off('SIGINT', leave)
    stopOnSignal(gateway, log)
    for (const problem of gateway.cardProblems) log.say('warn', 'agent card refused', { problem })
    const readyMs = performance.now() - began
    // It runs: that it could not count is no reason to end it.
    const waiting = await countWaiting(gateway.db).catch(() => 0)
    const { url, agents, adminKeyFile } = gateway
    if (onTerminal)
      process.stderr.write(
        banner({ version: VERSION, url, config, agents, waiting, readyMs, ...(adminKeyFile && { adminKeyFile }) }),
      )
    else
      log.say('info', 'ready', {
        url,
        version: VERSION,
        node: process.version,
        agents: agents.length,
        waiting,
        ms: Math.round(readyMs),
      })
  } catch (error) {
    complain(error)
    process.exit(1)
  }
}

if (process.argv[1] === import.meta.filename) {
  const options = Object.fromEntries(Object.values(SETTINGS).map(({ flag }) => [flag, { type: 'string' as const }]))
  try {
    await runGateway(parseArgs({ options }).values as Record<string, string | undefined>)
  } catch (error) {
    complain({ code: 'WAYPOST_ERR_USAGE', message: (error as Error).message, hint: './waypost serve --help' })
    process.exit(2)
  }
}
