/** Wakes agents that collect and are not there, at the address that they gave, as long as something waits unread. */
import { loop, type Service } from '../../platform/service.ts'
import { dueMail } from '../../store/inbox.ts'
import { claimWakes, listWakers, setWakeStatus, type Waker } from '../../store/wakes.ts'
import { LEVELS } from '../tasks/wishes.ts'
import type { MailboxTools } from './tools.ts'

export type WakerTools = Pick<MailboxTools, 'db' | 'clock' | 'loopTools' | 'signals' | 'limits' | 'postWake'>

/** Wake-ups sent side by side. */
const AT_ONCE = 32

export function createWaker(tools: WakerTools): Service {
  const { db, clock, limits } = tools
  let wakers: readonly Waker[] = []
  let listedAt = Number.NEGATIVE_INFINITY
  return loop(
    'mailbox.wake',
    async (signal) => {
      await clock.sleep(limits.wakeLookMs, signal)
      if (signal.aborted) return
      if (clock.elapsed() - listedAt >= limits.wakersEveryMs) {
        wakers = await listWakers(db)
        listedAt = clock.elapsed()
      }
      if (wakers.length > 0) await wakeThem(wakers, tools, signal)
    },
    tools.loopTools,
  )
}

async function wakeThem(wakers: readonly Waker[], tools: WakerTools, signal: AbortSignal): Promise<void> {
  const { db, limits } = tools
  const woken = await claimWakes(db, wakers, limits.wakeAwaySeconds)
  if (woken.length === 0) return
  const due = await dueMail(db, woken)
  for (let at = 0; at < woken.length; at += AT_ONCE) {
    await Promise.all(
      woken.slice(at, at + AT_ONCE).map(async (one) => {
        const same = (other: { tenant: string; destination: string }) =>
          other.tenant === one.tenant && other.destination === one.destination
        const waker = wakers.find(same)
        const waits = due.find(same)
        if (!waker) return
        const agent = one.destination.slice('agent:'.length)
        const priority = LEVELS[waits?.level ?? 2] ?? 'normal'
        const call = { url: waker.url, agent, count: waits?.due ?? 1, priority, wake: one.wakes }
        const failure = await tools.postWake(call, signal)
        const status = failure === undefined ? 'sent' : 'failed'
        if (failure !== undefined) await setWakeStatus(db, one, status)
        const reason = failure === undefined ? {} : { reason: failure }
        tools.signals.emit('mailbox.woken', { tenant: one.tenant, agent, status, wake: one.wakes, ...reason })
      }),
    )
  }
}
