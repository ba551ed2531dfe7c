/** Why a task is where it is, and what comes next: sentences in order of importance, from facts alone. Pure. */
import { isInterrupted, isTerminal } from '../../a2a/tasks.ts'
import { HELD } from '../../delivery.ts'
import { waitsText } from '../../gateway/agents/agent.ts'
import { AHEAD_MAX, type AttemptRow, type DeliveryRow, type TaskFacts } from '../../store/inspect.ts'
import { iso } from '../face.ts'

export interface Reason {
  /** Stable. */
  readonly code: string
  readonly text: string
}

export interface Explanation {
  readonly task: string
  readonly agent: string
  readonly state: string
  /** The state of what is owed to the agent. */
  readonly delivery?: string
  readonly attempt?: number
  /** The texts of `reasons`. */
  readonly why: readonly string[]
  readonly reasons: readonly Reason[]
  /** What happens next, and when if that is known. */
  readonly next: string
  readonly nextAt?: string
  readonly ahead?: string
  readonly expires?: string
  readonly expiresAt?: string
  readonly try: readonly string[]
}

interface Finding {
  readonly reasons: readonly Reason[]
  readonly next: string
  readonly nextAt?: number
  readonly try?: readonly string[]
}

export function explainTask(facts: TaskFacts): Explanation {
  const { head } = facts
  const delivery = carrying(facts.deliveries)
  const finding = find(facts, delivery)
  const reasons = [...finding.reasons, ...webhookReasons(facts)]
  const waits = delivery?.state === 'waiting'
  return {
    task: head.id,
    agent: head.agent,
    state: head.state,
    ...(delivery && { delivery: delivery.state, attempt: delivery.attempt }),
    why: reasons.map(({ text }) => text),
    reasons,
    next: finding.next,
    ...(finding.nextAt !== undefined && { nextAt: iso(finding.nextAt) }),
    ...(waits &&
      facts.ahead > 0 && {
        ahead: `${facts.ahead >= AHEAD_MAX ? 'more than ' : ''}${facts.ahead} deliveries to the same agent`,
      }),
    ...(waits &&
      delivery.expiresAt !== null && {
        expires: `if it is not taken by ${iso(delivery.expiresAt)}, the task fails`,
        expiresAt: iso(delivery.expiresAt),
      }),
    try: finding.try ?? [],
  }
}

/** The delivery that the task's agent is owed now, else the last one. */
function carrying(deliveries: readonly DeliveryRow[]): DeliveryRow | undefined {
  const toAgent = deliveries.filter(({ kind }) => kind !== 'webhook' && kind !== 'result')
  return (
    toAgent.find(({ state }) => state === 'leased') ??
    toAgent.find(({ state }) => state === 'waiting') ??
    toAgent.at(-1)
  )
}

function find(facts: TaskFacts, delivery: DeliveryRow | undefined): Finding {
  const { head } = facts
  if (isTerminal(head.state)) return ended(facts, delivery)
  if (!delivery) return { reasons: [{ code: 'NOTHING_OWED', text: 'nothing is owed to the agent' }], next: 'nothing' }
  if (delivery.state === 'waiting') return waiting(facts, delivery)
  if (delivery.state === 'leased') return underWay(facts, delivery)
  if (isInterrupted(head.state)) return interrupted(facts)
  if (delivery.state === 'done')
    return {
      reasons: [{ code: 'DELIVERED', text: `the agent has it since ${iso(delivery.settledAt ?? head.statusAt)}` }],
      next: 'the agent reports',
    }
  return stopped(delivery)
}

const replay = (delivery: DeliveryRow): string => `waypost dlq replay ${delivery.id}`

function ended({ head }: TaskFacts, delivery: DeliveryRow | undefined): Finding {
  const over: Reason = {
    code: 'ENDED',
    text: `it ended as ${head.state.replace('TASK_STATE_', '')} at ${iso(head.statusAt)}`,
  }
  if (!delivery || delivery.state === 'done')
    return { reasons: [over], next: 'nothing: a task that has ended does not change' }
  const { reasons, try: commands } = stopped(delivery)
  return {
    reasons: [over, ...reasons],
    next: 'nothing: a task that has ended does not change',
    ...(commands && { try: commands }),
  }
}

function stopped(delivery: DeliveryRow): Finding {
  const said = delivery.reason ?? delivery.code ?? 'no reason is known'
  const attempts = `${delivery.attempt} ${delivery.attempt === 1 ? 'attempt' : 'attempts'}`
  const text =
    delivery.state === 'void'
      ? `it was withdrawn before the agent got it: ${said}`
      : delivery.state === 'expired'
        ? `it waited longer than it may: ${said}`
        : `it was given up after ${attempts}: ${said}`
  const again = delivery.state === 'void' ? {} : { try: [replay(delivery)] }
  return {
    reasons: [{ code: delivery.code ?? delivery.state.toUpperCase(), text }],
    next: 'nothing by itself',
    ...again,
  }
}

function interrupted({ head }: TaskFacts): Finding {
  const wants = head.state === 'TASK_STATE_AUTH_REQUIRED' ? 'credentials' : 'an answer'
  return {
    reasons: [
      {
        code: head.state.replace('TASK_STATE_', ''),
        text: `the agent asked its caller for ${wants} at ${iso(head.statusAt)}`,
      },
    ],
    next: 'goes on when the caller sends a message to this task',
    try: [`waypost send -a @${head.agent} --task ${head.id} --text …`],
  }
}

