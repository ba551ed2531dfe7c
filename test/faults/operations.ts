/** What a client does, one function for each row of the workload; each leaves its lines in the history. */
import { isInterrupted, isTerminal, type Task } from '../../src/a2a/tasks.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { ask, deliver, doorOf, hookSecret, type Manner, newMessage, type Place, remember, someTask } from './asking.ts'
import type { Sent } from './record.ts'
import { type Answer, WAYS } from './speech.ts'
import { openStream } from './streams.ts'

async function send(place: Place, manner: Manner): Promise<void> {
  const sent = newMessage(place)
  await deliver(place, sent, manner)
  remember(place, sent)
}

/** Conversations of their own: what is sent side by side has no order. */
async function sendMany(place: Place): Promise<void> {
  await Promise.all(
    Array.from({ length: place.burst }, async () => {
      const sent = newMessage(place, { contextId: uuidv7() })
      await deliver(place, sent, 'immediate')
      remember(place, sent)
    }),
  )
}

/** A task that is likely to go on for a moment, so that there is something to come in between with. */
async function underWay(place: Place): Promise<{ sent: Sent; taskId: string } | undefined> {
  if (place.client.dice.next() < 0.5) return someTask(place)
  const sent = newMessage(place)
  Object.assign(sent, { text: `pace:6:80 ${sent.token}` })
  const task = await deliver(place, sent, 'immediate')
  remember(place, sent)
  return task && { sent, taskId: task.id }
}

/** The same message once more, up to three times at once, whether it was answered before or not. */
async function sendAgain(place: Place, times = 1 + place.client.dice.below(3)): Promise<void> {
  const known = place.client.recent.filter(({ bad }) => !bad)
  if (known.length === 0) return
  const sent = place.client.dice.pick(known)
  await Promise.all(Array.from({ length: times }, () => deliver(place, sent, 'immediate')))
}

async function followUp(place: Place): Promise<void> {
  const { client } = place
  // What asks first: a task that has a question gets an answer.
  const asked = newMessage(place, { agent: client.dice.pick(['dedupes', 'polls']) })
  Object.assign(asked, { text: `input ${asked.token}` })
  const task = await deliver(place, asked, 'blocking')
  remember(place, asked)
  if (task?.status.state !== 'TASK_STATE_INPUT_REQUIRED') return
  const answer = newMessage(place, { agent: asked.agent, follows: task.id, contextId: asked.contextId })
  await deliver(place, answer, client.dice.next() < 0.5 ? 'blocking' : 'immediate')
}

async function get(place: Place): Promise<void> {
  const known = someTask(place)
  if (known)
    await ask(
      place,
      { op: 'get', taskId: known.taskId },
      { agent: known.sent.agent, name: 'GetTask', params: { id: known.taskId } },
    )
}

async function list(place: Place): Promise<void> {
  const agent = place.client.dice.weighed(place.agents)
  // 0.3 has no such operation.
  const way = place.client.dice.pick(WAYS.slice(0, 3))
  let pageToken = ''
  for (let page = 0; page < 3; page++) {
    const params = { pageSize: 5, ...(pageToken && { pageToken }) }
    const answer = await ask(place, { op: 'list' }, { agent, name: 'ListTasks', params, way })
    pageToken = (answer.result as { nextPageToken?: string } | undefined)?.nextPageToken ?? ''
    if (pageToken === '') return
  }
}

async function subscribe(place: Place): Promise<void> {
  const known = await underWay(place)
  if (!known) return
  const { sent, taskId } = known
  const { dice } = place.client
  const before = place.evidence.streams.findLast((one) => one.taskId === taskId && one.end !== undefined)
  const last = before?.heard.at(-1)?.id
  const after =
    last !== undefined && dice.next() < 0.7 ? String(last) : dice.pick([undefined, undefined, '1', '-1', '99999', 'x!'])
  await openStream(place, {
    op: 'subscribe',
    name: 'SubscribeToTask',
    agent: sent.agent,
    params: { id: taskId },
    taskId,
    after,
  })
}

async function cancel(place: Place): Promise<void> {
  const known = await underWay(place)
  if (!known) return
  const { sent, taskId } = known
  sent.cancelAsked = true
  const answer = await ask(
    place,
    { op: 'cancel', taskId },
    { agent: sent.agent, name: 'CancelTask', params: { id: taskId } },
  )
  const state = (answer.result as Task | undefined)?.status?.state
  if (state === 'TASK_STATE_CANCELED') sent.canceledAt ??= performance.now()
}

