/**
 * The gateway's own agent: finds agents, says which fit and why, and gives work to the one that fits best. What it gives
 * away is a task of its own in the same context, and all that is told there is told in the directory's task as well.
 */
import { A2AError } from '../../a2a/errors.ts'
import type { SendMessageRequest } from '../../a2a/operations.ts'
import { isTerminal, type Message, type Task } from '../../a2a/tasks.ts'
import { LIMITS } from '../../limits.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { Call, Execute } from '../../ports.ts'
import { readRecipients } from '../../store/children.ts'
import { type NewChild, type NewEvent, openFanOut } from '../../store/fanOut.ts'
import { findSubmission, findTask, stateNumber } from '../../store/tasks.ts'
import { type Addressing, addressed } from '../agents/address.ts'
import { type Agent, destinationOf, policyOf } from '../agents/agent.ts'
import { candidatesFor, type Seen } from '../agents/candidates.ts'
import { type Match, rank } from '../agents/match.ts'
import { isVisible, placeOf } from '../agents/present.ts'
import type { Registration } from '../agents/registration.ts'
import type { Agents } from '../agents/registry.ts'
import { authorizeSend, maySend } from '../callers/permits.ts'
import { homeOf, inlineConfig, keyOf, type OpenedTask, type OpenTools, repeated, requestOf } from '../tasks/open.ts'
import { skillsIn } from '../tasks/skillsIn.ts'
import { wishesOf } from '../tasks/wishes.ts'
import { type Wish, wishIn } from './wish.ts'

export const DIRECTORY = 'directory'

export interface DirectoryTools extends OpenTools {
  readonly agents: Pick<Agents, 'list' | 'find'>
  readonly publicUrl: () => string
  readonly execute: Execute
  readonly opened: (parentId: string, children: readonly string[]) => void
}

const SKILLS: NonNullable<Registration['skills']> = [
  {
    id: 'find',
    name: 'Find agents',
    description: 'Agents whose name, description or skills have these words, with their addresses and cards',
    tags: ['directory', 'search'],
    examples: ['find translate', '{"action": "find", "tag": "text", "available": true}'],
  },
  {
    id: 'match',
    name: 'Match a need',
    description: 'Which agents fit a need, the best first, with the reasons',
    tags: ['directory', 'match'],
    examples: ['match translate a letter into German', '{"need": "translate a letter", "skill": "translate"}'],
  },
  {
    id: 'delegate',
    name: 'Delegate',
    description: 'Gives the work to the agent that fits best, and tells all that this one tells',
    tags: ['directory', 'delegate'],
    examples: [
      'delegate translate: Guten Tag',
      'delegate @shout: hello',
      '{"action": "delegate", "skill": "translate", "text": "Guten Tag"}',
    ],
  },
]

const EPOCH = new Date(0)

/** The same object each time, so that its card is made once. */
export function createDirectoryAgent(): (tenant: string) => Agent {
  const made = new Map<string, Agent>()
  return (tenant) => {
    const known = made.get(tenant)
    if (known) return known
    const connector = { kind: 'directory' } as const
    const description = 'Finds agents at this gateway, says which fit a need and why, and delegates work to them'
    const registration: Registration = { name: DIRECTORY, connector, description, skills: SKILLS, version: '1' }
    const agent: Agent = {
      ...{ tenant, name: DIRECTORY, owner: 'operator', connector, policy: policyOf(registration), registration },
      ...{ modifiedAt: EPOCH, createdAt: EPOCH, provisioned: true, destination: destinationOf(DIRECTORY) },
    }
    made.set(tenant, agent)
    return agent
  }
}

export async function askDirectory(params: SendMessageRequest, call: Call, tools: DirectoryTools): Promise<OpenedTask> {
  if (params.message.taskId) return passOn(params, params.message.taskId, call, tools)
  const wish = wishIn(params.message)
  const asked = { params, call, wish, id: uuidv7(), contextId: params.message.contextId || uuidv7(), at: tools.now() }
  return wish.action === 'delegate' ? delegate(asked, tools) : answer(asked, tools)
}

interface Asked {
  readonly params: SendMessageRequest
  readonly call: Call
  readonly wish: Wish
  readonly id: string
  readonly contextId: string
  readonly at: Date
}

const addressing = ({ publicUrl }: DirectoryTools): Addressing => ({ publicHost: new URL(publicUrl()).host })

function show({ agent, state, waiting }: Seen, match: Match | undefined, tools: DirectoryTools) {
  const url = `${tools.publicUrl()}/agents/${placeOf(agent.name)}/`
  const description = agent.card?.description ?? agent.registration.description
  const skills = (agent.card?.skills ?? agent.registration.skills ?? []).map(({ id }) => id)
  return {
    ...{ name: agent.name, address: `${agent.name}@${addressing(tools).publicHost}` },
    ...{ url, card: `${url}.well-known/agent-card.json`, state, waiting, skills },
    ...(description !== undefined && { description }),
    ...(match && {
      score: match.score,
      reasons: match.reasons,
      ...(match.skill !== undefined && { skill: match.skill }),
    }),
  }
}

