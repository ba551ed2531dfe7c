/** Tasks and their logs: the statements of `store/tasks.ts`, `events.ts`, `messages.ts`, `pushConfigs.ts`. */
import { LIMITS } from '../../../src/limits.ts'
import type { Value } from '../../../src/store/db.ts'
import { numberOr, placeNamed, placesOf, readArray, readJoined, readRows, timeOr } from './arrays.ts'
import {
  assertAlone,
  at,
  type Delivery,
  headOf,
  isOpenState,
  letGo,
  newDelivery,
  owe,
  type Tables,
  type Task,
} from './rows.ts'
import type { Statements } from './statements.ts'

const eventsOf = (tables: Tables, tenant: string, taskId: string) => tables.events.get(at(tenant, taskId)) ?? []

function addEvent(
  tables: Tables,
  task: Task,
  event: { kind: number; body: string; history?: string | null; request?: string | null },
) {
  const { tenant, id: taskId } = task
  const key = at(tenant, taskId)
  const log = tables.events.get(key) ?? []
  tables.events.set(key, log)
  log.push({ tenant, taskId, seq: task.lastSeq, history: null, request: null, ...event })
}

export const TASKS: Statements = {
  'tasks.open': open,
  'submissions.find': ({ submissions }, [tenant, caller, agent, key]) => {
    const found = submissions.get(at(tenant as string, caller as string, agent as string, key as string))
    return found ? [{ ...found }] : []
  },
  'tasks.find': ({ tasks }, [tenant, id, caller, agent]) => {
    const task = tasks.get(at(tenant as string, id as string))
    if (!task || (caller !== null && task.caller !== caller) || (agent !== null && task.agent !== agent)) return []
    return [headOf(task)]
  },
  'tasks.upstreamContext': ({ tasks }, [tenant, caller, agent, contextId]) =>
    [...tasks.values()]
      .filter((task) => task.tenant === tenant && task.caller === caller && task.agent === agent)
      .filter((task) => task.contextId === contextId && task.upstreamContext !== null)
      .sort((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, 1)
      .map(({ upstreamContext }) => ({ upstreamContext })),
  'tasks.list': (tables, values) => {
    const [statusAt, id, limit] = values.slice(6)
    return chosen(tables, values)
      .sort((a, b) => b.statusAt - a.statusAt || (a.id < b.id ? 1 : -1))
      .filter(
        (task) =>
          statusAt === null ||
          task.statusAt < Number(statusAt) ||
          (task.statusAt === Number(statusAt) && task.id < String(id)),
      )
      .slice(0, Number(limit))
      .map(headOf)
  },
  'tasks.count': (tables, values) => [{ count: chosen(tables, values).length }],
  'tasks.pastDeadline': ({ tasks, now }, [limit]) =>
    [...tasks.values()]
      .filter(({ deadline, state }) => deadline !== null && deadline < now && [1, 2, 6, 8].includes(state))
      .slice(0, Number(limit))
      .map(({ tenant, id, contextId }) => ({ tenant, id, contextId })),
  'tasks.requestCancel': ({ tasks, now }, [tenant, id]) => {
    const task = tasks.get(at(tenant as string, id as string))
    if (!task || !isOpenState(task.state)) return []
    task.cancelAt ??= now
    return [{ upstreamTask: task.upstreamTask }]
  },
  'tasks.cancelQueued': (tables, [tenant, taskId, statusAt, body]) => {
    const task = tables.tasks.get(at(tenant as string, taskId as string))
    const mine = [...tables.deliveries.values()].filter((one) => one.taskId === taskId && one.kind !== 'webhook')
    if (!task || !isOpenState(task.state) || mine.some(({ state }) => state === 1)) return []
    task.state = 5
    task.lastSeq++
    task.statusAt = Math.max(task.statusAt, Date.parse(String(statusAt)))
    addEvent(tables, task, { kind: 1, body: body as string })
    for (const one of mine)
      if (one.state === 0) Object.assign(one, { state: 4, settledAt: tables.now, code: 'CANCELED' })
    const owed = owe(tables, task, [task.lastSeq], LIMITS.webhookAgeMaxMs)
    return [{ lastSeq: task.lastSeq, owed: owed.length > 0 ? owed.join('\n') : null }]
  },
  'messages.add': (tables, values) => {
    const [tenant, taskId, caller, agent, expected, state, statusAt, body, history, request, key] = values as string[]
    const [deliveryId, kind, destination, orderingKey, priority, ttlSeconds, mail = null] = values.slice(11) as string[]
    const task = tables.tasks.get(at(tenant as string, taskId as string))
    if (!task || task.caller !== caller || task.agent !== agent || task.state !== Number(expected)) return []
    const submission = at(tenant as string, caller as string, agent as string, key ?? '')
    if (key !== null) {
      if (tables.submissions.has(submission)) return []
      tables.submissions.set(submission, { taskId: task.id, seq: task.lastSeq + 1 })
    }
    task.lastSeq++
    task.state = Number(state)
    task.statusAt = Math.max(task.statusAt, Date.parse(statusAt as string))
    addEvent(tables, task, { kind: 1, body: body as string, history: history ?? null, request: request ?? null })
    const place = { tenant, id: deliveryId, kind, destination, orderingKey, position: tables.now, taskId: task.id }
    const more = {
      seq: task.lastSeq,
      priority: Number(priority),
      expiresAt: tables.now + Number(ttlSeconds) * 1_000,
      ...mailOf(mail),
    }
    tables.deliveries.set(
      at(tenant as string, deliveryId as string),
      newDelivery(tables, { ...place, ...more } as never),
    )
    const owed = owe(tables, task, [task.lastSeq], LIMITS.webhookAgeMaxMs)
    return [{ lastSeq: task.lastSeq, owed: owed.length > 0 ? owed.join('\n') : null }]
  },
  'events.append': append,
  'events.read': (tables, [tenant, taskId, after, limit]) =>
    eventsOf(tables, tenant as string, taskId as string)
      .filter(({ seq }) => seq > Number(after))
      .slice(0, Number(limit))
      .map((event) => ({ ...event })),
  'events.readMany': (tables, [tenant, ids, artifacts]) =>
    readArray(ids)
      .sort()
      .flatMap((id) => eventsOf(tables, tenant as string, id as string))
      .filter(({ kind }) => artifacts === true || kind < 2)
      .map((event) => ({ ...event })),
  'events.readAfter': (tables, values) =>
    readRows(values, 0, 3)
      .sort((a, b) => ((a[1] as string) < (b[1] as string) ? -1 : 1))
      .flatMap(([tenant, id, after]) =>
        eventsOf(tables, tenant as string, id as string).filter(({ seq }) => seq > Number(after)),
      )
      .slice(0, Number(values[3]))
      .map((event) => ({ ...event })),
  'events.bytes': (tables, [tenant, taskId]) => [
    {
      bytes: eventsOf(tables, tenant as string, taskId as string).reduce(
        (sum, { body }) => sum + Buffer.byteLength(body),
        0,
      ),
    },
  ],
  'pushConfigs.put': (tables, values) => {
    const [tenant, taskId, id, url, destination, version, token, scheme, credentials, secret, max] = values as string[]
    const task = tables.tasks.get(at(tenant as string, taskId as string))
    if (!task) return []
    task.hasPush = true
    const place = at(tenant as string, taskId as string, id as string)
    const others = [...tables.configs.values()].filter((one) => one.taskId === taskId && one.id !== id)
    if (others.length >= Number(max)) return []
    const made = { tenant, taskId, id, url, destination, version, token, scheme, credentials, secret, disabledAt: null }
    tables.configs.set(place, made as never)
    return [{ id }]
  },
  'pushConfigs.standing': ({ configs }, values) =>
    readRows(values, 0, 4)
      .filter((row) => configs.get(at(row[1] ?? '', row[2] ?? '', row[3] ?? ''))?.disabledAt === null)
      .map(([no]) => ({ no: Number(no) })),
  'usage.count': ({ deliveries, configs }) => [
    {
      waiting: [...deliveries.values()].filter(({ state, kind }) => state === 0 && kind !== 'webhook').length,
      webhooks: [...configs.values()].filter(({ disabledAt }) => disabledAt === null).length,
    },
  ],
  'usage.bytes': () => [{ bytes: 0 }],
  'pushConfigs.find': ({ configs }, [tenant, taskId, id]) => {
    const found = configs.get(at(tenant as string, taskId as string, id as string))
    return found ? [{ ...found }] : []
  },
  'pushConfigs.list': ({ configs }, [tenant, taskId, after, limit]) =>
    [...configs.values()]
      .filter((one) => one.tenant === tenant && one.taskId === taskId && one.id > String(after))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, Number(limit))
      .map((one) => ({ ...one })),
  'pushConfigs.delete': (tables, [tenant, taskId, id]) => {
    if (!tables.configs.delete(at(tenant as string, taskId as string, id as string))) return []
    for (const one of tables.deliveries.values())
      if (one.taskId === taskId && one.configId === id && one.state === 0)
        Object.assign(one, { state: 4, settledAt: tables.now, code: 'CONFIG_DELETED' })
    return []
  },
  'pushConfigs.disable': (tables, [tenant, taskId, id, reason]) => {
    const found = tables.configs.get(at(tenant as string, taskId as string, id as string))
    if (!found || found.disabledAt !== null) return []
    found.disabledAt = tables.now
    for (const one of tables.deliveries.values())
      if (one.taskId === taskId && one.configId === id && one.state === 0)
        Object.assign(one, { state: 3, settledAt: tables.now, code: 'GONE', reason })
    return []
  },
  'pushConfigs.whyDisabled': ({ configs }, [tenant, taskId, id]) => {
    const found = configs.get(at(tenant as string, taskId as string, id as string))
    return found && found.disabledAt !== null ? [{ reason: null }] : []
  },
}

