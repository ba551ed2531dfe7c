/**
 * An MCP server as the gateway wants an agent: a message calls a tool, what it says are the task's events. A call lives in
 * this process. Where it is lost with the process, a tool that may be repeated is called again, any other ends its task
 * with OUTCOME_UNKNOWN: side effects are not run twice.
 */
import type { Verdict } from '../../../../delivery.ts'
import type {
  AgentTarget,
  EventSink,
  FetchCard,
  FetchedCard,
  McpServerTarget,
  Peer,
  PeerSend,
} from '../../../../ports.ts'
import { redactorFor } from '../../../bindings/peer/redact.ts'
import { type Choice, chooseTool } from './choose.ts'
import { endOf, failureOf, statusOf, whichTool } from './content.ts'
import { callFault, STOPPED, unreached } from './faults.ts'
import { createRun, type Run, WHY } from './run.ts'
import type { Session } from './session.ts'
import { createSessions, type McpSessions, type SessionsTools } from './sessions.ts'
import { cardOf, toolsOn } from './tools.ts'

export interface McpPeer {
  readonly peer: Peer
  readonly fetchCard: FetchCard
  close(): Promise<void>
}

const ACCEPTED: Verdict = { kind: 'accepted' }
const UNKNOWN = 'OUTCOME_UNKNOWN'
const unknown = (reason: string): Verdict => ({ kind: 'unknown', code: UNKNOWN, reason: `${UNKNOWN}: ${reason}` })

/** With several replicas an answer may come to one that does not hold the call: it is put back for the others. */
const ELSEWHERE_TRIES = 8
const ELSEWHERE: Verdict = {
  kind: 'refused',
  code: 'REJECTED',
  reason: 'another replica may hold the call that asked',
  retry: true,
  elsewhere: true,
}

type Call = Extract<Choice, { kind: 'call' }>

interface Beginning {
  readonly target: AgentTarget
  readonly mcp: McpServerTarget
  readonly call: Call
  readonly id: string
  readonly signal: AbortSignal
}

/** For a message that opens a call, or says again what may have opened one. */
function createOpen({ limits }: SessionsTools, sessions: McpSessions, runs: Map<string, Run>) {
  const bounds = { idleMs: limits.agentReplyMs, questionMs: limits.mcpQuestionMs }

  async function begin({ target, mcp, call, id, signal }: Beginning): Promise<Run | Verdict> {
    makeRoom(runs, limits.mcpQuestionsMax)
    if (runs.size >= limits.mcpQuestionsMax)
      return { kind: 'refused', code: 'BUSY', reason: 'too many tool calls wait for their senders', retry: true }
    let session: Session
    try {
      session = await sessions.open(target, mcp)
    } catch (error) {
      return unreached(error)
    }
    // Whoever wanted it has gone while the server started: nothing is called that nobody answers for.
    if (signal.aborted) return STOPPED
    const run = createRun({ taskId: id }, bounds)
    runs.set(keyOf(target, id), run)
    void execute(run, session, call, () => {
      // A process that has ended is gone by itself; over HTTP, only a new connection tells.
      if (!mcp.command) sessions.retire(target, session)
    })
    return run
  }

  return async function open(
    target: AgentTarget,
    mcp: McpServerTarget,
    request: PeerSend,
    sink: EventSink,
    signal: AbortSignal,
  ) {
    const id = idOf(request)
    const known = runs.get(keyOf(target, id))
    if (known) return carry(runs, target, known, sink, signal)
    if (!target.card) return { ...STOPPED, reason: 'its tools are not known yet' }
    const offered = toolsOn(target.card)
    const choice = chooseTool(offered, request.message, request.metadata)
    if (choice.kind !== 'call') {
      const question = whichTool({ taskId: '' }, offered, choice.kind === 'wrong' ? choice.violation : undefined)
      return (await given(question, sink)) ? ACCEPTED : STOPPED
    }
    const again = request.message.taskId !== undefined
    if (again && !choice.tool.repeatable) return unknown('whoever called the tool fell silent')
    const run = await orStopped(begin({ target, mcp, call: choice, id, signal }), signal)
    return 'kind' in run ? run : carry(runs, target, run, sink, signal)
  }
}

export interface McpPeerTools extends SessionsTools {
  /** Whether other replicas run beside this one. */
  readonly others: () => Promise<boolean>
}

export function createMcpPeer(tools: McpPeerTools): McpPeer {
  const { limits, others } = tools
  const sessions = createSessions(tools)
  const runs = new Map<string, Run>()
  const open = createOpen(tools, sessions, runs)

  const peer: Peer = {
    async send(target, request, sink, signal) {
      const { taskId } = request.message
      const { mcp } = target
      if (!mcp) return unknown('this is no MCP server')
      if (taskId === undefined || taskId === idOf(request)) return open(target, mcp, request, sink, signal)
      const run = runs.get(keyOf(target, taskId))
      if (run) {
        run.reply(request.message, request.idempotencyKey)
        return carry(runs, target, run, sink, signal)
      }
      if (request.attempt <= ELSEWHERE_TRIES && (await others())) return ELSEWHERE
      const lost = failureOf({ taskId }, UNKNOWN, 'the call that asked has ended with the process that held it')
      return (await given(lost, sink)) ? ACCEPTED : STOPPED
    },
    follow: async () => ({ ...STOPPED, reason: 'a call is only known to whoever holds it' }),
    async find(target, { message, metadata, upstreamTaskId }) {
      const choice = message && target.card && chooseTool(toolsOn(target.card), message, metadata)
      const again = choice && (choice.kind !== 'call' || choice.tool.repeatable)
      if (again && upstreamTaskId === undefined) return { kind: 'absent' }
      return { kind: 'unclear', reason: 'an MCP server does not tell what it has done', code: UNKNOWN }
    },
    async cancel(target, id) {
      const run = runs.get(keyOf(target, id))
      if (!run) return { kind: 'unreachable', reason: 'the call is not held here' }
      run.stop.abort(WHY.canceled)
      return { kind: 'canceled', task: { id, status: { state: 'TASK_STATE_CANCELED' } } }
    },
    extendedCard: async () => ({ kind: 'none', reason: 'an MCP server has no extended card' }),
  }

  return {
    peer,
    fetchCard: (target, signal) => fetchTools(target, signal, sessions, limits.cardBytesMax),
    async close() {
      for (const run of runs.values()) run.stop.abort(WHY.stopped)
      await sessions.close()
    },
  }
}

