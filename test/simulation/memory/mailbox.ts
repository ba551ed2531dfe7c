/** The queue as an agent sees it that collects: the statements of `store/mailbox.ts` and `store/inbox.ts`. */
import { QUIET } from '../../../src/delivery.ts'
import { numberOr, readArray, readRows } from './arrays.ts'
import { at, byDue, type Delivery, isFree, leased, letGo, type Tables } from './rows.ts'
import type { Statements } from './statements.ts'

const taskOf = (tables: Tables, one: Delivery) => tables.tasks.get(at(one.tenant, one.taskId))

const collected = (tables: Tables, one: Delivery) => ({
  ...leased(one),
  priority: one.priority,
  mailKind: one.mailKind,
  labels: one.labels,
  leasedUntil: one.leasedUntil,
  checkpoint: one.checkpoint,
  reason: one.reason,
  cancelWanted: (taskOf(tables, one)?.cancelAt ?? null) !== null,
})

const take = (tables: Tables, one: Delivery, seconds: number, worker: string | null): void =>
  void Object.assign(one, {
    state: 1,
    attempt: one.attempt + 1,
    lease: tables.newId(),
    owner: null,
    leasedUntil: tables.now + seconds * 1_000,
    worker,
    touched: null,
  })

/** Further messages to the same task that wait behind it. */
const others = (tables: Tables, { tenant, taskId, id }: Delivery): Delivery[] =>
  [...tables.deliveries.values()]
    .filter((one) => one.tenant === tenant && one.taskId === taskId && one.id !== taskId && one.id !== id)
    .filter((one) => one.kind === 'mailbox' && one.state === 0)
    .sort((a, b) => a.position - b.position)

function mine(tables: Tables, [tenant, id, destination, lease]: readonly unknown[]): Delivery | undefined {
  const one = tables.deliveries.get(at(tenant as string, id as string))
  if (!one || one.destination !== destination || one.kind !== 'mailbox') return undefined
  return lease === undefined || (one.lease === lease && one.state === 1) ? one : undefined
}

const hasText = (tables: Tables, one: Delivery, text: string): boolean => {
  const event = tables.events.get(at(one.tenant, one.taskId))?.[one.seq - 1]
  return `${event?.body ?? ''}${event?.history ?? ''}${event?.request ?? ''}`.includes(text)
}