async function candidates({ wish, call }: Asked, tools: DirectoryTools): Promise<Seen[]> {
  const { skill, tag, available, action } = wish
  // A skill that nobody has by this name may still be what somebody speaks of.
  const seen = await candidatesFor(call.caller, action === 'find' ? { skill, tag } : { tag }, tools)
  return available === undefined ? seen : seen.filter(({ state }) => (state === 'online') === available)
}

const SHOWN = 20
const wordsIn = ({ agent }: Seen): string =>
  JSON.stringify([
    agent.name,
    agent.card?.description,
    agent.registration.description,
    agent.card?.skills ?? agent.registration.skills,
  ]).toLowerCase()

/** Who fits, the best first; without a need all. */
function ranked({ need, skill, tag, action }: Wish, seen: readonly Seen[]): { seen: Seen; match?: Match }[] {
  const words = (need ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  if (action === 'find')
    return seen.filter((one) => words.every((word) => wordsIn(one).includes(word))).map((one) => ({ seen: one }))
  const byName = new Map(seen.map((one) => [one.agent.name, one]))
  const asked = {
    text: need,
    ...(skill !== undefined && { skills: [skill] }),
    ...(tag !== undefined && { tags: [tag] }),
  }
  if (need === undefined && skill === undefined && tag === undefined) return seen.map((one) => ({ seen: one }))
  return rank(asked, seen).map((match) => ({ seen: byName.get(match.name) as Seen, match }))
}

/** An answer that is there at once. */
async function answer(asked: Asked, tools: DirectoryTools): Promise<OpenedTask> {
  const found = ranked(asked.wish, await candidates(asked, tools)).slice(0, SHOWN)
  const items = found.map(({ seen, match }) => show(seen, match, tools))
  const lines = items.map(({ address, state, description }) =>
    [address, state, ...(description ? [description] : [])].join('  '),
  )
  const artifact = {
    artifactId: 'agents',
    name: asked.wish.action === 'find' ? 'found' : 'matches',
    parts: [
      { text: lines.length > 0 ? lines.join('\n') : 'no agent that you may see fits' },
      { data: { items }, mediaType: 'application/json' },
    ],
  }
  const ids = { taskId: asked.id, contextId: asked.contextId }
  const ended = { ...ids, status: { state: 'TASK_STATE_COMPLETED', timestamp: asked.at.toISOString() } }
  return write(
    asked,
    {
      state: 'TASK_STATE_COMPLETED',
      events: [
        { kind: 2, body: JSON.stringify({ artifactUpdate: { ...ids, artifact, append: false, lastChunk: true } }) },
        { kind: 1, body: JSON.stringify({ statusUpdate: ended }) },
      ],
    },
    tools,
  )
}

/** To the one that is named, or to the best; nobody: REJECTED, and why. */
async function delegate(asked: Asked, tools: DirectoryTools): Promise<OpenedTask> {
  const { wish, id, contextId, at } = asked
  const ids = { taskId: id, contextId }
  const said = (text: string, data: unknown) => ({
    ...{ messageId: uuidv7(), role: 'ROLE_AGENT', ...ids },
    parts: [{ text }, { data, mediaType: 'application/json' }],
  })
  const best = await recipientOf(asked, tools)
  if (!best) {
    const info = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'NO_AGENT_FITS', domain: 'waypost' }
    const what = wish.agent ?? wish.skill ?? wish.need ?? wish.tag ?? 'this'
    const message = said(`no agent that you may send to fits "${what}"`, info)
    const status = { state: 'TASK_STATE_REJECTED', timestamp: at.toISOString(), message }
    return write(
      asked,
      {
        state: 'TASK_STATE_REJECTED',
        events: [{ kind: 1, body: JSON.stringify({ statusUpdate: { ...ids, status } }) }],
      },
      tools,
    )
  }
  const { seen, match } = best
  const { name, connector, destination, policy } = seen.agent
  const child: NewChild = {
    ...{ id: uuidv7(), member: name, kind: connector.kind, destination, outcome: null },
    ttlSeconds: wishesOf(asked.params).ttlSeconds ?? policy.ttlSeconds,
  }
  const message = said(`given to ${name}`, { ...show(seen, match, tools), task: child.id })
  const status = { state: 'TASK_STATE_WORKING', timestamp: at.toISOString(), message }
  const events: NewEvent[] = [{ kind: 1, body: JSON.stringify({ statusUpdate: { ...ids, status } }) }]
  return write(asked, { state: 'TASK_STATE_WORKING', events, child }, tools)
}

