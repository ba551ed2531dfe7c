/** Makes leased deliveries ready to run: reads what they carry, and runs the attempt of their kind. One row per kind. */
import type { Message } from '../../a2a/tasks.ts'
import type { DestinationKind, Outcome, Verdict } from '../../delivery.ts'
import {
  createSettle,
  deliveryState,
  type Leased,
  loadMessages,
  loadWebhooks,
  type MessageLoad,
} from '../../store/deliveries.ts'
import { createStanding } from '../../store/pushConfigs.ts'
import type { Handed } from '../tasks/open.ts'
import { runAttempt } from './attempt.ts'
import type { LaneResult, Ready } from './lane.ts'
import type { AttemptTools, ForwarderTools, SettleRequest } from './tools.ts'
import { prepareWebhook, runWebhookAttempt } from './webhookAttempt.ts'

export interface Carrier {
  /** Reads what claimed deliveries carry, all at once. */
  load(kind: DestinationKind, leased: readonly Leased[]): Promise<Ready[]>
  /** A delivery whose content is still at hand. */
  handed(leased: Leased, handed: Handed): Ready
  /** Leased but never begun: back to waiting, not counted, provably unsent. */
  giveBack(leased: readonly Leased[]): Promise<void>
}

export function createCarrier(
  forwarder: ForwarderTools,
  { stopping, holds }: Pick<AttemptTools, 'stopping' | 'holds'>,
): Carrier {
  const settleBatch = createSettle(forwarder.db)
  const standing = createStanding(forwarder.db)
  const { clock } = forwarder
  const tools: AttemptTools = { ...forwarder, stopping, holds, settle }

  function settle(
    { leased, startedAt }: { leased: Leased; startedAt: number },
    request: SettleRequest,
  ): Promise<boolean> {
    return settleBatch.submit({
      tenant: leased.tenant,
      id: leased.id,
      lease: leased.lease,
      taskId: leased.taskId,
      destination: leased.destination,
      attempt: leased.attempt,
      state: deliveryState(request.state),
      waitMs: request.waitMs,
      counts: request.counts,
      code: request.code,
      reason: request.reason.slice(0, 500),
      durationMs: Math.round(clock.elapsed() - startedAt),
      outcome: request.outcome,
      status: request.status ?? null,
    })
  }

  /** Its caller collects no more: nobody is told by sending. */
  async function withdraw(leased: Leased): Promise<LaneResult> {
    const startedAt = clock.elapsed()
    await settle(
      { leased, startedAt },
      {
        state: 'void',
        waitMs: 0,
        counts: false,
        code: 'NO_MAILBOX',
        reason: 'it is read there, not sent',
        outcome: 'dead',
      },
    )
    return { outcome: 'superseded', health: undefined }
  }

  /** What was claimed ahead of its place may have waited for it, and its config be deleted meanwhile (P13). */
  const standsNow = ({ tenant, taskId, configId }: Leased): Promise<boolean> =>
    standing.submit({ tenant, taskId, id: configId ?? '' })

  async function runMessage(leased: Leased, load: MessageLoad, message?: Message): Promise<LaneResult> {
    const start = { leased, load, startedAt: clock.elapsed(), ...(message && { message }) }
    const attempt = await runAttempt(start, tools, stopping)
    return report(leased, attempt.startedAt, attempt.outcome ?? { kind: 'superseded' }, attempt.verdict)
  }

  function report(
    leased: Leased,
    startedAt: number,
    outcome: Outcome | { kind: 'superseded' },
    verdict: Verdict | undefined,
    status?: number,
  ): LaneResult {
    const { signals } = forwarder
    const reason = verdict && verdict.kind !== 'accepted' ? verdict.reason : undefined
    const code = verdict?.kind === 'refused' ? verdict.code : verdict?.kind === 'unknown' ? 'UNKNOWN' : undefined
    const waitMs = outcome.kind === 'retry' ? outcome.waitMs : undefined
    signals.emit('delivery.attempted', {
      delivery: leased.id,
      task: leased.taskId,
      destination: leased.destination,
      kind: leased.kind,
      attempt: leased.attempt,
      ms: Math.round(clock.elapsed() - startedAt),
      waitedMs: Math.max(0, Math.round(forwarder.now().getTime() - leased.createdAt)),
      outcome: outcome.kind,
      ...(waitMs !== undefined && { nextInMs: waitMs }),
      ...(code && { code }),
      ...(reason && { reason }),
      ...(status !== undefined && { status }),
    })
    if (outcome.kind === 'dead') {
      signals.emit('delivery.dead', {
        delivery: leased.id,
        task: leased.taskId,
        destination: leased.destination,
        kind: leased.kind,
        code: outcome.code,
        reason: outcome.reason,
      })
    }
    return {
      outcome: outcome.kind,
      health: healthOf(verdict),
      ...(reason && { reason }),
      ...(waitMs !== undefined && !isElsewhere(verdict) && { waitMs }),
    }
  }

  return {
    async load(kind, leased) {
      if (kind === 'webhook') {
        const loads = new Map((await loadWebhooks(forwarder.db, leased)).map((load) => [load.id, load]))
        return leased.flatMap((one) => {
          const load = loads.get(one.id)
          if (!load) return []
          const send = load.gone ? undefined : prepareWebhook(one, load, tools)
          const run = async (leave: () => void) => {
            const stands = send !== undefined && (await standsNow(one))
            const attempt = await runWebhookAttempt(one, stands ? send : undefined, { ...tools, leave }, stopping)
            return report(
              one,
              attempt.startedAt,
              attempt.outcome ?? { kind: 'superseded' },
              attempt.verdict,
              attempt.status,
            )
          }
          return [{ leased: one, run, handed: false }]
        })
      }
      const loads = new Map(
        (await loadMessages(forwarder.db, leased)).map((load) => [`${load.taskId}/${load.seq}`, load]),
      )
      return leased.flatMap((one) => {
        if (one.kind === 'result') return [{ leased: one, run: () => withdraw(one), handed: false }]
        const load = loads.get(`${one.taskId}/${one.seq}`)
        return load ? [{ leased: one, run: () => runMessage(one, load), handed: false }] : []
      })
    },
    handed(leased, { row, message }) {
      const load: MessageLoad = {
        taskId: row.id,
        seq: 1,
        agent: row.agent,
        caller: row.caller,
        contextId: row.contextId,
        state: 1,
        deadline: null,
        upstreamTask: null,
        upstreamContext: null,
        trace: row.trace,
        createdAt: leased.createdAt,
        body: row.body,
        history: null,
        request: row.request,
      }
      return { leased, run: () => runMessage(leased, load, message), handed: true }
    },
    async giveBack(leased) {
      const request: Omit<SettleRequest, 'code'> = {
        state: 'waiting',
        waitMs: 0,
        counts: false,
        reason: 'handed over at shutdown',
        outcome: 'retry',
      }
      // What an attempt before has left open is open still.
      const back = (one: Leased) =>
        settle({ leased: one, startedAt: clock.elapsed() }, { ...request, code: one.code ?? 'UNSENT' })
      await Promise.allSettled(leased.map(back))
    },
  }
}

/** What an attempt says about the destination, beyond the one delivery. */
const isElsewhere = (verdict: Verdict | undefined): boolean => verdict?.kind === 'refused' && verdict.elsewhere === true

function healthOf(verdict: Verdict | undefined): LaneResult['health'] {
  if (!verdict) return undefined
  if (verdict.kind === 'accepted') return 'good'
  if (verdict.kind === 'unknown') return 'bad'
  if (verdict.code === 'UNREACHABLE' || verdict.code === 'CARD_SIGNATURE') return 'unreachable'
  // Nonsense spoils its own task; whoever says it is there, and may make sense to others.
  if (['STOPPED', 'INVALID_AGENT_RESPONSE', 'EGRESS_BLOCKED', 'UNPROVED'].includes(verdict.code)) return undefined
  // A refusal with a reason is the answer of somebody who is there.
  return verdict.code === 'REJECTED' ? 'good' : 'bad'
}
