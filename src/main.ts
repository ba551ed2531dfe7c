/**
 * The only file that knows every part: builds them, introduces the two halves to each other, starts in order, stops in
 * reverse. Everything that a test or a bench may want otherwise comes in by `Overrides`.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { banner } from './banner.ts'
import { type Config, publicUrl, readConfig, SETTINGS } from './config.ts'
import { createPresentCard } from './gateway/agents/present.ts'
import { createAgents } from './gateway/agents/registry.ts'
import { createApiKeys, newAgentKey } from './gateway/callers/apiKeys.ts'
import { createAuthenticate } from './gateway/callers/authenticate.ts'
import { createDepths } from './gateway/deliveries/depth.ts'
import { createForwarder } from './gateway/forwarder/forwarder.ts'
import { replay } from './gateway/forwarder/replay.ts'
import { joinAsReplica } from './gateway/forwarder/replica.ts'
import { createSweep } from './gateway/forwarder/sweep.ts'
import { createExecute } from './gateway/operations/execute.ts'
import { createHints } from './gateway/tasks/hints.ts'
import { createHub } from './gateway/tasks/hub.ts'
import { createRecord } from './gateway/tasks/record.ts'
import type { HappeningSignals, Happenings } from './happenings.ts'
import { createFace } from './http/app.ts'
import { createHealth } from './http/health.ts'
import { createHostCheck } from './http/hosts.ts'
import { createLog, type Log } from './http/log.ts'
import { createMetrics } from './http/metrics.ts'
import { LIMITS, type Limits } from './limits.ts'
import { systemClock } from './platform/clock.ts'
import { createEgress, type EgressOptions } from './platform/egress.ts'
import { uuidv7 } from './platform/ids.ts'
import { createSeal } from './platform/seal.ts'
import type { LoopTools, Service } from './platform/service.ts'
import { createSignals } from './platform/signals.ts'
import type { StreamEntry } from './ports.ts'
import { derivedKey, readSecrets, signingKeys } from './secrets.ts'
import type { Db } from './store/db.ts'
import { openEmbedded } from './store/drivers/pglite.ts'
import { openPostgres } from './store/drivers/postgres.ts'
import { createAppend } from './store/events.ts'
import { countWaiting } from './store/lanes.ts'
import { migrateUp, onPostgres, readMigrations } from './store/migrate.ts'
import { createOpen } from './store/tasks.ts'
import { createFetchCard } from './wire/bindings/card.ts'
import { createPeer } from './wire/bindings/peer.ts'
import { createA2aServer } from './wire/bindings/server.ts'
import { createSigner } from './wire/bindings/signing.ts'
import { createPostWebhook } from './wire/bindings/webhook.ts'
import { ALL_VERSIONS } from './wire/versions/table.ts'

/** What a test or a bench may want otherwise. */
export interface Overrides {
  readonly limits?: Partial<Limits>
  /** How often and how far apart webhooks are tried. */
  readonly webhooks?: { attemptsMax: number; firstMs: number; longestMs: number }
  readonly egress?: Partial<EgressOptions>
  readonly lanes?: number
  /** Listens to everything from the first moment on. */
  readonly onSignals?: (signals: HappeningSignals) => void
}

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

export const VERSION: string = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string }
).version

async function openStore(config: Config, signals: HappeningSignals): Promise<Db> {
  if (!config.databaseUrl) return openEmbedded({ directory: config.dataDir })
  await onPostgres(config.databaseUrl, (connection) => migrateUp(connection, readMigrations()))
  return openPostgres({ url: config.databaseUrl, onReplaced: (reason) => signals.emit('store.replaced', { reason }) })
}

const LOOPBACK = ['127.0.0.0/8', '::1/128']

