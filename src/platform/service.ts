/** Everything that runs starts and stops alike; `main.ts` starts in order and stops in reverse. */
import type { Clock } from './clock.ts'

export interface Service {
  readonly name: string
  start(): Promise<void> | void
  /** Idempotent; also before `start`. Work in hand gets a bounded time to end. */
  stop(): Promise<void>
}

export interface LoopTools {
  readonly clock: Clock
  /** How long `stop` waits for the round in hand. */
  readonly stopGraceMs: number
  /** A round that failed is told and followed by another after `pauseMs`; a loop does not die of one error. */
  readonly onError: (name: string, error: unknown) => void
  readonly pauseMs: number
}

/** Runs `round` again and again until it is stopped. The signal aborts at `stop`. */
export function loop(name: string, round: (signal: AbortSignal) => Promise<void>, tools: LoopTools): Service {
  const stopping = new AbortController()
  let running: Promise<void> | undefined
  const run = async () => {
    while (!stopping.signal.aborted) {
      try {
        await round(stopping.signal)
      } catch (error) {
        if (stopping.signal.aborted) return
        tools.onError(name, error)
        await tools.clock.sleep(tools.pauseMs, stopping.signal)
      }
    }
  }
  return {
    name,
    start() {
      running ??= run()
    },
    async stop() {
      stopping.abort()
      if (running) await Promise.race([running, tools.clock.sleep(tools.stopGraceMs)])
    },
  }
}
