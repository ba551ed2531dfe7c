/** What the clients did and saw, in the convention of Jepsen: `fail` is definite, `info` is an outcome that nobody knows. */
import { createWriteStream } from 'node:fs'

export type Outcome = 'ok' | 'fail' | 'info'

export interface Line {
  /** Milliseconds since the run began, monotonic; `from` is when it was asked, `at` when the outcome was there. */
  readonly from: number
  readonly at: number
  readonly proc: number
  readonly caller: string
  readonly op: string
  readonly type: Outcome
  /** Version and binding. */
  readonly way: string
  readonly replica: number
  readonly messageId?: string
  readonly taskId?: string
  readonly state?: string
  readonly reason?: string
  /** Tokens and secrets of others that the answer held. */
  readonly leaks?: readonly string[]
}

export interface History {
  readonly lines: readonly Line[]
  readonly now: () => number
  note(line: Omit<Line, 'at'>): void
}

export function createHistory(began = performance.now()): History {
  const lines: Line[] = []
  const now = () => performance.now() - began
  return { lines, now, note: (line) => void lines.push({ at: now(), ...line }) }
}

/** The lines as Jepsen writes them: an invocation and its outcome, in the order of time. */
export async function writeHistory(lines: readonly Line[], path: string): Promise<void> {
  const halves = lines.flatMap(({ from, at, type, ...line }) => [
    { t: from, type: 'invoke', line },
    { t: at, type, line },
  ])
  halves.sort((a, b) => a.t - b.t)
  await writeLines(
    halves.map(({ t, type, line: { proc, op, ...rest } }) => {
      const { way, replica, caller, messageId, taskId, state, reason, leaks } = rest
      const req = { messageId, taskId }
      const res = type === 'invoke' ? undefined : { state, reason, leaks }
      return {
        t_mono: Math.round(t * 1_000) / 1_000,
        proc,
        op,
        key: messageId ?? taskId,
        type,
        binding: way,
        replica,
        caller,
        req,
        res,
      }
    }),
    path,
  )
}

/** JSON lines. */
export function writeLines(values: readonly unknown[], path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const file = createWriteStream(path)
    file.once('error', reject)
    for (const value of values) file.write(`${JSON.stringify(value)}\n`)
    file.end(() => resolve())
  })
}