/** Builds and starts a gateway. Rejects with an error that has a `code` and a `hint` when it cannot run. */
export async function startGateway(config: Config, overrides: Overrides = {}): Promise<Gateway> {
  const clock = systemClock
  const signals = createSignals<Happenings>()
  overrides.onSignals?.(signals)
  const limits: Limits = { ...LIMITS, ...overrides.limits }
  const secrets = readSecrets(config)
  const seal = createSeal(secrets.masterKey)
  const db = await openStore(config, signals)
  const now = () => new Date(clock.now().getTime() + db.offsetMs())
  await db.ping()

  const loopTools: LoopTools = {
    clock,
    stopGraceMs: limits.stopGraceMs,
    pauseMs: limits.pollMs,
    onError: (service, error) =>
      signals.emit('service.failed', { service, error: (error as Error)?.message?.slice(0, 300) ?? String(error) }),
  }
  let bound = config.port
  const url = () => publicUrl(config, bound)
  const draining = new AbortController()

  const egress = createEgress({
    allow: config.egressAllow ?? (config.databaseUrl ? [] : LOOPBACK),
    onBlocked: (host, reason) => signals.emit('egress.blocked', { host, reason }),
    userAgent: `waypost/${VERSION}`,
    ...overrides.egress,
  })
  const wireTools = { egress, clock }
  const fetchCard = createFetchCard(wireTools)
  const peer = createPeer({
    ...wireTools,
    fetchCard,
    quarantine: (reason, target) =>
      signals.emit('delivery.quarantined', { task: '', destination: `agent:${target.name}`, reason }),
  })
  const signer = await createSigner({ keys: await signingKeys(db, seal), issuer: url() })
  const postWebhook = createPostWebhook({ ...wireTools, sign: signer, userAgent: `waypost/${VERSION}` })

  const agents = createAgents({ db, seal, fetchCard, checkUrl: egress.checkUrl, newAgentKey, clock, signals })
  const interfaces = [...ALL_VERSIONS]
    .reverse()
    .flatMap(({ version }) => ['JSONRPC', 'HTTP+JSON'].map((binding) => ({ binding, version, path: '' })))
  const presentCard = createPresentCard({ find: agents.find, publicUrl: url, interfaces, sign: signer.jws })
  const authenticate = createAuthenticate({
    db,
    clock,
    signals,
    adminKey: secrets.adminKey,
    auth: config.auth,
    isOpen: async (tenant, agent) => (await agents.find(tenant, agent))?.policy.access === 'anonymous',
  })
  const keys = createApiKeys({ db, onRevoked: authenticate.forget })

  const replica = await joinAsReplica({ db, clock, loopTools, name: `${hostname()}:${process.pid}` })
  const hints = createHints({ db, clock, replica: replica.id, hasOthers: replica.hasOthers })
  const hub = createHub({ db, clock, loopTools, announce: hints.announce })
  const depths = createDepths({ db, clock, max: limits.queuePerAgentMax })
  const wakeLanes = (lanes: string | null) => {
    for (const lane of lanes?.split('\n') ?? []) {
      const [tenant, destination] = lane.split(' ', 2) as [string, string]
      forwarder.wake(tenant, destination)
    }
  }
  const append = createAppend(db, {
    webhookAgeSeconds: limits.webhookAgeMaxMs / 1000,
    newId: uuidv7,
    onOwed: wakeLanes,
  })
  const open = createOpen(db, overrides.lanes === undefined ? {} : { lanes: overrides.lanes })
  const record = createRecord({ append, now, signals, publish: hub.publish })

  const forwarder = createForwarder({
    db,
    clock,
    now,
    agents,
    peer,
    postWebhook,
    seal,
    record,
    signals,
    loopTools,
    owner: replica.id,
    webhooks: overrides.webhooks ?? {
      attemptsMax: limits.webhookAttemptsMax,
      firstMs: limits.webhookBackoffFirstMs,
      longestMs: limits.webhookBackoffLongestMs,
    },
    async widthOf(tenant, destination) {
      if (destination.startsWith('webhook:')) return { width: limits.webhookInflightPerReceiver, paused: false }
      const agent = await agents.find(tenant, destination.slice('agent:'.length))
      // An agent that collects is not sent to; one that is gone has its deliveries ended by an attempt.
      if (agent?.connector.kind === 'mailbox') return { width: 0, paused: false }
      return { width: agent?.policy.maxInflight ?? 1, paused: agent?.pausedAt !== undefined }
    },
    async probe(tenant, destination, signal) {
      const agent = await agents.find(tenant, destination.slice('agent:'.length))
      return agent === undefined || (await agents.probe(agent, signal)).kind === 'ready'
    },
  })
  const published = (tenant: string, taskId: string, entries: readonly StreamEntry[], owed: string | null) => {
    hub.publish(tenant, taskId, entries)
    wakeLanes(owed)
  }
  const wake = (tenant: string, destination: string, orderingKey?: string) => {
    depths.added(tenant, destination)
    forwarder.wake(tenant, destination, orderingKey)
  }
  const sweep = createSweep({ db, clock, now, loopTools, owner: replica.id, record, signals, wake: forwarder.wake })

  const execute = createExecute({
    db,
    seal,
    checkUrl: egress.checkUrl,
    open,
    handOver: forwarder.handOver,
    release: forwarder.release,
    now,
    wake,
    published,
    clock,
    agents,
    hub,
    record,
    peer,
    delivering: { take: forwarder.take, isClosed: forwarder.isClosed, depth: depths.depth },
    signals,
    presentCard,
    pageKey: derivedKey(secrets.masterKey, 'page tokens'),
    blockMs: config.blockSeconds * 1000,
    pushConfigsMax: limits.pushConfigsPerTaskMax,
    queuePerAgentMax: limits.queuePerAgentMax,
    draining: draining.signal,
  })

  const isDraining = () => draining.signal.aborted
  const operator = {
    tenant: 'default',
    id: 'operator',
    kind: 'local' as const,
    permits: new Set(['operator' as const]),
  }
  const { agents: provisioned, problems } = await agents.provision(config.cardsDir, operator)

  const server = createServer(SERVER_OPTIONS)
  bound = await listen(server, config)
  const health = createHealth({ db, clock, version: VERSION, draining: isDraining })
  const metrics = createMetrics({ signals, db, version: VERSION, node: process.version })
  const face = createFace({
    db,
    clock,
    signals,
    agents,
    keys,
    authenticate,
    presentCard,
    health,
    metrics,
    jwks: signer.jwks,
    replay: (tenant, id, by) => replay({ db, now, agents, open, wake: forwarder.wake }, tenant, id, by),
    follow: hub.follow,
    wake: forwarder.open,
    draining: draining.signal,
    pageKey: derivedKey(secrets.masterKey, 'page tokens'),
    publicUrl: url,
    bind: config.host,
    enroll: config.enroll,
  })
  const checkHost = createHostCheck({ publicUrl: url, bind: config.host })
  const a2a = createA2aServer({
    execute,
    authenticate,
    presentCard,
    signals,
    clock,
    limits,
    publicHost: new URL(url()).host,
    draining: isDraining,
    ...(config.rootAgent && { rootAgent: config.rootAgent }),
    ...(config.quirks && { quirks: config.quirks }),
  })
  server.on('request', (request, response) => {
    // The face checks the host by itself, and says what is wrong.
    if (checkHost(request) || !a2a.serve(request, response)) face(request, response)
  })

  const services: Service[] = [replica, hub, forwarder, sweep]
  for (const service of services) await service.start()
  await hints.listen(hub.look)

  let stopped: Promise<void> | undefined
  async function stop(): Promise<void> {
    draining.abort()
    forwarder.drain()
    server.close()
    server.closeIdleConnections()
    for (const service of [...services].reverse()) await service.stop()
    server.closeAllConnections()
    metrics.close()
    await egress.close()
    await db.close()
  }
  return {
    url: url(),
    port: bound,
    db,
    signals,
    adminKey: secrets.adminKey,
    ...(secrets.adminKeyFile && { adminKeyFile: secrets.adminKeyFile }),
    agents: provisioned.map(({ name }) => name),
    cardProblems: problems.map(({ file, problem }) => `${file}: ${problem}`),
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** Node's defaults leave a slow body open for more than 100 s and slow headers for 79 s. */
const SERVER_OPTIONS = {
  headersTimeout: LIMITS.headersTimeoutMs,
  requestTimeout: LIMITS.requestTimeoutMs,
  keepAliveTimeout: LIMITS.keepAliveTimeoutMs,
  connectionsCheckingInterval: LIMITS.connectionsCheckMs,
  maxHeaderSize: LIMITS.headerBytesMax,
}

/** The port is taken. */
export class PortInUseError extends Error {
  readonly code = 'WAYPOST_ERR_PORT_IN_USE'
  readonly hint = 'stop whoever listens there, or choose another port: PORT=4290 npm start'
}

function listen(server: Server, config: Config): Promise<number> {
  server.maxConnections = LIMITS.connectionsMax
  server.maxHeadersCount = LIMITS.headersCountMax
  server.maxRequestsPerSocket = LIMITS.requestsPerSocketMax
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new PortInUseError(`${config.host}:${config.port} is in use`) : error),
    )
    server.listen(config.port, config.host, 1024, () => resolve((server.address() as AddressInfo).port))
  })
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
    const gateway = await startGateway(config, { onSignals: log.follow })
    stopOnSignal(gateway, log)
    for (const problem of gateway.cardProblems) log.say('warn', 'agent card refused', { problem })
    const readyMs = performance.now() - began
    const waiting = await countWaiting(gateway.db)
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
