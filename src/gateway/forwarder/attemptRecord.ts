/** The attempt as a record that walks through the steps, and what it carries read from the store. */
import type { Message, Task } from '../../a2a/tasks.ts'
import type { Outcome, Verdict } from '../../delivery.ts'
import type { AgentTarget, TraceContext } from '../../ports.ts'
import type { Leased, MessageLoad } from '../../store/deliveries.ts'
import type { Agent } from '../agents/agent.ts'
import type { Recorder } from './recorder.ts'

export interface Attempt {
  readonly leased: Leased
  readonly load: MessageLoad
  readonly startedAt: number
  /** What it carries, where that need not be read from its stored text. */
  readonly message?: Message
  readonly agent?: Agent
  readonly target?: AgentTarget
  readonly recorder?: Recorder
  readonly verdict?: Verdict
  readonly outcome?: Outcome | { kind: 'superseded' }
  /** It went out to the agent in this attempt; what former ones had left open was settled before. */
  readonly sent?: boolean
  /** What the next holder must know when the attempt ends without an outcome. */
  readonly code?: string
}

/** The message that a delivery carries: the last of its event, or the one that opened the task. */
export function storedMessage({ body, history }: MessageLoad): Message {
  if (history) return (JSON.parse(history) as Message[])[0] as Message
  return (JSON.parse(body) as { task: Task }).task.history?.[0] as Message
}

export function readTrace(text: string | null): TraceContext | undefined {
  if (!text) return undefined
  const [traceparent, tracestate] = text.split(' ', 2) as [string, string?]
  return { traceparent, ...(tracestate && { tracestate }) }
}
