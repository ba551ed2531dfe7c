/**
 * Erasing: everything of one caller, or of a tenant, ends and goes. Open tasks are first ended in the one way in which
 * tasks end, so that their agents hear of it. A call does what fits in a few seconds and says whether that was all: who is
 * interrupted, or finds the gateway gone, asks again.
 */
import { A2AError } from '../../a2a/errors.ts'
import { isTerminal } from '../../a2a/tasks.ts'
import type { Clock } from '../../platform/clock.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Caller } from '../../ports.ts'
import { removeChannel } from '../../store/channels.ts'
import { type Db, isRetryable } from '../../store/db.ts'
import * as store from '../../store/erase.ts'
import { voidDeliveries } from '../../store/recovery.ts'
import { findTask } from '../../store/tasks.ts'
import { gatewayStatus } from '../tasks/facts.ts'
import type { Record } from '../tasks/record.ts'

export interface EraseTools {
  readonly db: Db
  readonly clock: Clock
  readonly now: () => Date
  readonly record: Record
  /** Cancels it in the name of its caller; what comes of it shows in the task. */
  readonly cancel: (task: store.OpenTask & { readonly tenant: string }) => Promise<unknown>
  readonly removeAgent: (name: string, by: Caller) => Promise<void>
  /** These keys open no more. */
  readonly forgetKey: (id: string) => void
  /** These tasks are no more: whoever follows one is let go. */
  readonly gone: (tenant: string, taskIds: readonly string[]) => void
}

export interface EraseOrder {
  /** Whose; undefined: everybody's of the tenant. */
  readonly caller?: string | undefined
  /** Open tasks are ended; otherwise they are why nothing is done. */
  readonly force: boolean
  /** It goes on: an earlier call has said so in the audit. */
  readonly resumed: boolean
  /** In whose tenant, and for the record. */
  readonly by: Caller
}

export interface Erased {
  /** Nothing is left. */
  readonly done: boolean
  /** Tasks that this call has removed, and those that are left. Counted up to COUNT_MAX. */
  readonly tasks: number
  readonly left: number
}
export type Erase = (order: EraseOrder) => Promise<Erased>

export const COUNT_MAX = 100_000
/** How long one call goes on. A statement or a cancel that has begun is let end. */
const CALL_MS = 8_000
const ENDED_AT_ONCE = 16
const PAGE = { tasksMax: 500, rowsMax: 10_000 }
const ERASED = { code: 'ERASED', text: 'everything of its sender is being erased' }

/** Throws CONFLICT while tasks are open, unless `force`; nothing is done then. */
export const createErase =
  (tools: EraseTools): Erase =>
  async (order) => {
    const { db, clock } = tools
    const { caller, force, by } = order
    const who = { tenant: by.tenant, caller }
    const until = clock.elapsed() + CALL_MS
    const before = await store.countTasks(db, who, COUNT_MAX)
    if (before.open > 0 && !force)
      throw new A2AError('CONFLICT', `${before.open} of its tasks have not ended; force ends them`, {
        metadata: { hint: 'let them end, or repeat it with force' },
      })
    if (!order.resumed) await note('data.erasing', order, tools)
    for (const id of await store.lockOut(db, who, by.id)) tools.forgetKey(id)
    const ended = await endTasks(who, until, tools)
    const tasks = await removeTasks(who, until, tools)
    const { tasks: left } = await store.countTasks(db, who, COUNT_MAX)
    if (!ended || left > 0) return { done: false, tasks, left }
    await removeOwned(who, by, tools)
    await note('data.erased', order, tools)
    await store.wipeRest(db, who)
    return { done: true, tasks, left: 0 }
  }

const note = (action: string, { caller, force, by }: EraseOrder, { db }: EraseTools): Promise<void> =>
  store.noteErasing(db, by.tenant, { id: uuidv7(), actor: by.id, action, subject: caller ?? '*', detail: { force } })

/** false: there was no time for all of them. */
async function endTasks(who: store.Principal, until: number, tools: EraseTools): Promise<boolean> {
  for (;;) {
    const open = await store.openTasks(tools.db, who, ENDED_AT_ONCE)
    if (open.length === 0) return true
    if (tools.clock.elapsed() >= until) return false
    await Promise.all(open.map((task) => endTask({ ...task, tenant: who.tenant }, tools)))
  }
}

async function endTask(task: store.OpenTask & { readonly tenant: string }, tools: EraseTools): Promise<void> {
  const { db, record, now } = tools
  const { tenant, id, contextId, agent } = task
  await tools.cancel(task)
  const head = await findTask(db, { tenant, id })
  if (!head || isTerminal(head.state)) return
  // Its agent will not, or cannot be asked: then it ends without it, and what still comes from there is nobody's.
  const ids = { taskId: id, contextId }
  const status = gatewayStatus('TASK_STATE_FAILED', ERASED, now(), ids)
  await record({
    ...{ tenant, taskId: id, agent, acceptedAt: task.createdAt },
    events: [{ event: { statusUpdate: { ...ids, status } } }],
  })
  await voidDeliveries(db, tenant, id, ERASED.code, ERASED.text)
}

async function removeTasks(who: store.Principal, until: number, { db, clock, gone }: EraseTools): Promise<number> {
  let count = 0
  while (clock.elapsed() < until) {
    const ids = await store.eraseTasks(db, who, PAGE).catch((error) => {
      // Somebody held what we wanted, and wanted what we held: nothing was done.
      if (isRetryable(error)) return undefined
      throw error
    })
    if (ids?.length === 0) break
    if (ids) gone(who.tenant, ids)
    count += ids?.length ?? 0
  }
  return count
}

async function removeOwned(who: store.Principal, by: Caller, { db, removeAgent }: EraseTools): Promise<void> {
  const { tenant } = who
  for (let names = await store.ownChannels(db, who); names.length > 0; names = await store.ownChannels(db, who))
    for (const name of names) {
      const told = {
        id: uuidv7(),
        actor: by.id,
        action: 'channel.removed',
        subject: `#${name}`,
        detail: { erased: true },
      }
      await removeChannel(db, { tenant, name, force: true }, told)
    }
  for (let names = await store.ownAgents(db, who); names.length > 0; names = await store.ownAgents(db, who))
    for (const name of names) await removeAgent(name, by)
}
