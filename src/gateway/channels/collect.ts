/**
 * Takes home what the children of a task have come to. Level-triggered: a child's end stands in its own row, and what is
 * still open is looked at round and round, so that an answer that was recorded by a process that died a moment later, or
 * by another replica, is found. Signals of this process only make it faster.
 *
 *     child ended ──▶ look at its parent ──▶ take (compare-and-append) ──┬─ written ──▶ look again, until nothing is new
 *                                                                      └─ the log had moved: look again
 */
import { isTerminal } from '../../a2a/tasks.ts'
import type { HappeningSignals } from '../../happenings.ts'
import { LIMITS } from '../../limits.ts'
import { onAbort } from '../../platform/aborts.ts'
import type { Clock } from '../../platform/clock.ts'
import { type LoopTools, loop, type Service } from '../../platform/service.ts'
import type { StreamEntry } from '../../ports.ts'
import { expireChannels } from '../../store/channels.ts'
import { findParent, type OpenChild, type OpenCursor, openChildren, setAside } from '../../store/children.ts'
import type { Db } from '../../store/db.ts'
import { stateOf } from '../../store/tasks.ts'
import { relay } from './relay.ts'
import { take } from './take.ts'

/** Whose task is to be canceled, and where. */
export interface ChildCancel {
  readonly tenant: string
  readonly caller: string
  readonly agent: string
  readonly taskId: string
}

export interface CollectTools {
  readonly db: Db
  readonly clock: Clock
  readonly now: () => Date
  readonly loopTools: LoopTools
  readonly signals: HappeningSignals
  readonly published: (tenant: string, taskId: string, entries: readonly StreamEntry[], owed: string | null) => void
  /** false: it could not be asked now. */
  readonly cancel: (child: ChildCancel) => Promise<boolean>
}

export interface Collector extends Service {
  /** These are waited for from now on: their ends are seen at once. */
  opened(parentId: string, children: readonly string[]): void
}

const START: OpenCursor = {
  tenant: '',
  parentId: '00000000-0000-0000-0000-000000000000',
  childId: '00000000-0000-0000-0000-000000000000',
}

export function createCollector(tools: CollectTools): Collector {
  const { db, clock, signals } = tools
  /** child → parent: of those that are open as far as this process knows. */
  const known = new Map<string, string>()
  const waiting = new Map<string, { tenant: string; parentId: string }>()
  let cursor = START
  let wakeUp = () => {}
  const stops: (() => void)[] = []

  function learn(parentId: string, childId: string): void {
    known.delete(childId)
    known.set(childId, parentId)
    if (known.size > LIMITS.childrenKnownMax) known.delete(known.keys().next().value as string)
  }
  function ask(tenant: string, parentId: string): void {
    waiting.set(`${tenant} ${parentId}`, { tenant, parentId })
    wakeUp()
  }
  function hear({ task, tenant }: { task: string; tenant: string }): void {
    const parentId = known.get(task)
    if (parentId !== undefined) ask(tenant, parentId)
  }

  /** One page of what is open; the next one next time. */
  async function look(): Promise<void> {
    const rows = await openChildren(db, cursor, LIMITS.childrenPage)
    cursor = rows.length < LIMITS.childrenPage ? START : (rows.at(-1) as OpenCursor)
    for (const row of rows) {
      learn(row.parentId, row.childId)
      if (needsLook(row)) waiting.set(`${row.tenant} ${row.parentId}`, row)
    }
    await expireChannels(db, LIMITS.childrenPage)
  }

  async function work(signal: AbortSignal): Promise<void> {
    while (waiting.size > 0 && !signal.aborted) {
      const parents = [...waiting.values()].slice(0, LIMITS.collectAtOnce)
      for (const { tenant, parentId } of parents) waiting.delete(`${tenant} ${parentId}`)
      await Promise.all(
        parents.map(({ tenant, parentId }) =>
          bringHome(tenant, parentId, tools).catch((error) => tools.loopTools.onError('collect', error)),
        ),
      )
    }
  }

  let lookedAt = Number.NEGATIVE_INFINITY
  const wheel = loop(
    'collector',
    async (signal) => {
      if (waiting.size === 0) {
        const rest = Math.max(0, lookedAt + LIMITS.pollMs - clock.elapsed())
        const woken = new AbortController()
        wakeUp = () => woken.abort()
        const forget = onAbort(signal, wakeUp)
        await clock.sleep(rest, woken.signal)
        forget()
      }
      if (signal.aborted) return
      if (clock.elapsed() - lookedAt >= LIMITS.pollMs) {
        lookedAt = clock.elapsed()
        await look()
      }
      await work(signal)
    },
    tools.loopTools,
  )

  return {
    name: 'collector',
    start() {
      // Of `recorded` only what is relayed is of interest before the end; a look that finds nothing new is cheap.
      stops.push(signals.on('task.recorded', hear), signals.on('task.finished', hear))
      stops.push(signals.on('task.finished', ({ task, tenant, agent }) => ofParent(agent) && ask(tenant, task)))
      return wheel.start()
    },
    async stop() {
      for (const stop of stops.splice(0)) stop()
      await wheel.stop()
    },
    opened(parentId, children) {
      for (const child of children) learn(parentId, child)
    },
  }
}

/** Agents that are none give their tasks to others. */
const ofParent = (agent: string): boolean => agent.startsWith('#') || agent === 'directory'

const needsLook = ({ childState, parentState, behind }: OpenChild): boolean =>
  behind || isTerminal(stateOf(childState)) || isTerminal(stateOf(parentState))

/** Until nothing is new. Each round either writes or finds that somebody else has. */
async function bringHome(tenant: string, parentId: string, tools: CollectTools): Promise<void> {
  for (let round = 0; round < LIMITS.collectRounds; round++) {
    const parent = await findParent(tools.db, tenant, parentId)
    if (!parent || (parent.counts.open ?? 0) === 0) return
    const { state } = parent.head
    if (state === 'TASK_STATE_CANCELED') return cancelOpen(parent.head, tools)
    if (isTerminal(state)) return setAside(tools.db, tenant, parentId)
    const written = parent.rule === 'relay' ? await relay(parent, tools) : await take(parent, tools)
    if (written === 'nothing new') return
  }
}

async function cancelOpen({ tenant, id }: { tenant: string; id: string }, tools: CollectTools): Promise<void> {
  for (;;) {
    const open = await openOf(tools.db, tenant, id)
    if (open.length === 0) return
    const done = await Promise.all(
      open.map(async ({ childId, childState, member, caller }) => {
        const over = isTerminal(stateOf(childState))
        if (!over && !(await tools.cancel({ tenant, caller, agent: member, taskId: childId }))) return false
        await setAside(tools.db, tenant, id, childId)
        return true
      }),
    )
    if (!done.some(Boolean)) return
  }
}

/** Of one parent, some at a time. */
const openOf = async (db: Db, tenant: string, parentId: string): Promise<OpenChild[]> =>
  (await openChildren(db, { ...START, tenant, parentId }, LIMITS.collectAtOnce)).filter(
    (row) => row.tenant === tenant && row.parentId === parentId,
  )
