/**
 * An MCP server on stdio as an agent of a mailbox: a message calls a tool, by the same rules as for a server that the
 * gateway itself starts (docs/mcp.md). What a call asks its sender settles the lease; the call waits in this process for
 * the answer, which is a delivery of its own.
 *
 *     message ──▶ which tool? ─┬─ none said ──▶ ask
 *                              └─ call ──┬─ asks ──▶ ask … answer ──▶ the same call
 *                                        └─ result, failure ──▶ complete, fail
 *
 * A tool that may not be repeated leaves a checkpoint before it is called: whoever takes the task up after that says
 * OUTCOME_UNKNOWN instead of calling it again.
 */
import type { AgentCard } from '../../a2a/agentCard.ts'
import type { StreamResponse } from '../../a2a/events.ts'
import { type Artifact, type Job, type Message, NewMessages, type Part, TryAgain } from '../../client/mailbox.ts'
import { LIMITS } from '../../limits.ts'
import { systemClock } from '../../platform/clock.ts'
import { VERSION } from '../../version.ts'
import { chooseTool } from '../../wire/bridges/mcp/outbound/choose.ts'
import { createMcpPeer, type McpPeer } from '../../wire/bridges/mcp/outbound/peer.ts'
import { toolsOn } from '../../wire/bridges/mcp/outbound/tools.ts'
import { answersQuestion, ELSEWHERE_ATTEMPTS, ELSEWHERE_SECONDS } from './asking.ts'
import type { LinesWork } from './lines.ts'
import { childLink } from './mcpLink.ts'
import type { RunnerSettings } from './settings.ts'

export interface McpWork extends LinesWork {
  /** What its tools make of the agent: the members of a registration. Rejects when the server cannot be started. */
  facts(): Promise<Readonly<Record<string, unknown>>>
}

type Target = Parameters<McpPeer['fetchCard']>[0]

/** `onChanged`: its tools are others than they were. `idempotent`: tools that may be called again, whatever they say. */
export function mcpWork(settings: RunnerSettings, idempotent: readonly string[], onChanged: () => void): McpWork {
  const { command, agent, outputBytesMax, onLine } = settings
  const bare: Target = {
    ...{ tenant: 'local', name: agent, url: '', headers: {} },
    mcp: { command: [command.file, ...command.args], env: [], deny: [], idempotent, repeats: false },
  }
  let target: Promise<Target> | undefined
  const bridge = createMcpPeer({
    ...{ clock: systemClock, limits: LIMITS, version: VERSION },
    openLink: () => childLink({ command, messageBytesMax: outputBytesMax, onLine }),
    others: async () => false,
    toolsChanged() {
      target = undefined
      onChanged()
    },
    onEnded: () => {},
  })
  const known = (): Promise<Target> => {
    target ??= meet(bridge, bare)
    target.catch(() => {
      target = undefined
    })
    return target
  }
  /** Of a task that has asked: the call that waits for the answer. */
  const asked = new Map<string, string>()

  return {
    facts: async () => registrationOf((await known()).card as AgentCard),
    async work(job) {
      let now: Target
      try {
        now = await known()
      } catch (error) {
        throw new TryAgain((error as Error).message)
      }
      await perform(job, { target: now, bridge, asked, settings })
      return undefined
    },
    close: () => bridge.close(),
  }
}

async function meet({ fetchCard }: McpPeer, target: Target): Promise<Target> {
  const fetched = await fetchCard(target, new AbortController().signal)
  if (fetched.kind === 'fetched') return { ...target, card: fetched.card }
  const { verdict } = fetched
  throw new Error('reason' in verdict ? verdict.reason : 'the MCP server does not answer')
}

/** What one registration takes. */
const SKILLS_MAX = 200

const registrationOf = ({ description, skills, capabilities, defaultInputModes, defaultOutputModes }: AgentCard) => ({
  ...{ description, defaultInputModes, defaultOutputModes },
  skills: skills.slice(0, SKILLS_MAX),
  extensions: capabilities.extensions ?? [],
})

interface Performing {
  readonly target: Target
  readonly bridge: McpPeer
  readonly asked: Map<string, string>
  readonly settings: RunnerSettings
}

/** Says which upstream task a message belongs to, and notes a call before it is made. */
async function upstreamOf(job: Job, { target, asked }: Performing): Promise<string | undefined> {
  const held = asked.get(job.task.id)
  asked.delete(job.task.id)
  if (held !== undefined) return held
  if (answersQuestion(job)) {
    if (job.attempt <= ELSEWHERE_ATTEMPTS)
      throw new TryAgain('another process may hold the call that asked', ELSEWHERE_SECONDS)
    return `lost-${job.task.id}`
  }
  const own = `mcp-${job.delivery}`
  if ((job.checkpoint as { called?: unknown } | null)?.called === true) return own
  const choice = chooseTool(toolsOn(target.card as AgentCard), messageOf(job), metadataOf(job))
  if (choice.kind === 'call' && !choice.tool.repeatable) await job.update({ checkpoint: { called: true } })
  return undefined
}