async function pushConfig(place: Place): Promise<void> {
  const { client, pushTo, evidence } = place
  const ownRecent = (taskId: string) => client.recent.some(({ taskIds }) => taskIds.has(taskId))
  const mine = evidence.hooks.slice(-400).filter(({ taskId, deleteAsked }) => !deleteAsked && ownRecent(taskId))
  if (mine.length > 0 && client.dice.next() < 0.5) {
    const hook = client.dice.pick(mine)
    const sent = client.recent.find(({ taskIds }) => taskIds.has(hook.taskId))
    if (!sent || hook.deleteAsked) return
    hook.deleteAsked = true
    const params = { taskId: hook.taskId, id: hook.configId }
    const answer = await ask(
      place,
      { op: 'push delete', taskId: hook.taskId },
      { agent: sent.agent, name: 'DeleteTaskPushNotificationConfig', params },
    )
    if (answer.type === 'ok') hook.deletedAt = performance.now()
    return
  }
  const known = someTask(place)
  if (!known || !pushTo) return
  const { taskId, sent } = known
  const configId = `c${client.index}-${client.made++}`
  const { caller } = client.party
  const params = {
    taskId,
    id: configId,
    url: `${pushTo}${caller}/${client.dice.below(place.pushPaths)}`,
    token: hookSecret(caller),
  }
  const hook = { caller, taskId, configId, inline: false, deleteAsked: false }
  evidence.hooks.push(hook)
  await ask(
    place,
    { op: 'push create', taskId },
    { agent: sent.agent, name: 'CreateTaskPushNotificationConfig', params, way: client.dice.pick(WAYS.slice(0, 3)) },
  )
}

const PROBES = ['GetTask', 'CancelTask', 'ListTaskPushNotificationConfigs'] as const

/** Another's task, and one that nobody has: the answers are the same to the byte. */
async function foreign(place: Place): Promise<void> {
  const { client, evidence } = place
  const theirs = evidence.sent
    .slice(-400)
    .filter(({ caller, taskIds }) => caller !== client.party.caller && taskIds.size > 0)
  if (theirs.length === 0) return
  const sent = client.dice.pick(theirs)
  const name = client.dice.pick(PROBES)
  const whose = place.parties.find(({ caller }) => caller === sent.caller)
  // At their own agent, or at ours of the same name.
  const at = (client.dice.next() < 0.5 && whose ? whose : client.party).addressOf(sent.agent)
  const want = { agent: sent.agent, at, name, way: client.dice.pick(WAYS.slice(0, 3)), door: doorOf(place) }
  const ids = [[...sent.taskIds][0] as string, uuidv7()]
  const answers: Answer[] = []
  for (const id of ids) {
    const params = name === 'ListTaskPushNotificationConfigs' ? { taskId: id } : { id }
    answers.push(await ask(place, { op: `foreign ${name}` }, { ...want, params }))
  }
  const [theirAnswer, noAnswer] = answers as [Answer, Answer]
  if (theirAnswer.type === 'info' || noAnswer.type === 'info') return
  const plain = ({ text }: Answer, id: string | undefined) =>
    text.replaceAll(id ?? '', 'ID').replace(/"id":"[0-9a-f-]{36}"/, '"id":"RPC"')
  evidence.probes.push({
    op: name,
    way: want.way,
    foreign: plain(theirAnswer, ids[0]),
    unknown: plain(noAnswer, ids[1]),
  })
}

/** Something that must be refused for good, and must leave nothing behind. */
async function bad(place: Place): Promise<void> {
  const known = someTask(place)
  if (!known) return
  const { sent, taskId } = known
  const how = place.client.dice.pick(['reused', 'ended', 'nowhere'])
  if (how === 'nowhere')
    return void (await deliver(place, newMessage(place, { bad: how, follows: uuidv7() }), 'immediate'))
  if (how === 'reused') {
    const again = newMessage(place, {
      bad: how,
      agent: sent.agent,
      messageId: sent.messageId,
      contextId: sent.contextId,
    })
    return void (await deliver(place, again, 'immediate'))
  }
  const got = await ask(place, { op: 'get', taskId }, { agent: sent.agent, name: 'GetTask', params: { id: taskId } })
  const state = (got.result as Task | undefined)?.status?.state
  if (!state || !isTerminal(state) || isInterrupted(state)) return
  await deliver(
    place,
    newMessage(place, { bad: how, agent: sent.agent, follows: taskId, contextId: sent.contextId }),
    'immediate',
  )
}

/** The workload's rows with their weights; what collects is a process of its own. */
export const OPERATIONS = {
  blocking: { weight: 8, run: (place: Place) => send(place, 'blocking') },
  immediate: { weight: 14, run: sendMany },
  streaming: { weight: 8, run: (place: Place) => send(place, 'streaming') },
  again: { weight: 12, run: (place: Place) => sendAgain(place) },
  followUp: { weight: 8, run: followUp },
  get: { weight: 12, run: get },
  list: { weight: 6, run: list },
  subscribe: { weight: 12, run: subscribe },
  cancel: { weight: 6, run: cancel },
  pushConfig: { weight: 6, run: pushConfig },
  foreign: { weight: 4, run: foreign },
  bad: { weight: 3, run: bad },
} as const
export type OperationRow = keyof typeof OPERATIONS

/** One message sent eight times at the same moment, to all replicas and by all ways. */
export async function storm(place: Place): Promise<void> {
  const sent = newMessage(place)
  await Promise.all(Array.from({ length: 8 }, () => deliver(place, sent, 'immediate')))
  remember(place, sent)
}

/** So many messages to one agent, side by side; each is its own conversation. */
export async function flood(place: Place, agent: string, count: number): Promise<void> {
  await Promise.all(
    Array.from({ length: count }, () => deliver(place, newMessage(place, { agent, contextId: uuidv7() }), 'immediate')),
  )
}
