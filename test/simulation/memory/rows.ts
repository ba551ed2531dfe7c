/** The tables as JavaScript has them. Times are milliseconds since 1970, with a fraction that no two statements share. */
import { randomUUID } from 'node:crypto'
import { StoreError } from '../../../src/store/db.ts'

export interface Task {
  tenant: string
  id: string
  agent: string
  caller: string
  contextId: string
  state: number
  lastSeq: number
  hasPush: boolean
  statusAt: number
  createdAt: number
  deadline: number | null
  cancelAt: number | null
  upstreamTask: string | null
  upstreamContext: string | null
  trace: string | null
}

export interface Event {
  tenant: string
  taskId: string
  seq: number
  kind: number
  body: string
  history: string | null
  request: string | null
}

export interface Delivery {
  tenant: string
  id: string
  kind: string
  destination: string
  orderingKey: string
  position: number
  priority: number
  taskId: string
  seq: number
  configId: string | null
  state: number
  dueAt: number
  expiresAt: number | null
  attempt: number
  lease: string | null
  owner: string | null
  leasedUntil: number | null
  worker: string | null
  touched: boolean | null
  checkpoint: string | null
  receipt: string | null
  mailKind: number
  labels: readonly string[] | null
  createdAt: number
  settledAt: number | null
  code: string | null
  reason: string | null
}

export interface PushConfig {
  tenant: string
  taskId: string
  id: string
  url: string
  destination: string
  version: string
  token: string | null
  scheme: string | null
  credentials: string | null
  secret: string | null
  disabledAt: number | null
}

export interface Lane {
  tenant: string
  destination: string
  closedAt: number | null
  reason: string | null
  failures: number
  probeAt: number | null
  seenAt: number | null
}

export interface Attempt {
  tenant: string
  deliveryId: string
  attempt: number
  outcome: string
  lease: string
}

export interface Replica {
  id: string
  name: string
  until: number
}

/** Everything there is, and the one clock. */
export interface Tables {
  readonly tasks: Map<string, Task>
  readonly events: Map<string, Event[]>
  readonly submissions: Map<string, { taskId: string; seq: number }>
  readonly deliveries: Map<string, Delivery>
  readonly configs: Map<string, PushConfig>
  readonly lanes: Map<string, Lane>
  readonly attempts: Map<string, Attempt>
  readonly replicas: Map<string, Replica>
  /** Of the statement that runs. */
  now: number
  readonly newId: () => string
}

export const newTables = (newId: () => string = randomUUID): Tables => ({
  tasks: new Map(),
  events: new Map(),
  submissions: new Map(),
  deliveries: new Map(),
  configs: new Map(),
  lanes: new Map(),
  attempts: new Map(),
  replicas: new Map(),
  now: 0,
  newId,
})

export const at = (...parts: readonly (string | number | null)[]): string => parts.join('\n')

/** A constraint: the statement does nothing, and says which kind of fault it was. */
export const refused = (statement: string, sqlState: string): StoreError =>
  new StoreError(statement, 'not done', sqlState, new Error(`constraint ${sqlState}`))

export const OPEN_STATES = [0, 1, 2, 6, 8]
export const isOpenState = (state: number): boolean => OPEN_STATES.includes(state)

/** Deliveries of one ordering key at one destination: what stands in a delivery's way is among them. */
export function* siblings({ deliveries }: Tables, of: Delivery): Generator<Delivery> {
  for (const one of deliveries.values())
    if (one.orderingKey === of.orderingKey && one.destination === of.destination && one.tenant === of.tenant) yield one
}

const before = (a: Delivery, b: Delivery): boolean =>
  a.position < b.position || (a.position === b.position && a.id < b.id)

/** Nothing of its ordering key is older and waiting, or in flight. */
export function isFree(tables: Tables, one: Delivery): boolean {
  for (const other of siblings(tables, one))
    if (other.state === 1 || (other.state === 0 && before(other, one))) return false
  return true
}

/** The unique index: one in flight per ordering key. */
export function assertAlone(tables: Tables, one: Delivery, statement: string): void {
  for (const other of siblings(tables, one))
    if (other.id !== one.id && other.state === 1) throw refused(statement, '23505')
}

export const byDue = (a: Delivery, b: Delivery): number => a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1)

export function letGo(one: Delivery): void {
  one.lease = null
  one.owner = null
  one.leasedUntil = null
}

/** A delivery in hand, as `returning` has it. */
export const leased = (one: Delivery) => ({
  tenant: one.tenant,
  id: one.id,
  kind: one.kind,
  destination: one.destination,
  orderingKey: one.orderingKey,
  taskId: one.taskId,
  seq: one.seq,
  configId: one.configId,
  attempt: one.attempt,
  lease: one.lease,
  dueAt: one.dueAt,
  createdAt: one.createdAt,
  expiresAt: one.expiresAt,
  code: one.code,
})

export const newDelivery = (
  tables: Tables,
  given: Pick<Delivery, 'tenant' | 'id' | 'kind' | 'destination' | 'orderingKey' | 'position' | 'taskId' | 'seq'> &
    Partial<Delivery>,
): Delivery => ({
  priority: 2,
  configId: null,
  state: 0,
  dueAt: tables.now,
  expiresAt: null,
  attempt: 0,
  lease: null,
  owner: null,
  leasedUntil: null,
  worker: null,
  touched: null,
  checkpoint: null,
  receipt: null,
  mailKind: 0,
  labels: null,
  createdAt: tables.now,
  settledAt: null,
  code: null,
  reason: null,
  ...given,
})

/** What has been owed by an event to the configs of its task; gives the lanes. */
export function owe(tables: Tables, task: Task, seqs: readonly number[], maxAgeMs: number): string[] {
  const lanes = new Set<string>()
  if (!task.hasPush) return []
  for (const config of tables.configs.values()) {
    if (config.taskId !== task.id || config.tenant !== task.tenant || config.disabledAt !== null) continue
    for (const seq of seqs) {
      const id = tables.newId()
      const { tenant, destination } = config
      const place = { tenant, id, kind: 'webhook', destination, orderingKey: `${task.id}/${config.id}`, position: seq }
      const expiresAt = tables.now + maxAgeMs
      const made = newDelivery(tables, { ...place, taskId: task.id, seq, configId: config.id, expiresAt })
      tables.deliveries.set(at(tenant, id), made)
      lanes.add(`${tenant} ${destination}`)
    }
  }
  return [...lanes]
}

export const headOf = (task: Task) => ({
  tenant: task.tenant,
  id: task.id,
  agent: task.agent,
  caller: task.caller,
  contextId: task.contextId,
  state: task.state,
  lastSeq: task.lastSeq,
  hasPush: task.hasPush,
  statusAt: task.statusAt,
  createdAt: task.createdAt,
  deadline: task.deadline,
  upstreamTask: task.upstreamTask,
  upstreamContext: task.upstreamContext,
  trace: task.trace,
})