function chosen({ tasks }: Tables, [tenant, caller, agent, contextId, state, statusAfter]: readonly unknown[]): Task[] {
  return [...tasks.values()].filter(
    (task) =>
      task.tenant === tenant &&
      (caller === null || task.caller === caller) &&
      (agent === null || task.agent === agent) &&
      (contextId === null || task.contextId === contextId) &&
      (state === null || task.state === state) &&
      (statusAfter === null || task.statusAt >= Number(statusAfter)),
  )
}

interface NewRow {
  readonly tenant: string
  readonly id: string
  readonly caller: string
  readonly agent: string
  readonly key: string | null
  readonly lease: string | null
  readonly text: (column: string) => string | null
}

/** The rows of an `open`, column by column, however many there are. */
function readNew(values: readonly Value[], statement: string): NewRow[] {
  const places = placesOf(statement)
  const joined = new Set(['body', 'request', 'config', 'mail'])
  const columns = new Map(
    [...places].map(([name, place]) => [name, (joined.has(name) ? readJoined : readArray)(values[place])]),
  )
  return (columns.get('id') ?? []).map((id, row) => {
    const text = (column: string) => columns.get(column)?.[row] ?? null
    const must = (column: string) => text(column) ?? ''
    return {
      tenant: must('tenant'),
      id: id ?? '',
      caller: must('caller'),
      agent: must('agent'),
      key: text('key'),
      lease: text('lease'),
      text,
    }
  })
}

