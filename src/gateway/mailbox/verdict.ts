/** How the holder of a lease may end it, and what it is answered. */
import type { Part } from '../../a2a/parts.ts'
import type { TaskState } from '../../a2a/tasks.ts'
import type { NewMessage, Refused, ReportedArtifact } from './report.ts'

export interface Words {
  readonly text?: string | undefined
  readonly parts?: readonly Part[] | undefined
}
export type Verdict =
  | ({
      verb: 'complete'
      /** `message`: the words are a Message, and the answer of a send that still waits for its first; default: an artifact. */
      as?: 'artifact' | 'message' | undefined
      artifacts?: readonly ReportedArtifact[] | undefined
      ignore?: readonly string[] | undefined
    } & Words)
  | { verb: 'fail'; text?: string | undefined; retry?: boolean | undefined; delaySeconds?: number | undefined }
  | { verb: 'reject'; text?: string | undefined }
  | ({ verb: 'ask' | 'auth'; schema?: unknown } & Words)
  | { verb: 'release'; delaySeconds?: number | undefined }

/** The same every time it is said again. */
export interface SettleAnswer {
  readonly lease: string
  readonly delivery: string
  readonly settled: Verdict['verb']
  readonly task: { readonly id: string; readonly contextId: string; readonly status: { readonly state: TaskState } }
  /** It waits again; milliseconds until it is due. */
  readonly retryInMs?: number
}
export type Settled =
  | { kind: 'settled'; answer: SettleAnswer }
  | { kind: 'already settled'; by: string }
  | { kind: 'new messages'; messages: readonly NewMessage[] }
  | Refused