function underWay({ agent, attempts, head }: TaskFacts, delivery: DeliveryRow): Finding {
  const canceling: Reason[] =
    head.cancelAt === null
      ? []
      : [{ code: 'CANCEL_ASKED', text: `its caller wants it canceled since ${iso(head.cancelAt)}` }]
  const collected = agent?.connector === 'mailbox'
  const has = collected ? 'the agent has collected it' : 'the agent is being asked'
  const reasons = [
    ...canceling,
    { code: 'IN_HAND', text: `${has}, attempt ${delivery.attempt}` },
    ...lastFailure(attempts, delivery),
  ]
  return collected && delivery.leasedUntil !== null
    ? { reasons, next: 'the agent reports, or its lease runs out and it waits again', nextAt: delivery.leasedUntil }
    : { reasons, next: 'the agent answers' }
}

const lastFailure = (attempts: readonly AttemptRow[], delivery: DeliveryRow): Reason[] => {
  const last = attempts
    .filter(({ deliveryId, outcome }) => deliveryId === delivery.id && outcome !== 'delivered')
    .at(-1)
  const said = last?.reason ?? last?.code ?? delivery.reason ?? delivery.code
  if (!said) return []
  const when = last ? ` at ${iso(last.endedAt)}` : ''
  return [{ code: last?.code ?? delivery.code ?? 'ATTEMPT_FAILED', text: `the last attempt failed${when}: ${said}` }]
}

function waiting(facts: TaskFacts, delivery: DeliveryRow): Finding {
  const { agent, lane, head, now, attempts } = facts
  const name = head.agent
  const failure = lastFailure(attempts, delivery)
  if (!agent)
    return {
      reasons: [{ code: 'AGENT_GONE', text: `there is no agent "${name}" any more` }, ...failure],
      next: 'nothing until it is registered again',
    }
  if (agent.pending)
    return {
      reasons: [
        {
          code: 'AGENT_PENDING_APPROVAL',
          text: `the agent "${name}" is held since ${iso(agent.pending.at)}: ${waitsText(agent.pending)}`,
        },
        ...failure,
      ],
      next: 'goes on when an operator has approved the card',
      try: [`waypost agent show ${name}`, `waypost agent approve ${name}`],
    }
  if (agent.pausedAt !== null) {
    const why = agent.pausedReason ? `: ${agent.pausedReason}` : ''
    return {
      reasons: [
        { code: 'AGENT_PAUSED', text: `the agent "${name}" is paused since ${iso(agent.pausedAt)}${why}` },
        ...failure,
      ],
      next: 'goes on when it is resumed',
      try: [`waypost agent resume ${name}`],
    }
  }
  if (lane && lane.closedAt !== null) {
    const why = lane.reason ? `: ${lane.reason}` : ''
    const count = `${lane.failures} ${lane.failures === 1 ? 'failure' : 'failures'} in a row`
    return {
      reasons: [
        { code: 'AGENT_OFFLINE', text: `the agent "${name}" is offline since ${iso(lane.closedAt)}, ${count}${why}` },
      ],
      next: 'the agent is tried again, and then this goes at once',
      ...(lane.probeAt !== null && { nextAt: Math.max(lane.probeAt, now) }),
      try: [`waypost agent probe ${name}`],
    }
  }
  if (delivery.priority >= HELD)
    return {
      reasons: [
        {
          code: 'AWAITS_CONSENT',
          text: `the mailbox "${name}" has not said yet whether it takes messages of its sender`,
        },
      ],
      next: 'goes on when it accepts the sender as a contact, ends when it refuses',
      try: [`waypost contact accept ${head.caller} --agent ${name}`],
    }
  if (delivery.dueAt > now) {
    const first = delivery.attempt === 0
    const text = first
      ? `it is not to be sent before ${iso(delivery.dueAt)}`
      : `${delivery.attempt} attempts failed, the next one has to wait`
    return {
      reasons: [{ code: first ? 'NOT_BEFORE' : 'BACKING_OFF', text }, ...failure],
      next: `attempt ${delivery.attempt + 1}`,
      nextAt: delivery.dueAt,
      try: first ? [] : [`waypost agent probe ${name}`],
    }
  }
  return due(facts, failure)
}

function due({ agent, lane, head, ahead }: TaskFacts, failure: readonly Reason[]): Finding {
  if (agent?.connector === 'mailbox') {
    const seen = lane?.seenAt == null ? 'has not been seen yet' : `was last seen at ${iso(lane.seenAt)}`
    return {
      reasons: [
        { code: 'NOT_COLLECTED', text: `the agent "${head.agent}" collects its work itself, and ${seen}` },
        ...failure,
      ],
      next: 'goes when the agent asks for work',
      try: [`waypost agent show ${head.agent}`],
    }
  }
  const text =
    ahead > 0
      ? 'others are before it, or a message of the same conversation is in hand'
      : 'it is due, or a message of the same conversation is in hand'
  return { reasons: [{ code: 'IN_LINE', text }, ...failure], next: 'goes as soon as there is room' }
}

function webhookReasons({ deliveries }: TaskFacts): Reason[] {
  const webhooks = deliveries.filter(({ kind }) => kind === 'webhook')
  const dead = webhooks.filter(({ state }) => state === 'dead' || state === 'expired').length
  const open = webhooks.filter(({ state }) => state === 'waiting' || state === 'leased').length
  return [
    ...(open > 0
      ? [{ code: 'WEBHOOKS_WAIT', text: `${open} webhook ${open === 1 ? 'delivery is' : 'deliveries are'} under way` }]
      : []),
    ...(dead > 0
      ? [{ code: 'WEBHOOKS_DEAD', text: `${dead} webhook ${dead === 1 ? 'delivery was' : 'deliveries were'} given up` }]
      : []),
  ]
}
