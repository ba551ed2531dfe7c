/** The tools by which a host works for others: read_inbox, take_task, update_task, finish_task. */
import type { Part } from '../../a2a/parts.ts'
import type { Agent } from '../../gateway/agents/agent.ts'
import type { Offer } from '../../gateway/mailbox/offer.ts'
import type { NewMessage, Refused } from '../../gateway/mailbox/report.ts'
import type { Verdict } from '../../gateway/mailbox/verdict.ts'
import { LEVELS } from '../../gateway/tasks/wishes.ts'
import { stateOf } from '../../store/tasks.ts'
import { type ToolInput, WAIT_SECONDS_DEFAULT } from '../../wire/bridges/mcp/catalogue.ts'
import { pageOf } from '../face.ts'
import { showMail } from '../mail.ts'
import { answer, collector, type DeskTools, inboxNote, invalid, type Seat, type Tool } from './desk.ts'
import { beating } from './following.ts'
import { contentOf, threadOf } from './view.ts'

/** A model thinks and tries for minutes without a call; a lease of the usual length would be lost meanwhile. */
const LEASE_SECONDS = 600
const ITEMS_DEFAULT = 20

const taskStateOf = ({ taskState }: { taskState: number }) => stateOf(taskState).replace(/^TASK_STATE_/, '')

const leaseSecondsOf = ({ registration }: Agent): number => registration.leaseSeconds ?? LEASE_SECONDS

export const readInbox: Tool<ToolInput<'read_inbox'>> = async (input, seat, tools) => {
  const { urgent = false, after, limit = ITEMS_DEFAULT } = input
  const agent = await collector(seat, tools)
  const { tenant, destination } = agent
  const scope = ['mcp inbox', tenant, agent.name, urgent]
  const page = pageOf<{ priority: number; dueAt: number; id: string }>({ limit, cursor: after }, tools.pageKey, scope)
  const level = urgent ? 0 : LEVELS.length - 1
  const query = {
    tenant,
    destination,
    state: 0 as const,
    held: false,
    unread: false,
    level,
    kinds: null,
    label: null,
    skill: null,
  }
  const rows = await tools.mailbox.list({ ...query, contextId: null, from: null, after: page.after, limit: page.fetch })
  const { items, next: cursor } = page.answer(
    rows,
    (row) => {
      const { text, from, kind, priority, skill, message, task, expiresAt } = showMail(row)
      const begins = contentOf(message.parts, { left: 300 })
      return {
        taskId: task.id,
        contextId: task.contextId,
        from,
        kind,
        priority,
        ...(skill !== null && { skill }),
        ...(expiresAt && { expiresAt }),
        ...(text && { text: begins.text }),
        // What was said to a task before it was taken, or after a question of ours.
        ...(row.history !== null && { follows: taskStateOf(row) }),
      }
    },
    ({ priority, dueAt, id }) => ({ priority, dueAt, id }),
  )
  const next = items.length > 0 ? { next: 'take_task leases the first' } : {}
  return answer({ items, ...(cursor && { cursor }), ...next, ...(await inboxNote(seat, tools)) })
}

export const takeTask: Tool<ToolInput<'take_task'>> = async (input, seat, tools) => {
  const { wait = WAIT_SECONDS_DEFAULT, urgent, minPriority, contextId, from, skill } = input
  const agent = await collector(seat, tools)
  const request = {
    max: 1,
    leaseSeconds: leaseSecondsOf(agent),
    worker: undefined,
    reclaim: false,
    level: urgent ? 0 : minPriority === undefined ? LEVELS.length - 1 : LEVELS.indexOf(minPriority),
    kinds: null,
    label: null,
    contextId: contextId ?? null,
    from: from ?? null,
    skill: skill ?? null,
  }
  const over = new AbortController()
  beating(seat, tools.clock, over.signal)
  try {
    const offers = await tools.mailbox.lease(agent, request, wait * 1_000, seat.signal)
    seat.leased(agent, offers)
    const [offer] = offers
    if (!offer) return answer({ next: 'nothing waits; ask again later', ...(await inboxNote(seat, tools)) })
    return answer({ ...offerView(offer), ...(await inboxNote(seat, tools)) })
  } finally {
    over.abort()
  }
}

function offerView(offer: Offer): Record<string, unknown> {
  const { lease, attempt, expires, deadline, from, kind, priority, skill, message, task, checkpoint } = offer
  const thread = threadOf(task, message)
  return {
    lease,
    taskId: task.id,
    contextId: task.contextId,
    from,
    kind,
    priority,
    attempt,
    expires,
    ...(deadline !== null && { deadline }),
    ...(skill !== null && { skill }),
    text: '',
    ...contentOf(message.parts),
    ...(thread.length > 0 && { thread }),
    ...(checkpoint !== null && { checkpoint }),
    next: 'do it; update_task before `expires`; end with finish_task',
  }
}

