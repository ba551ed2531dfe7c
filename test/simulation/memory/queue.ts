/** The queue and who holds it: the statements of `store/deliveries.ts`, `recovery.ts`, `lanes.ts`, `deadLetters.ts`. */
import { LIMITS } from '../../../src/limits.ts'
import { readArray, readRows } from './arrays.ts'
import { assertAlone, at, byDue, type Delivery, isFree, leased, letGo, type Tables } from './rows.ts'
import type { Statements } from './statements.ts'

const isLive = ({ replicas, now }: Tables, id: string): boolean => (replicas.get(id)?.until ?? 0) > now

/** By level, each in the order of its due times, free ones only. */
function due(tables: Tables, tenant: string, destination: string, watermark: number): Delivery[] {
  const found = [...tables.deliveries.values()].filter(
    (one) =>
      one.state === 0 &&
      one.tenant === tenant &&
      one.destination === destination &&
      one.dueAt <= tables.now &&
      one.dueAt >= watermark &&
      isFree(tables, one),
  )
  return found.sort((a, b) => a.priority - b.priority || byDue(a, b))
}

const settledRow = (state: number, now: number) => ({ state, settledAt: state === 0 ? null : now })

export const QUEUE: Statements = {
  'deliveries.claim': (tables, [tenant, destination, watermark, count, owner]) => {
    const taken = due(tables, tenant as string, destination as string, Number(watermark)).slice(0, Number(count))
    for (const one of taken) Object.assign(one, { state: 1, attempt: one.attempt + 1, lease: tables.newId(), owner })
    return taken.map(leased)
  },
  'deliveries.claimByKey': (tables, [tenant, destination, count, owner, after]) => {
    const taken = due(tables, tenant as string, destination as string, 0)
      .filter((one) => one.priority < 4 && one.orderingKey > (after as string))
      .sort((a, b) => (a.orderingKey < b.orderingKey ? -1 : 1))
      .slice(0, Number(count))
    for (const one of taken) Object.assign(one, { state: 1, attempt: one.attempt + 1, lease: tables.newId(), owner })
    return taken.map(leased)
  },
  'deliveries.settle': (tables, values) =>
    readRows(values, 0, 14).flatMap(
      ([tenant, id, lease, , , attempt, state, waitMs, counts, code, reason, , outcome]) => {
        const one = tables.deliveries.get(at(tenant as string, id as string))
        if (!one || one.state !== 1 || one.lease !== lease) return []
        letGo(one)
        Object.assign(one, settledRow(Number(state), tables.now), {
          dueAt: tables.now + Number(waitMs),
          attempt: one.attempt - (counts === 'true' ? 0 : 1),
          code,
          reason,
        })
        if (counts === 'true') {
          const tried = { tenant, deliveryId: id, attempt: Number(attempt), outcome, lease }
          tables.attempts.set(at(tenant as string, id as string, lease as string), tried as never)
        }
        return [{ id }]
      },
    ),
  'deliveries.loadMessages': (tables, values) =>
    readRows(values, 0, 3).flatMap(([tenant, id, seq]) => {
      const task = tables.tasks.get(at(tenant as string, id as string))
      const event = tables.events.get(at(tenant as string, id as string))?.[Number(seq) - 1]
      if (!task || !event) return []
      const conversation = [...tables.tasks.values()]
        .filter(
          (other) => other.contextId === task.contextId && other.caller === task.caller && other.agent === task.agent,
        )
        .filter((other) => other.tenant === task.tenant && other.upstreamContext !== null)
        .sort((a, b) => (a.id < b.id ? 1 : -1))[0]
      return [
        {
          taskId: task.id,
          seq: event.seq,
          agent: task.agent,
          caller: task.caller,
          contextId: task.contextId,
          state: task.state,
          deadline: task.deadline,
          upstreamTask: task.upstreamTask,
          upstreamContext: task.upstreamContext ?? conversation?.upstreamContext ?? null,
          trace: task.trace,
          createdAt: task.createdAt,
          body: event.body,
          history: event.history,
          request: event.request,
        },
      ]
    }),
  'deliveries.loadWebhooks': (tables, values) =>
    readRows(values, 0, 5).flatMap(([tenant, id, taskId, seq, configId]) => {
      const task = tables.tasks.get(at(tenant as string, taskId as string))
      const event = tables.events.get(at(tenant as string, taskId as string))?.[Number(seq) - 1]
      if (!task || !event) return []
      const config = tables.configs.get(at(tenant as string, taskId as string, configId as string))
      const gap = [...tables.deliveries.values()].some(
        (one) =>
          one.taskId === taskId &&
          one.configId === configId &&
          (one.state === 3 || one.state === 5) &&
          one.position < Number(seq),
      )
      return [
        {
          id,
          body: event.body,
          trace: task.trace,
          url: config?.url ?? '',
          version: config?.version ?? '',
          token: config?.token ?? null,
          scheme: config?.scheme ?? null,
          credentials: config?.credentials ?? null,
          secret: config?.secret ?? null,
          gone: config === undefined || config.disabledAt !== null,
          gap,
        },
      ]
    }),
  'deliveries.dueLanes': (tables) => {
    const lanes = new Map<string, { tenant: string; destination: string; dueAt: number; dueInMs: number }>()
    for (const { tenant, destination, state, dueAt } of tables.deliveries.values()) {
      if (state !== 0) continue
      const key = at(tenant, destination)
      const known = lanes.get(key)
      if (!known || dueAt < known.dueAt) lanes.set(key, { tenant, destination, dueAt, dueInMs: dueAt - tables.now })
    }
    return [...lanes.values()].sort((a, b) => (at(a.tenant, a.destination) < at(b.tenant, b.destination) ? -1 : 1))
  },
  'deliveries.depth': ({ deliveries }, [tenants, destinations, max]) =>
    readArray(destinations).map((destination, n) => ({
      count: Math.min(
        Number(max),
        [...deliveries.values()].filter(
          (one) => one.state === 0 && one.tenant === readArray(tenants)[n] && one.destination === destination,
        ).length,
      ),
    })),
  'deliveries.waiting': ({ deliveries }) => [
    { count: [...deliveries.values()].filter(({ state, kind }) => state === 0 && kind !== 'webhook').length },
  ],
  'deliveries.view': (tables, [tenant, taskId]) => {
    const one = [...tables.deliveries.values()]
      .filter((mine) => mine.tenant === tenant && mine.taskId === taskId && mine.kind !== 'webhook')
      .sort((a, b) => b.position - a.position)[0]
    if (!one) return []
    const lane = tables.lanes.get(at(one.tenant, one.destination))
    return [
      {
        taskId: one.taskId,
        state: one.state,
        attempt: one.attempt,
        dueAt: one.dueAt,
        expiresAt: one.expiresAt,
        reason: one.reason,
        ahead: 0,
        closedAt: lane?.closedAt ?? null,
        probeAt: lane?.probeAt ?? null,
        seenAt: lane?.seenAt ?? null,
        kind: one.kind,
        held: false,
        changes: null,
      },
    ]
  },
  'deliveries.void': (tables, [tenant, taskId, code, reason]) =>
    [...tables.deliveries.values()]
      .filter((one) => one.tenant === tenant && one.taskId === taskId && one.kind !== 'webhook' && one.state === 0)
      .map((one) => {
        Object.assign(one, { state: 4, settledAt: tables.now, code, reason })
        return { id: one.id }
      }),
  'deliveries.reap': (tables) => {
    const lost = [...tables.deliveries.values()].filter(
      (one) =>
        one.state === 1 &&
        ((one.leasedUntil !== null && one.leasedUntil < tables.now) ||
          (one.owner !== null && !isLive(tables, one.owner))),
    )
    return lost.map((one) => {
      const { tenant, id, kind, destination, taskId, attempt, owner, lease, createdAt } = one
      letGo(one)
      Object.assign(one, { state: 0, dueAt: tables.now, code: 'LEASE_LOST', reason: 'whoever held it fell silent' })
      return { tenant, id, kind, destination, taskId, attempt, owner, lease, createdAt }
    })
  },
  'deliveries.own': ({ deliveries }, [owner]) =>
    [...deliveries.values()]
      .filter((one) => one.state === 1 && one.owner === owner)
      .map(({ tenant, id, lease, destination }) => ({ tenant, id, lease, destination })),
  'deliveries.giveBack': (tables, values) => {
    for (const [tenant, id, lease, code, uncounted] of readRows(values, 0, 5)) {
      const one = tables.deliveries.get(at(tenant as string, id as string))
      if (!one || one.state !== 1 || one.lease !== lease) continue
      letGo(one)
      const kept = code === 'UNSENT' ? (one.code ?? code) : code
      Object.assign(one, { state: 0, dueAt: tables.now, code: kept, attempt: one.attempt - Number(uncounted) })
    }
    return []
  },
  'deliveries.leaseExpired': (tables, [owner, limit]) => {
    const overdue = [...tables.deliveries.values()].filter(
      (one) =>
        one.state === 0 &&
        one.expiresAt !== null &&
        one.expiresAt < tables.now &&
        one.kind !== 'webhook' &&
        isFree(tables, one),
    )
    return overdue.slice(0, Number(limit)).map((one) => {
      assertAlone(tables, one, 'deliveries.leaseExpired')
      Object.assign(one, { state: 1, lease: tables.newId(), owner })
      return leased(one)
    })
  },
  'deliveries.expireWebhooks': (tables, [limit]) =>
    [...tables.deliveries.values()]
      .filter((one) => one.state === 0 && one.kind === 'webhook' && (one.expiresAt ?? Infinity) < tables.now)
      .slice(0, Number(limit))
      .map((one) => {
        Object.assign(one, { state: 3, settledAt: tables.now, code: one.code ?? 'WEBHOOK_EXPIRED' })
        return { ...leased(one), lease: '' }
      }),
  'replicas.join': ({ replicas, now }, [id, name, leaseMs]) => {
    const known = replicas.get(id as string)
    if (!known) replicas.set(id as string, { id: id as string, name: name as string, until: now + Number(leaseMs) })
    return []
  },
  'replicas.beat': (tables, [id, leaseMs]) => {
    const mine = tables.replicas.get(id as string)
    if (!mine || mine.until <= tables.now) return []
    const alive = [...tables.replicas.values()].filter(({ until }) => until > tables.now).length
    mine.until = tables.now + Number(leaseMs)
    return [{ alive }]
  },
  'replicas.leave': ({ replicas }, [id]) => {
    replicas.delete(id as string)
    return []
  },
  'replicas.sweep': ({ replicas, now }) => {
    for (const { id, until } of replicas.values()) if (until < now - 3_600_000) replicas.delete(id)
    return []
  },
  'lanes.closed': (tables, [tenant, destination, reason, failures, probeInMs]) => {
    const key = at(tenant as string, destination as string)
    const known = tables.lanes.get(key)
    const closed = {
      reason,
      failures,
      probeAt: tables.now + Number(probeInMs),
      closedAt: known?.closedAt ?? tables.now,
    }
    tables.lanes.set(key, { tenant, destination, seenAt: known?.seenAt ?? null, ...closed } as never)
    return []
  },
  'lanes.seen': (tables, [tenant, destination]) => {
    seen(tables, tenant as string, destination as string)
    return []
  },
  'lanes.seenMany': (tables, values) => {
    for (const [tenant, destination] of readRows(values, 0, 2)) seen(tables, tenant as string, destination as string)
    return []
  },
  'statistics.stale': () => [],
  'conversations.standing': (tables, [tenant, contextId, participant]) => {
    const own = [...tables.tasks.values()].filter((one) => one.tenant === tenant && one.contextId === contextId)
    const mine = own.some(({ caller, agent }) => caller === participant || `agent:${agent}` === participant)
    return [{ known: own.length > 0, mine }]
  },
  'queues.read': (tables, [tenants, destinations, max]) =>
    readArray(destinations).map((destination, n) => {
      const tenant = readArray(tenants)[n] as string
      const mine = [...tables.deliveries.values()].filter(
        (one) => one.tenant === tenant && one.destination === destination,
      )
      const waiting = mine.filter(({ state }) => state === 0)
      const lane = tables.lanes.get(at(tenant, destination))
      return {
        destination,
        waiting: Math.min(Number(max), waiting.length),
        leased: mine.filter(({ state }) => state === 1).length,
        oldestAt: waiting.length > 0 ? Math.min(...waiting.map(({ createdAt }) => createdAt)) : null,
        closedAt: lane?.closedAt ?? null,
        reason: lane?.reason ?? null,
        failures: lane?.failures ?? 0,
        probeAt: lane?.probeAt ?? null,
        seenAt: lane?.seenAt ?? null,
        workedAt: null,
        now: tables.now,
      }
    }),
  'deadLetters.find': (tables, [tenant, id]) => {
    const one = tables.deliveries.get(at(tenant as string, id as string))
    const task = one && tables.tasks.get(at(one.tenant, one.taskId))
    if (!one || !task) return []
    const { kind, destination, taskId, seq, state } = one
    return [
      { id, kind, destination, taskId, seq, agent: task.agent, caller: task.caller, dead: state === 3 || state === 5 },
    ]
  },
  'deadLetters.replayWebhook': (tables, [tenant, id]) => {
    const one = tables.deliveries.get(at(tenant as string, id as string))
    if (!one || one.kind !== 'webhook' || (one.state !== 3 && one.state !== 5)) return []
    const expiresAt = tables.now + LIMITS.webhookAgeMaxMs
    Object.assign(one, { state: 0, attempt: 0, dueAt: tables.now, settledAt: null, expiresAt, code: 'REPLAYED' })
    const config = tables.configs.get(at(one.tenant, one.taskId, one.configId))
    if (config) config.disabledAt = null
    return [{ id }]
  },
}

function seen(tables: Tables, tenant: string, destination: string): void {
  const open = { closedAt: null, reason: null, failures: 0, probeAt: null, seenAt: tables.now }
  tables.lanes.set(at(tenant, destination), { tenant, destination, ...open })
}