const messageOf = (job: Job) => job.message as Parameters<typeof chooseTool>[1]
const metadataOf = ({ skill }: Job) => (skill === null ? undefined : { skill })

async function perform(job: Job, performing: Performing): Promise<void> {
  const { target, bridge, settings } = performing
  const upstream = await upstreamOf(job, performing)
  const { taskId: _, ...message } = job.message as Message
  const metadata = metadataOf(job)
  const over = new AbortController()
  const stop = () => over.abort()
  const { taskTimeoutMs } = settings
  const timer = taskTimeoutMs === undefined ? undefined : setTimeout(stop, taskTimeoutMs)
  job.signal.addEventListener('abort', stop, { once: true })
  if (job.signal.aborted) stop()
  try {
    const request = {
      message: { ...message, ...(upstream !== undefined && { taskId: upstream }) },
      ...(metadata && { metadata }),
      extensions: [],
      idempotencyKey: job.delivery,
      attempt: job.attempt,
    }
    const teller = createTeller(job, performing)
    const verdict = await bridge.peer.send(target, request as never, teller.take, over.signal)
    if (job.signal.aborted || teller.settled()) return
    if (teller.failed()) throw teller.failed()
    if (over.signal.aborted) return await job.fail({ text: `not done after ${(taskTimeoutMs as number) / 1_000} s` })
    await settleBy(job, verdict)
  } finally {
    clearTimeout(timer)
    job.signal.removeEventListener('abort', stop)
  }
}

async function settleBy(job: Job, verdict: Awaited<ReturnType<McpPeer['peer']['send']>>): Promise<void> {
  if (verdict.kind === 'accepted') return job.fail({ text: 'the tool has ended without a result' })
  if (verdict.kind !== 'refused') return job.fail({ text: verdict.reason })
  if (!verdict.retry) return job.reject(verdict.reason)
  // It has not been called: nothing stands in the way of the next attempt.
  await job.update({ checkpoint: { called: false } })
  throw new TryAgain(verdict.reason, verdict.retryAfterMs === undefined ? undefined : verdict.retryAfterMs / 1_000)
}

/** What a call says, on its way to the sender. */
function createTeller(job: Job, { asked, settings }: Performing) {
  const artifacts: Artifact[] = []
  let settled = false
  let failed: unknown
  async function tell(event: StreamResponse): Promise<void> {
    if ('artifactUpdate' in event) {
      artifacts.push(event.artifactUpdate.artifact as Artifact)
      return
    }
    if (!('statusUpdate' in event)) return
    const { taskId, status } = event.statusUpdate
    const parts = status.message?.parts as readonly Part[] | undefined
    if (status.state === 'TASK_STATE_WORKING') {
      if (parts && settings.tellsProgress) await job.update({ parts })
      return
    }
    settled = true
    if (status.state === 'TASK_STATE_INPUT_REQUIRED' || status.state === 'TASK_STATE_AUTH_REQUIRED') {
      if (taskId !== '') remember(asked, job.task.id, taskId)
      await job[status.state === 'TASK_STATE_AUTH_REQUIRED' ? 'auth' : 'ask']({ ...(parts && { parts }) })
    } else if (status.state === 'TASK_STATE_COMPLETED') await complete(job, artifacts)
    else await job.fail({ text: textOf(parts) })
  }
  return {
    settled: () => settled && failed === undefined,
    failed: () => failed,
    async take(event: StreamResponse) {
      try {
        await tell(event)
      } catch (error) {
        failed = error
        throw error
      }
    },
  }
}

function remember(asked: Map<string, string>, task: string, call: string): void {
  if (asked.size >= LIMITS.mcpQuestionsMax) asked.delete(asked.keys().next().value as string)
  asked.set(task, call)
}

const textOf = (parts: readonly Part[] = []): string =>
  parts.flatMap(({ text, data }) => text ?? (data === undefined ? [] : [JSON.stringify(data)])).join('\n')

/** A running tool hears nothing: what its sender says meanwhile is left unanswered, and the task says so. */
async function complete(job: Job, artifacts: readonly Artifact[]): Promise<void> {
  const ignore: string[] = []
  for (;;) {
    try {
      return await job.complete({ artifacts, ...(ignore.length > 0 && { ignore }) })
    } catch (error) {
      if (!(error instanceof NewMessages)) throw error
      ignore.push(...error.messages.map(({ delivery }) => delivery))
    }
  }
}
