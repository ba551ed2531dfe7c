/**
 * Prometheus metrics: counted from what happens, gauges read from the store when somebody looks. Labels are ours: never a
 * task, a caller, a URL or anything a peer has said, and every label has a bounded number of values.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { REASONS } from '../a2a/errors.ts'
import { destinationOf } from '../gateway/agents/agent.ts'
import type { HappeningSignals, Happenings } from '../happenings.ts'
import { listAgents } from '../store/agents.ts'
import type { Db } from '../store/db.ts'
import { readQueues, readTotals } from '../store/queues.ts'

export interface Metrics {
  readonly contentType: string
  text(): Promise<string>
  close(): void
}

export interface MetricsTools {
  readonly signals: HappeningSignals
  readonly db: Db
  readonly version: string
  readonly node: string
}

/** Agents with a label of their own; the others are left out, and their number is told. */
const AGENTS_MAX = 200
const LABEL_VALUES_MAX = 100
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400]

/** The first values a label has are kept, later ones become `other`. */
function bounded(allowed: RegExp, valuesMax = LABEL_VALUES_MAX): (value: string) => string {
  const known = new Set<string>()
  return (value) => {
    if (known.has(value)) return value
    if (known.size >= valuesMax || !allowed.test(value)) return 'other'
    known.add(value)
    return value
  }
}
const WORD = /^[A-Za-z][A-Za-z0-9_.+-]{0,47}$/
/** An operation, or a route with its parameters as names. */
const OPERATION = /^([A-Za-z]{1,48}|(GET|POST|PATCH|DELETE) \/[A-Za-z0-9/:._-]{0,64})$/

export function createMetrics(tools: MetricsTools): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  new Gauge({ name: 'waypost_build_info', help: 'Always 1', labelNames: ['version', 'node'], registers: [registry] })
    .labels(tools.version, tools.node)
    .set(1)
  const stops = [...countWork(tools.signals, registry), ...countTrouble(tools.signals, registry)]
  const refresh = queueGauges(tools.db, registry)
  return {
    contentType: registry.contentType,
    async text() {
      await refresh()
      return registry.metrics()
    },
    close() {
      for (const stop of stops) stop()
      registry.clear()
    },
  }
}

