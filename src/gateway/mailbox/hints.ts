/**
 * Hints for agents that listen instead of asking: there is work, a cancel, a further message. Nothing is taken by them and
 * nothing depends on them: who comes is told what is there now, so a lost connection loses nothing.
 */

import { A2AError } from '../../a2a/errors.ts'
import { laneKey } from '../../delivery.ts'
import { type DueMail, dueMail, type HeldSign, heldSigns, type Mailbox } from '../../store/inbox.ts'
import type { Agent } from '../agents/agent.ts'
import { LEVELS } from '../tasks/wishes.ts'
import type { MailboxTools } from './tools.ts'

export type Hint =
  | { event: 'work'; count: number; priority: string }
  | { event: 'cancel'; delivery: string; task: string }
  | { event: 'result'; count: number }
  | { event: 'message'; delivery: string; task: string; count: number }

export interface HintSink {
  /** false: too slow or gone. */
  push(hint: Hint): boolean
  end(): void
}

export interface Hints {
  /** Gives back how to stop. Throws RATE_LIMITED. */
  listen(agent: Agent, sink: HintSink): () => void
  wake(tenant: string, destination: string): void
  /** Looks for all who listen: those who were woken, or all. */
  look(all: boolean): Promise<void>
  watched(): Mailbox[]
  close(): void
}

interface Listener {
  readonly sink: HintSink
  /** What it was told last: the work that is due, and by delivery what its holder should know. */
  due: number
  results: number
  readonly told: Map<string, string>
}

interface Box extends Mailbox {
  readonly listeners: Set<Listener>
  woken: boolean
}

export function createHints({ db, limits }: Pick<MailboxTools, 'db' | 'limits'>): Hints {
  const boxes = new Map<string, Box>()
  let streams = 0

  function tell(box: Box, due: DueMail | undefined, signs: readonly HeldSign[]): void {
    const { due: count = 0, results = 0 } = due ?? {}
    const held = new Set(signs.map(({ delivery }) => delivery))
    for (const listener of [...box.listeners]) {
      const hints: Hint[] = []
      if (due && due.level !== null && (box.woken || count !== listener.due))
        hints.push({ event: 'work', count, priority: LEVELS[due.level] ?? 'normal' })
      listener.due = count
      if (results > listener.results) hints.push({ event: 'result', count: results })
      listener.results = results
      for (const delivery of listener.told.keys()) if (!held.has(delivery)) listener.told.delete(delivery)
      for (const sign of signs) hints.push(...news(listener, sign))
      if (!hints.every((hint) => listener.sink.push(hint))) drop(box, listener)
    }
    box.woken = false
  }

  function news({ told }: Listener, { delivery, taskId: task, cancelWanted, pending }: HeldSign): Hint[] {
    const [cancel, count] = (told.get(delivery) ?? 'false 0').split(' ') as [string, string]
    told.set(delivery, `${cancelWanted} ${pending}`)
    const hints: Hint[] = []
    if (cancelWanted && cancel === 'false') hints.push({ event: 'cancel', delivery, task })
    if (pending > Number(count)) hints.push({ event: 'message', delivery, task, count: pending })
    return hints
  }

  function drop(box: Box, listener: Listener): void {
    if (!box.listeners.delete(listener)) return
    streams--
    if (box.listeners.size === 0) boxes.delete(`${box.tenant} ${box.destination}`)
  }

  return {
    listen({ tenant, destination }, sink) {
      if (streams >= limits.hintStreamsMax)
        throw new A2AError('RATE_LIMITED', `${limits.hintStreamsMax} streams of hints are open`, {
          retryAfterSeconds: 5,
        })
      const key = laneKey({ tenant, destination })
      const box = boxes.get(key) ?? { tenant, destination, listeners: new Set(), woken: false }
      boxes.set(key, box)
      const listener: Listener = { sink, due: 0, results: 0, told: new Map() }
      box.listeners.add(listener)
      box.woken = true
      streams++
      return () => drop(box, listener)
    },
    wake(tenant, destination) {
      const box = boxes.get(laneKey({ tenant, destination }))
      if (box) box.woken = true
    },
    async look(all) {
      const chosen = [...boxes.values()].filter(({ woken }) => all || woken)
      if (chosen.length === 0) return
      const [due, signs] = await Promise.all([dueMail(db, chosen), heldSigns(db, chosen)])
      const of = (box: Box) => (row: Mailbox) => row.tenant === box.tenant && row.destination === box.destination
      for (const box of chosen) tell(box, due.find(of(box)), signs.filter(of(box)))
    },
    watched: () => [...boxes.values()].map(({ tenant, destination }) => ({ tenant, destination })),
    close() {
      for (const box of [...boxes.values()]) for (const { sink } of [...box.listeners]) sink.end()
    },
  }
}