const LOST = { error: 'LEASE_LOST', next: 'drop what you have for it, and take_task again' }
const refused = (said: Refused) =>
  said.kind === 'lost'
    ? answer({ ...LOST, message: said.reason }, true)
    : answer({ error: 'LEASE_NOT_FOUND', message: 'you have no such lease', next: 'take_task gives one' }, true)

const newsOf = (messages: readonly NewMessage[]) =>
  messages.map(({ message }) => ({ messageId: message.messageId, ...contentOf(message.parts) }))

/** What is shown has been read: it is not delivered again by itself, and stays in the task's history for a successor. */
async function takeUp(agent: Agent, lease: string, messages: readonly NewMessage[], { mailbox }: DeskTools) {
  const take = messages.map(({ delivery }) => delivery)
  if (take.length > 0) await mailbox.renew(agent, lease, { take, leaseSeconds: leaseSecondsOf(agent) })
}

export const updateTask: Tool<ToolInput<'update_task'>> = async (input, seat, tools) => {
  const { lease, text, progress, artifact, checkpoint } = input
  const agent = await collector(seat, tools)
  const said = await tools.mailbox.update(agent, lease, {
    leaseSeconds: leaseSecondsOf(agent),
    ...(text !== undefined && { text }),
    ...(progress !== undefined && { progress }),
    ...(artifact && { artifact: artifactOf(artifact), append: artifact.append ?? false }),
    ...(checkpoint !== undefined && { checkpoint }),
  })
  if (said.kind !== 'alive') return refused(said)
  const { cancelRequested, newMessages, expires } = said.answer
  await takeUp(agent, lease, newMessages, tools)
  return answer({
    cancelRequested,
    newMessages: newsOf(newMessages),
    expires,
    ...(cancelRequested && { next: 'the sender wants it canceled: finish_task with give_back' }),
    ...(await inboxNote(seat, tools)),
  })
}

function artifactOf({ id, name, text, data }: NonNullable<ToolInput<'update_task'>['artifact']>) {
  if (text === undefined && data === undefined) throw invalid('artifact', 'has `text`, `data` or both')
  return {
    ...(id !== undefined && { artifactId: id }),
    ...(name !== undefined && { name }),
    ...(text !== undefined && { text }),
    ...(data !== undefined && { parts: [{ data, mediaType: 'application/json' }] }),
  }
}

type Finish = ToolInput<'finish_task'>

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

function filePart({ name, mediaType, text, base64, url }: NonNullable<Finish['files']>[number], at: number): Part {
  const given = [text, base64, url].filter((content) => content !== undefined)
  if (given.length !== 1) throw invalid(`files.${at}`, 'has exactly one of `text`, `base64`, `url`')
  if (base64 !== undefined && !BASE64.test(base64)) throw invalid(`files.${at}.base64`, 'is not base64')
  const raw = base64 ?? (text === undefined ? undefined : Buffer.from(text, 'utf8').toString('base64'))
  const type = mediaType ?? (text === undefined ? undefined : 'text/plain')
  return {
    ...(raw === undefined ? { url: url as string } : { raw }),
    ...(name !== undefined && { filename: name }),
    ...(type !== undefined && { mediaType: type }),
  }
}

function verdictOf({ outcome, text, data, files = [] }: Finish): Verdict {
  const parts = [
    ...(data === undefined ? [] : [{ data, mediaType: 'application/json' }]),
    ...files.map((file, at) => filePart(file, at)),
  ]
  const words = { ...(text !== undefined && { text }), ...(parts.length > 0 && { parts }) }
  if (outcome === 'completed') return { verb: 'complete', ...words }
  if (outcome === 'needs_input') return { verb: 'ask', ...words }
  if (outcome === 'needs_auth') return { verb: 'auth', ...words }
  if (parts.length > 0) throw invalid('data', `${outcome} takes \`text\` only`)
  if (outcome === 'give_back') return { verb: 'release' }
  return { verb: outcome === 'failed' ? 'fail' : 'reject', ...(text !== undefined && { text }) }
}

export const finishTask: Tool<Finish> = async (input, seat, tools) => {
  const agent = await collector(seat, tools)
  const settled = await tools.mailbox.settle(agent, input.lease, verdictOf(input))
  if (settled.kind === 'settled') {
    const { task, retryInMs } = settled.answer
    const { id: taskId, status } = task
    const again = retryInMs === undefined ? {} : { retryInMs }
    return answer({
      taskId,
      state: status.state.replace(/^TASK_STATE_/, ''),
      ...again,
      ...(await inboxNote(seat, tools)),
    })
  }
  if (settled.kind === 'already settled')
    return answer({ error: 'ALREADY_SETTLED', message: `this lease was ended before, otherwise: ${settled.by}` }, true)
  if (settled.kind !== 'new messages') return refused(settled)
  await takeUp(agent, input.lease, settled.messages, tools)
  return answer({
    state: 'WORKING',
    newMessages: newsOf(settled.messages),
    next: 'not finished: the sender has said this meanwhile. Take it into account, then finish_task again',
  })
}

export async function inboxText(seat: Seat, tools: DeskTools): Promise<string> {
  return JSON.stringify((await readInbox({}, seat, tools)).result)
}