/** What the gateway is there for. */
function countWork(signals: HappeningSignals, registry: Registry): (() => void)[] {
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers })
  const histogram = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Histogram({ name, help, labelNames, registers, buckets: SECONDS })
  const word = bounded(WORD)
  const operationLabel = bounded(OPERATION)
  const codeLabel = bounded(WORD, Object.keys(REASONS).length + 20)

  const requests = counter(
    'waypost_requests_total',
    'Requests by how they ended; errors inside HTTP 200 count as errors',
    ['binding', 'operation', 'code'],
  )
  const requestSeconds = histogram('waypost_request_seconds', 'Time to the answer, or to a stream’s end', [
    'binding',
    'operation',
  ])
  const accepted = counter('waypost_tasks_accepted_total', 'Sends that were kept', ['repeated'])
  const finished = counter('waypost_tasks_finished_total', 'Tasks that ended', ['state'])
  const taskSeconds = histogram('waypost_task_seconds', 'From accepted to ended', ['state'])
  const attempted = counter('waypost_delivery_attempts_total', 'Attempts by how they ended', [
    'kind',
    'outcome',
    'code',
  ])
  const attemptSeconds = histogram('waypost_delivery_attempt_seconds', 'One attempt', ['kind', 'outcome'])
  const waitedSeconds = histogram('waypost_delivery_wait_seconds', 'From owed to the attempt that delivered', ['kind'])
  const purged = counter('waypost_tasks_purged_total', 'Tasks removed because they had ended long ago', [])
  const overdue = new Gauge({
    name: 'waypost_tasks_past_retention',
    help: 'Tasks older than the retention that are still needed, at the last look of the replica that looks',
    registers,
  })
  const streams = new Gauge({
    name: 'waypost_streams_open',
    help: 'Streams to clients',
    labelNames: ['binding'],
    registers,
  })
  const streamsClosed = counter('waypost_streams_closed_total', 'Streams by why they ended', ['binding', 'why'])

  return [
    signals.on('request.served', ({ binding, operation, code, ms }) => {
      const labels = { binding: word(binding), operation: operationLabel(operation) }
      requests.inc({ ...labels, code: codeLabel(code) })
      requestSeconds.observe(labels, ms / 1_000)
    }),
    signals.on('task.accepted', ({ repeated }) => accepted.inc({ repeated: String(repeated) })),
    signals.on('task.finished', ({ state, ms }) => {
      finished.inc({ state })
      taskSeconds.observe({ state }, ms / 1_000)
    }),
    signals.on('delivery.attempted', ({ kind, outcome, code, ms, waitedMs }) => {
      attempted.inc({ kind, outcome, code: code === undefined ? '' : codeLabel(code) })
      if (ms !== undefined) attemptSeconds.observe({ kind, outcome }, ms / 1_000)
      if (outcome === 'delivered') waitedSeconds.observe({ kind }, waitedMs / 1_000)
    }),
    signals.on('tasks.purged', ({ tasks }) => purged.inc(tasks)),
    signals.on('retention.walked', ({ kept }) => overdue.set(kept)),
    signals.on('stream.opened', ({ binding }) => streams.inc({ binding: word(binding) })),
    signals.on('stream.closed', ({ binding, why }) => {
      streams.dec({ binding: word(binding) })
      streamsClosed.inc({ binding: word(binding), why: word(why) })
    }),
  ]
}

/** Happenings that are only counted: name of the metric, what it says, and its labels from the fact. */
type Trouble = {
  [H in keyof Happenings]?: { name: string; help: string; labels?: (fact: Happenings[H]) => Record<string, string> }
}
const TROUBLE: Trouble = {
  'lease.lost': { name: 'waypost_leases_lost_total', help: 'Deliveries whose lease somebody else had taken over' },
  'delivery.dead': {
    name: 'waypost_dead_letters_total',
    help: 'Deliveries that were given up',
    labels: ({ kind, code }) => ({ kind, code }),
  },
  'delivery.expired': {
    name: 'waypost_deliveries_expired_total',
    help: 'Deliveries that waited too long',
    labels: ({ code }) => ({ code }),
  },
  'delivery.quarantined': { name: 'waypost_quarantined_total', help: 'What agents said too late or against the rules' },
  'agent.pending': { name: 'waypost_cards_pending_total', help: 'Cards put aside until an operator approves them' },
  'agent.cardRefused': {
    name: 'waypost_cards_refused_total',
    help: 'Cards not taken for their signatures',
    labels: ({ code }) => ({ code }),
  },
  'lane.closed': { name: 'waypost_lanes_closed_total', help: 'Destinations found offline' },
  'lane.open': { name: 'waypost_lanes_opened_total', help: 'Destinations found online again' },
  'auth.refused': {
    name: 'waypost_auth_refused_total',
    help: 'Requests without a valid credential',
    labels: ({ reason }) => ({ reason }),
  },
  'quota.refused': {
    name: 'waypost_rate_limited_total',
    help: 'Requests refused because a caller, a key or a tenant asked too often',
    labels: ({ scope, operation }) => ({ scope, operation }),
  },
  'egress.blocked': { name: 'waypost_egress_blocked_total', help: 'Outbound calls that the guard refused' },
  'store.failed': {
    name: 'waypost_store_failures_total',
    help: 'Statements that failed',
    labels: ({ statement, outcome }) => ({ statement, outcome }),
  },
  'store.replaced': { name: 'waypost_store_pools_replaced_total', help: 'Connection pools that did not answer' },
  'replica.lost': { name: 'waypost_replicas_lost_total', help: 'Replicas that fell silent' },
  'service.failed': {
    name: 'waypost_service_failures_total',
    help: 'Rounds of inner services that failed',
    labels: ({ service }) => ({ service }),
  },
}