export const MAILBOX: Statements = {
  'mailbox.lease': (tables, values) => {
    const [
      tenant,
      destination,
      level,
      contextId,
      from,
      skill,
      count,
      oldest,
      seconds,
      worker,
      inflight,
      kinds = null,
      label = null,
    ] = values
    const wanted = kinds === null ? undefined : readArray(kinds).map(Number)
    const all = [...tables.deliveries.values()].filter(
      (one) => one.tenant === tenant && one.destination === destination,
    )
    const held = all.filter(({ state }) => state === 1).length
    const fit = all.filter(
      (one) =>
        one.state === 0 &&
        one.priority <= Number(level) &&
        one.dueAt <= tables.now &&
        (one.expiresAt === null || one.expiresAt > tables.now) &&
        isFree(tables, one) &&
        (contextId === null || taskOf(tables, one)?.contextId === contextId) &&
        (from === null || taskOf(tables, one)?.caller === from) &&
        (skill === null || hasText(tables, one, String(skill))) &&
        (wanted === undefined || wanted.includes(one.mailKind)) &&
        (label === null || one.labels?.includes(String(label)) === true),
    )
    const order = oldest === true ? byDue : (a: Delivery, b: Delivery) => a.priority - b.priority || byDue(a, b)
    const taken = fit.sort(order).slice(0, Math.min(Number(count), Math.max(0, Number(inflight) - held)))
    for (const one of taken) take(tables, one, Number(seconds), worker as string | null)
    return taken.map((one) => collected(tables, one))
  },
  'mailbox.leaseLostOne': (tables, [tenant, id, attempts]) => {
    const one = tables.deliveries.get(at(tenant as string, id as string))
    if (!one || one.state !== 0 || one.code !== 'LEASE_LOST' || one.attempt < Number(attempts)) return []
    if (!isFree(tables, one)) return []
    take(tables, one, 60, null)
    return [collected(tables, one)]
  },
  'mailbox.reclaim': (tables, [tenant, destination, worker, count, seconds]) =>
    [...tables.deliveries.values()]
      .filter((one) => one.tenant === tenant && one.destination === destination && one.state === 1)
      .filter((one) => one.owner === null && one.worker === worker && worker !== null)
      .sort((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1))
      .slice(0, Number(count))
      .map((one) => {
        Object.assign(one, { lease: tables.newId(), leasedUntil: tables.now + Number(seconds) * 1_000 })
        return collected(tables, one)
      }),
  'mailbox.renew': (tables, values) => {
    const one = mine(tables, values)
    const task = one && taskOf(tables, one)
    if (!one || !task) return []
    const [asked, byDefault, touched, checkpoint] = values.slice(4)
    const until = numberOr(asked)
    one.leasedUntil =
      until === null
        ? Math.max(one.leasedUntil ?? 0, tables.now + Number(byDefault) * 1_000)
        : tables.now + until * 1_000
    if (touched === true) one.touched = true
    one.checkpoint = (checkpoint as string | null) ?? one.checkpoint
    return [
      {
        taskId: one.taskId,
        leasedUntil: one.leasedUntil,
        deadline: task.deadline,
        cancelWanted: task.cancelAt !== null,
        pending: others(tables, one).length,
      },
    ]
  },
  'mailbox.find': (tables, [tenant, id, destination]) => {
    const one = mine(tables, [tenant, id, destination])
    const task = one && taskOf(tables, one)
    if (!one || !task) return []
    const { taskId, state, lease, attempt, touched, receipt, createdAt } = one
    return [
      {
        taskId,
        state,
        lease,
        attempt,
        touched,
        receipt,
        createdAt,
        agent: task.agent,
        contextId: task.contextId,
        acceptedAt: task.createdAt,
        taskState: task.state,
        lastSeq: task.lastSeq,
        cancelWanted: task.cancelAt !== null,
        pending: others(tables, one).length,
      },
    ]
  },
  'mailbox.pending': (tables, [tenant, taskId, id, limit]) =>
    others(tables, { tenant, taskId, id } as Delivery)
      .map((one) => ({
        delivery: one.id,
        history: tables.events.get(at(one.tenant, one.taskId))?.[one.seq - 1]?.history ?? null,
      }))
      .filter(({ history }) => history !== null)
      .slice(0, Number(limit)),
  'mailbox.takeUp': (tables, values) => {
    if (!mine(tables, values)) return []
    const named = JSON.parse(String(values[5])) as string[]
    return [...tables.deliveries.values()]
      .filter((one) => one.taskId === values[4] && one.id !== one.taskId && one.kind === 'mailbox')
      .filter((one) => one.state === 0 && named.includes(one.id))
      .map((one) => {
        Object.assign(one, { state: 4, settledAt: tables.now, code: 'TAKEN_UP' })
        return { id: one.id }
      })
  },
  'mailbox.giveBack': (tables, values) => {
    const one = mine(tables, values)
    if (!one) return []
    const [waitMs, counts, code, reason, receipt] = values.slice(4)
    letGo(one)
    Object.assign(one, {
      state: 0,
      dueAt: tables.now + Number(waitMs),
      attempt: one.attempt - (counts === true ? 0 : 1),
      worker: null,
      touched: null,
      code,
      reason,
      receipt: receipt ?? one.receipt,
    })
    return [{ id: one.id }]
  },
  'inbox.due': (tables, values) =>
    readRows(values, 0, 2).flatMap(([tenant, destination]) => {
      const all = [...tables.deliveries.values()].filter(
        (one) => one.tenant === tenant && one.destination === destination && one.state === 0 && one.dueAt <= tables.now,
      )
      const due = all.filter(({ priority }) => priority < QUIET)
      const level = due.length === 0 ? null : Math.min(...due.map(({ priority }) => priority))
      const results = all.length - due.length
      return all.length === 0 ? [] : [{ tenant, destination, due: due.length, level, results }]
    }),
  'mailbox.room': (tables, [tenant, destination, caller]) => {
    const waiting = [...tables.deliveries.values()].filter(
      (one) => one.tenant === tenant && one.destination === destination && one.state === 0 && one.kind === 'mailbox',
    )
    return [{ sent: waiting.filter((one) => taskOf(tables, one)?.caller === caller).length, bytes: 0 }]
  },
  // Nobody here has a mailbox of its own to which results come home.
  'results.expire': () => [],
  'results.settle': () => [],
  // Nobody here asks for an acknowledgement.
  'inbox.remind': () => [],
  'inbox.tellUnacknowledged': () => [],
  'inbox.signs': (tables, values) =>
    readRows(values, 0, 2).flatMap(([tenant, destination]) =>
      [...tables.deliveries.values()]
        .filter((one) => one.tenant === tenant && one.destination === destination && one.state === 1)
        .map((one) => ({
          tenant,
          destination,
          delivery: one.id,
          taskId: one.taskId,
          cancelWanted: (taskOf(tables, one)?.cancelAt ?? null) !== null,
          pending: others(tables, one).length,
        }))
        .filter(({ cancelWanted, pending }) => cancelWanted || pending > 0),
    ),
  'inbox.cancelDue': (tables, [graceMs]) =>
    [...tables.deliveries.values()].flatMap((one) => {
      const task = taskOf(tables, one)
      if (!task || one.state !== 1 || one.kind !== 'mailbox') return []
      const late = task.cancelAt !== null && task.cancelAt < tables.now - Number(graceMs)
      if (!late && ![3, 4, 5, 7].includes(task.state)) return []
      const { tenant, destination, id, lease, taskId } = one
      const { agent, contextId, createdAt: acceptedAt } = task
      return [{ tenant, destination, id, lease, taskId, agent, contextId, acceptedAt }]
    }),
  'inbox.list': (
    tables,
    [tenant, destination, state, level, contextId, from, priority, dueAt, id, limit, kinds = null, label = null],
  ) =>
    [...tables.deliveries.values()]
      .filter((one) => one.tenant === tenant && one.destination === destination && one.state === Number(state))
      .filter((one) => one.priority <= Number(level))
      .filter((one) => contextId === null || taskOf(tables, one)?.contextId === contextId)
      .filter((one) => from === null || taskOf(tables, one)?.caller === from)
      .filter((one) => kinds === null || readArray(kinds).map(Number).includes(one.mailKind))
      .filter((one) => label === null || one.labels?.includes(String(label)) === true)
      .sort((a, b) => a.priority - b.priority || byDue(a, b))
      .filter(
        (one) =>
          priority === null ||
          one.priority > Number(priority) ||
          (one.priority === Number(priority) &&
            (one.dueAt > Number(dueAt) || (one.dueAt === Number(dueAt) && one.id > String(id)))),
      )
      .slice(0, Number(limit))
      .map((one) => {
        const task = taskOf(tables, one)
        const event = tables.events.get(at(one.tenant, one.taskId))?.[one.seq - 1]
        return {
          ...one,
          taskState: task?.state,
          contextId: task?.contextId,
          caller: task?.caller,
          deadline: task?.deadline ?? null,
          body: event?.body,
          history: event?.history ?? null,
          request: event?.request ?? null,
        }
      }),
}