function open(tables: Tables, values: readonly Value[], statement: string): { id: string }[] {
  const rows = readNew(values, statement)
  const submissionOf = ({ tenant, caller, agent, key }: NewRow) => at(tenant, caller, agent, key)
  const claimed = new Set<string>()
  const fresh = rows.filter((row) => {
    if (row.key === null) return true
    const submission = submissionOf(row)
    if (tables.submissions.has(submission) || claimed.has(submission)) return false
    claimed.add(submission)
    return true
  })
  // First what may be refused, then what is written: all of it or nothing.
  const made = fresh.map((row) => ({ row, delivery: openingOf(tables, row) }))
  for (const { delivery } of made) if (delivery.state === 1) assertAlone(tables, delivery, 'tasks.open')
  for (const { row, delivery } of made) {
    const { tenant, id, caller, agent, key, text } = row
    if (key !== null) tables.submissions.set(submissionOf(row), { taskId: id, seq: 1 })
    if (tables.tasks.has(at(tenant, id))) continue
    const given = text('config')
    const config = given === null ? undefined : JSON.parse(given)
    const task: Task = {
      tenant,
      id,
      agent,
      caller,
      contextId: text('context_id') ?? '',
      state: 1,
      lastSeq: 1,
      hasPush: config !== undefined,
      statusAt: timeOr(text('status_at')) ?? tables.now,
      createdAt: tables.now,
      deadline: timeOr(text('deadline')),
      cancelAt: null,
      upstreamTask: null,
      upstreamContext: null,
      trace: text('trace'),
    }
    tables.tasks.set(at(tenant, id), task)
    addEvent(tables, task, { kind: 0, body: text('body') ?? '', request: text('request') })
    if (config) tables.configs.set(at(tenant, id, config.id), { ...config, tenant, taskId: id, disabledAt: null })
    tables.deliveries.set(at(tenant, id), delivery)
  }
  return fresh.map(({ id }) => ({ id }))
}