function countTrouble(signals: HappeningSignals, registry: Registry): (() => void)[] {
  const label = bounded(/^[A-Za-z][A-Za-z0-9 ,_.+-]{0,63}$/)
  return Object.entries(TROUBLE).map(([happening, { name, help, labels }]) => {
    const labelsOf = labels as ((fact: unknown) => Record<string, string>) | undefined
    // The names of the labels, from a fact that answers any question with an empty text.
    const labelNames = labelsOf ? Object.keys(labelsOf({})) : []
    const counter = new Counter({ name, help, labelNames, registers: [registry] })
    return signals.on(happening as keyof Happenings, (fact) => {
      const given = Object.entries(labelsOf?.(fact) ?? {}).map(([key, value]) => [
        key,
        label(value.replaceAll(' ', '_')),
      ])
      counter.inc(Object.fromEntries(given))
    })
  })
}

/** Read when somebody looks; a store that cannot answer leaves the gauges out and the rest standing. */
function queueGauges(db: Db, registry: Registry): () => Promise<void> {
  const registers = [registry]
  const byAgent = (name: string, help: string) => new Gauge({ name, help, labelNames: ['agent'], registers })
  const waiting = byAgent('waypost_queue_depth', 'Deliveries that wait, counted up to 100,000')
  const running = byAgent('waypost_queue_running', 'Deliveries in hand')
  const oldest = byAgent('waypost_queue_oldest_seconds', 'Age of the oldest delivery that waits')
  const offline = byAgent('waypost_agent_offline', '1 while the agent is known to be offline')
  const pending = byAgent('waypost_agent_pending_approval', '1 while a changed card of the agent waits for an operator')
  const refused = byAgent('waypost_agent_card_refused', '1 while the last card of the agent was not taken')
  const dead = new Gauge({ name: 'waypost_dead_letters', help: 'Deliveries that wait for an operator', registers })
  const replicas = new Gauge({ name: 'waypost_replicas', help: 'Replicas alive', registers })
  const kept = new Gauge({
    name: 'waypost_oldest_task_seconds',
    help: 'Age of the oldest task that is kept',
    registers,
  })
  const left = new Gauge({
    name: 'waypost_agents_without_label',
    help: '1 when there are more agents than labels',
    registers,
  })
  return async () => {
    for (const gauge of [waiting, running, oldest, offline, pending, refused]) gauge.reset()
    try {
      const agents = await listAgents(db, { limit: AGENTS_MAX + 1 })
      const shown = agents.slice(0, AGENTS_MAX)
      const lanes = shown.map(({ tenant, name }) => ({ tenant, destination: destinationOf(name) }))
      const [queues, totals] = await Promise.all([readQueues(db, lanes), readTotals(db)])
      for (const { name, ...agent } of shown) {
        if (agent.pending !== null) pending.set({ agent: name }, 1)
        if (agent.cardProblem !== null) refused.set({ agent: name }, 1)
      }
      // No two tenants have agents of one name, so that the name is label enough.
      for (const queue of queues) {
        const labels = { agent: queue.destination.slice('agent:'.length) }
        waiting.set(labels, queue.waiting)
        running.set(labels, queue.leased)
        oldest.set(labels, queue.oldestAt === null ? 0 : Math.max(0, queue.now - queue.oldestAt) / 1_000)
        offline.set(labels, queue.closedAt === null ? 0 : 1)
      }
      dead.set(totals.dead)
      replicas.set(totals.replicas)
      kept.set(totals.oldestSeconds ?? 0)
      left.set(agents.length > AGENTS_MAX ? 1 : 0)
    } catch {
      // store.failed counts it; a scrape must not fail with the database, that is when one looks.
    }
  }
}