/** Names the call that this delivery opens, the same at every attempt. */
const idOf = ({ idempotencyKey }: PeerSend): string => `mcp-${idempotencyKey}`
const keyOf = ({ tenant, name }: AgentTarget, id: string): string => `${tenant} ${name} ${id}`

/** Calls that have ended and whose sender has not come for the end go first. */
function makeRoom(runs: Map<string, Run>, max: number): void {
  if (runs.size < max) return
  for (const [key, run] of runs) if (run.over()) runs.delete(key)
}

/** Gives on what the call says until it ends, asks, or nobody listens any more. */
async function carry(
  runs: Map<string, Run>,
  target: AgentTarget,
  run: Run,
  sink: EventSink,
  signal: AbortSignal,
): Promise<Verdict> {
  const redact = redactorFor(target)
  for (;;) {
    const next = await run.next(signal)
    if (next.kind === 'stopped') {
      if (!run.asks()) run.stop.abort(WHY.stopped)
      return STOPPED
    }
    if (next.kind === 'over') {
      runs.delete(keyOf(target, run.ids.taskId))
      const { verdict } = next
      return verdict.kind === 'accepted' ? verdict : { ...verdict, reason: redact.text(verdict.reason) }
    }
    if (!(await given(redact.event(next.event), sink))) {
      run.stop.abort(WHY.stopped)
      return STOPPED
    }
    if (next.interrupts) return ACCEPTED
  }
}

async function fetchTools(
  target: AgentTarget,
  signal: AbortSignal,
  sessions: McpSessions,
  bytesMax: number,
): Promise<FetchedCard> {
  const { mcp } = target
  if (!mcp) return { kind: 'failed', verdict: unknown('this is no MCP server') }
  const look = async () => cardOf(target, mcp, await (await sessions.open(target, mcp)).facts(signal))
  try {
    const card = await orStopped(look(), signal)
    if ('kind' in card) return { kind: 'failed', verdict: card }
    if (JSON.stringify(card).length <= bytesMax)
      return { kind: 'fetched', card: redactorFor(target).card(card), url: target.url }
    const reason = `its tools take more than ${bytesMax} bytes: name those that are wanted (tools.allow)`
    return { kind: 'failed', verdict: { kind: 'refused', code: 'INVALID_AGENT_RESPONSE', reason, retry: true } }
  } catch (error) {
    return { kind: 'failed', verdict: unreached(error) }
  }
}

async function given(event: Parameters<EventSink>[0], sink: EventSink): Promise<boolean> {
  try {
    await sink(event, JSON.stringify(event).length)
    return true
  } catch {
    // The lease is lost or the task has ended: nobody takes the events any more.
    return false
  }
}

/** What is begun goes on for the others who wait for it. */
function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T | typeof STOPPED> {
  if (signal.aborted) return Promise.resolve(STOPPED)
  return new Promise((resolve, reject) => {
    const leave = () => resolve(STOPPED)
    signal.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

async function execute(
  run: Run,
  session: Session,
  { tool, arguments: given }: Call,
  broken: () => void,
): Promise<void> {
  const { ids, stop } = run
  run.emit(statusOf(ids, 'TASK_STATE_WORKING'))
  try {
    const result = await session.call(run, tool.name, given)
    for (const event of endOf(ids, tool, result)) run.emit(event)
    run.finish(ACCEPTED)
  } catch (error) {
    if (stop.signal.reason === WHY.broken) broken()
    if (stop.signal.aborted) return run.finish(brokenOff(run, tool.repeatable))
    const fault = callFault(error)
    if (fault.kind !== 'failed') broken()
    if (fault.kind === 'verdict') return run.finish(fault.verdict)
    if (fault.kind === 'failed') {
      run.emit(statusOf(ids, 'TASK_STATE_FAILED', [{ text: fault.words }]))
      return run.finish(ACCEPTED)
    }
    run.finish(afterUnknown(fault.words, tool.repeatable))
  }
}

const afterUnknown = (words: string, repeatable: boolean): Verdict =>
  repeatable ? { kind: 'refused', code: 'FAILED', reason: words, retry: true } : unknown(words)

/** Who broke it off knows what follows. */
function brokenOff(run: Run, repeatable: boolean): Verdict {
  const why: unknown = run.stop.signal.reason
  if (why === WHY.canceled) return ACCEPTED
  if (why === WHY.unanswered) {
    run.emit(failureOf(run.ids, 'EXPIRED', 'the question was not answered in time'))
    return ACCEPTED
  }
  if (why === WHY.broken) return afterUnknown('the connection broke off', repeatable)
  if (why === WHY.silent) return afterUnknown('the tool fell silent', repeatable)
  return STOPPED
}