function openingOf(tables: Tables, { tenant, id, lease, text }: NewRow): Delivery {
  const mail = text('mail')
  return newDelivery(tables, {
    tenant,
    id,
    kind: text('kind') ?? '',
    destination: text('destination') ?? '',
    orderingKey: text('ordering_key') ?? '',
    position: tables.now,
    priority: Number(text('priority')),
    taskId: id,
    seq: 1,
    state: lease === null ? 0 : 1,
    dueAt: timeOr(text('not_before')) ?? tables.now,
    expiresAt: tables.now + Number(text('ttl_seconds')) * 1_000,
    attempt: lease === null ? 0 : 1,
    lease,
    owner: text('owner'),
    ...mailOf(mail),
  })
}

function mailOf(mail: string | null): Pick<Delivery, 'mailKind' | 'labels'> {
  if (mail === null) return { mailKind: 0, labels: null }
  const { kind = 0, labels = null } = JSON.parse(mail) as { kind?: number; labels?: string[] | null }
  return { mailKind: kind, labels: labels && labels.length > 0 ? labels : null }
}

/** Two changes of one task in one statement: one of them is made, as a database does. */
function append(tables: Tables, values: readonly Value[], statement: string) {
  const rows = readRows(values, 0, 17)
  const [kinds, bodies, histories] = [
    readArray(values[placeNamed(statement, 'kinds')]),
    readJoined(values[placeNamed(statement, 'bodies')]),
    readJoined(values[placeNamed(statement, 'histories')]),
  ]
  const maxAgeMs = Number(values.at(-2)) * 1_000
  const owed = new Set<string>()
  const touched = new Set<string>()
  const settled = new Set<string>()
  const held = rows.map((row) => {
    const one = row[3] === null ? undefined : tables.deliveries.get(at(row[1] as string, row[3] as string))
    return { one, leased: one !== undefined && one.state === 1 && one.lease === row[4] }
  })
  return rows
    .map((row, no) => {
      const [, tenant, taskId, deliveryId, , state, statusAt, upstreamTask, upstreamContext, settle, code, reason] = row
      const [first, count] = [Number(row[12]), Number(row[13])]
      const { one, leased } = held[no] as (typeof held)[number]
      const mayWrite = leased || deliveryId === null
      const place = at(tenant as string, taskId as string)
      const task = tables.tasks.get(place)
      const expected = numberOr(row[14])
      const writes =
        mayWrite &&
        task !== undefined &&
        isOpenState(task.state) &&
        (expected === null || expected === task.lastSeq) &&
        !touched.has(place)
      let lastSeq: number | null = null
      const cancel = task?.cancelAt !== null && task?.cancelAt !== undefined
      if (writes) {
        touched.add(place)
        const seqs: number[] = []
        for (let n = 0; n < count; n++) {
          task.lastSeq++
          seqs.push(task.lastSeq)
          const history = histories[first + n] ?? null
          addEvent(tables, task, { kind: Number(kinds[first + n]), body: bodies[first + n] as string, history })
        }
        lastSeq = task.lastSeq
        task.state = numberOr(state) ?? task.state
        task.statusAt = Math.max(task.statusAt, timeOr(statusAt) ?? 0)
        task.upstreamTask = upstreamTask ?? task.upstreamTask
        task.upstreamContext = upstreamContext ?? task.upstreamContext
        for (const lane of owe(tables, task, seqs, maxAgeMs)) owed.add(lane)
      }
      if (leased && one && settle !== null && (expected === null || writes) && !settled.has(one.id)) {
        settled.add(one.id)
        letGo(one)
        Object.assign(one, { state: writes ? Number(settle) : 4, settledAt: tables.now, code, reason })
        if (writes) one.receipt = row[15] ?? one.receipt
      }
      return { no, lastSeq, cancel: writes ? cancel : null, held: mayWrite }
    })
    .map((answer) => ({ ...answer, owed: owed.size > 0 ? [...owed].join('\n') : null }))
}
