/**
 * From the agent's events to the log, under one lease. The first goes at once; then what comes within a moment is
 * gathered into one statement, so that a chatty agent does not cost a commit per token. The event that ends the attempt
 * settles its delivery in the same statement: there is no moment in which the one is true and the other not.
 */
import type { StreamResponse } from '../../a2a/events.ts'
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import type { EventSink } from '../../ports.ts'
import type { Record, Recorded, TaskEvent, TaskRecord } from '../tasks/record.ts'
import type { Intake } from './intake.ts'

export interface RecorderTools {
  readonly record: Record
  readonly clock: Clock
  readonly intake: Intake
  /** The last sequence of the log when the attempt began. */
  readonly after: number
  readonly base: Pick<TaskRecord, 'tenant' | 'taskId' | 'agent' | 'acceptedAt'> & {
    readonly under: { deliveryId: string; lease: string }
  }
  /** The caller wants it canceled, and now the agent's id for it is known. */
  readonly onCancelWanted: (upstreamTask: string) => void
}

export type RecorderEnd = 'open' | 'settled' | 'final' | 'lease lost' | 'over limit'

export interface Recorder {
  readonly sink: EventSink
  /** Writes what is gathered; then says how it stands. */
  flush(): Promise<RecorderEnd>
  end(): RecorderEnd
  /** The agent has told its id for the task, and it is recorded: whoever comes next can follow it. */
  recordedId(): boolean
}

/** The lease is gone or the task has ended: the sender must stop. */
class StopSending extends Error {}

/** A reason at hand: an abort without one makes a DOMException with a stack. */
const AWAKE = new Error('no more to gather')

export function createRecorder({ after, record, clock, intake, base, onCancelWanted }: RecorderTools): Recorder {
  let gathered: TaskEvent[] = []
  let gatheredBytes = 0
  let writing: Promise<void> | undefined
  let failed: unknown
  let end: RecorderEnd = 'open'
  let told = false
  let lastSeq = after
  let nap: AbortController | undefined

  async function write(): Promise<void> {
    const events = gathered
    gathered = []
    gatheredBytes = 0
    const ended = intake.ended()
    const upstreamTask = intake.upstreamTask()
    const upstreamContext = intake.upstreamContext()
    const news = !told && upstreamTask !== undefined
    if (events.length === 0 && !news && !ended) return
    const written = await record({
      ...base,
      after: lastSeq,
      events,
      ...(upstreamTask && { upstreamTask }),
      ...(upstreamContext && { upstreamContext }),
      ...(ended && { settle: { state: 'done' as const } }),
    })
    if (written.kind === 'appended') lastSeq = written.lastSeq
    settleBy(written, ended)
    if (news && written.kind === 'appended') {
      told = true
      if (written.cancelRequested && upstreamTask) onCancelWanted(upstreamTask)
    }
  }

  function settleBy(written: Recorded, ended: boolean): void {
    if (written.kind === 'appended') {
      if (ended) end = 'settled'
    } else {
      end = written.kind
    }
  }

  /** One writer at a time; what comes while it naps goes with it. */
  function start(napMs: number): Promise<void> {
    writing ??= turn(napMs)
    return writing
  }

  async function turn(napMs: number): Promise<void> {
    if (napMs > 0) {
      nap = new AbortController()
      await clock.sleep(napMs, nap.signal)
      nap = undefined
    }
    try {
      await write()
    } catch (error) {
      failed = error
    }
    writing = undefined
    // What came while this was being written goes with the next.
    if (gathered.length > 0 && !failed && standing() === 'open') void start(LIMITS.recordGatherMs)
  }

  async function writeNow(): Promise<void> {
    nap?.abort(AWAKE)
    await writing
    nap?.abort(AWAKE)
    while (gathered.length > 0 && !failed && standing() === 'open') await start(0)
  }

  async function sink(event: StreamResponse, bytes: number): Promise<void> {
    check()
    const made = intake.take(event, bytes)
    if (intake.overLimit()) end = 'over limit'
    gathered.push(...made)
    gatheredBytes += bytes
    if (intake.ended() || gatheredBytes > LIMITS.recordGatherBytes) await writeNow()
    else if (gathered.length > 0 || !told) void start(told ? LIMITS.recordGatherMs : 0)
    check()
  }

  function check(): void {
    if (failed) throw failed
    const now = standing()
    if (now === 'final' || now === 'lease lost' || now === 'over limit') throw new StopSending(now)
  }

  const standing = (): RecorderEnd => end

  return {
    sink,
    async flush() {
      nap?.abort(AWAKE)
      while (writing) await writing
      if (!failed && standing() === 'open') await start(0)
      if (failed) throw failed
      return standing()
    },
    end: standing,
    recordedId: () => told,
  }
}