async function recipientOf(asked: Asked, tools: DirectoryTools): Promise<{ seen: Seen; match?: Match } | undefined> {
  const { wish, call, params } = asked
  const skills = skillsIn({ ...params, message: { ...params.message, parts: wish.parts } })
  if (wish.agent === undefined) {
    const seen = await candidates(asked, tools)
    return ranked(
      wish,
      seen.filter(({ agent }) => maySend(call.caller, agent, skills)),
    )[0]
  }
  const name = addressed(wish.agent, addressing(tools))
  if (name.startsWith('#')) throw new A2AError('INVALID_PARAMS', `agent: send to ${name} itself, it is an agent`)
  const agent = await tools.agents.find(call.caller.tenant, name)
  if (!agent || name === DIRECTORY || !isVisible(agent, call.caller)) return undefined
  authorizeSend(call.caller, agent, skills)
  return { seen: { agent, state: 'unknown', waiting: 0 } }
}

interface Written {
  readonly state: 'TASK_STATE_COMPLETED' | 'TASK_STATE_WORKING' | 'TASK_STATE_REJECTED'
  readonly events: readonly NewEvent[]
  readonly child?: NewChild
}

async function write(asked: Asked, { state, events, child }: Written, tools: DirectoryTools): Promise<OpenedTask> {
  const { params, call, wish, id, contextId, at } = asked
  const { tenant, id: caller } = call.caller
  const wishes = wishesOf(params)
  const timestamp = at.toISOString()
  const submitted = { state: 'TASK_STATE_SUBMITTED', timestamp } as const
  const task: Task = { id, contextId, status: submitted, history: [{ ...params.message, contextId, taskId: id }] }
  const placeholder = uuidv7()
  const carried: Message = { ...params.message, parts: [...wish.parts], contextId, taskId: placeholder }
  const key = keyOf(params.message, call, 'uuid')
  const config = inlineConfig(params, call, id, tools)
  const orderingKey = `${caller}/${contextId}`
  const written = await openFanOut(tools.db, {
    ...{ tenant, id, caller, agent: DIRECTORY, contextId, key, config, orderingKey, placeholder },
    trace: call.trace ? `${call.trace.traceparent} ${call.trace.tracestate ?? ''}`.trimEnd() : null,
    ...{ statusAt: timestamp, deadline: wishes.deadline ?? null, state: stateNumber(state) },
    events: [{ kind: 0, body: JSON.stringify({ task }) }, ...events],
    ...{ request: requestOf(params, call), rule: child ? 'relay' : 'none', needed: child ? 1 : 0 },
    children: child ? [child] : [],
    childBody: JSON.stringify({ task: { id: placeholder, contextId, status: submitted, history: [carried] } }),
    ...{ childDeadline: wishes.deadline ?? null, priority: wishes.priority, notBefore: wishes.notBefore ?? null },
    ...{
      mailKind: null,
      labels: wishes.labels ?? null,
      home: child ? homeOf(call, wishes) : null,
      webhookAgeSeconds: LIMITS.webhookAgeMaxMs / 1000,
    },
  })
  if (written.kind === 'repeated') {
    const found = key === null ? undefined : await findSubmission(tools.db, { tenant, caller, agent: DIRECTORY, key })
    if (!found) throw new A2AError('UNAVAILABLE', 'send it again', { retryAfterSeconds: 1 })
    return repeated(params.message, call, found, tools)
  }
  if (child) {
    tools.opened(id, [child.id])
    tools.wake(tenant, child.destination, orderingKey)
    if (child.kind === 'mailbox') tools.announce(tenant, child.destination)
  }
  if (config) tools.wake(tenant, (JSON.parse(config) as { destination: string }).destination)
  return { tenant, id, contextId, sequence: 1, repeated: false }
}

/** A further message to what was delegated goes where that went. */
async function passOn(params: SendMessageRequest, id: string, call: Call, tools: DirectoryTools): Promise<OpenedTask> {
  const { tenant, id: caller } = call.caller
  const head = await findTask(tools.db, { tenant, caller, agent: DIRECTORY, id })
  if (!head) throw new A2AError('TASK_NOT_FOUND', 'task not found')
  const [child] = await readRecipients(tools.db, tenant, id, 1)
  if (!child || isTerminal(head.state))
    throw new A2AError(
      'UNSUPPORTED_OPERATION',
      'the task has ended and takes no more messages; start a new one in the same context',
    )
  const message = { ...params.message, contextId: head.contextId, taskId: child.childId }
  const configuration = { ...params.configuration, returnImmediately: true, taskPushNotificationConfig: undefined }
  await tools.execute('SendMessage', { ...params, message, configuration }, { ...call, agent: child.member })
  return { tenant, id, contextId: head.contextId, sequence: head.lastSeq, repeated: false }
}
