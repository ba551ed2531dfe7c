/** What a client does, one function for each row of the workload; each leaves its lines in the history. */
import { isInterrupted, isTerminal, type Task } from '../../src/a2a/tasks.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { nap } from './dice.ts'
import type { ClientState, Evidence, Party, Sent } from './record.ts'
import { type Answer, type Asking, type Door, WAYS, type Way } from './speech.ts'
import { openStream } from './streams.ts'

export interface Workplace {
  readonly evidence: Evidence
  readonly doors: readonly Door[]
  readonly parties: readonly Party[]
  readonly agents: Readonly<Record<string, number>>
  readonly scripts: Readonly<Record<string, number>>
  readonly ways: readonly Way[]
  /** Base of the push URLs, ends with '/'; undefined: none are asked for. */
  readonly pushTo: string | undefined
  /** What must not be seen by `caller`. */
  readonly leaksIn: (text: string, caller: string) => readonly string[]
  readonly stopping: () => boolean
  readonly streamsMax: number
  /** Messages that who does not wait sends side by side. */
  readonly burst: number
}

export type Place = Workplace & { readonly client: ClientState }
type Want = Pick<Asking, 'agent' | 'name' | 'params'> &
  Partial<Pick<Asking, 'way' | 'door' | 'timeoutMs'>> & {
    /** The address in place of the party's own. */
    readonly at?: string
  }
type Told = { op: string; messageId?: string; taskId?: string }

export const wayOf = ({ client, ways }: Place): Way =>
  client.dice.next() < 0.7 ? (ways[client.index % ways.length] as Way) : client.dice.pick(ways)
export const doorOf = ({ client, doors }: Place): Door => client.dice.pick(doors)

/** Asks once, and writes down what came of it. */
export async function ask(place: Place, told: Told, want: Want): Promise<Answer> {
  const { client, evidence, leaksIn } = place
  const { at = client.party.addressOf(want.agent), ...wanted } = want
  const asking = { way: wayOf(place), door: doorOf(place), ...wanted, agent: at }
  const from = evidence.history.now()
  const answer = await client.party.speech.call(asking)
  const { task, status } = (answer.result ?? {}) as { task?: Task; status?: Task['status'] }
  const state = task?.status.state ?? status?.state
  const leaks = leaksIn(answer.text, client.party.caller)
  const taskId = told.taskId ?? task?.id
  evidence.history.note({
    ...told,
    from,
    proc: client.index,
    caller: client.party.caller,
    type: answer.type,
    way: asking.way,
    replica: asking.door.replica,
    ...(taskId && { taskId }),
    ...(state && { state }),
    ...(answer.reason && { reason: answer.reason }),
    ...(leaks.length > 0 && { leaks }),
  })
  return answer
}

function newMessage(
  place: Place,
  more: Partial<Pick<Sent, 'agent' | 'follows' | 'contextId' | 'bad' | 'messageId'>> = {},
): Sent {
  const { client, agents, scripts, evidence } = place
  const { dice, party } = client
  const agent = more.agent ?? dice.weighed(agents)
  if (more.contextId === undefined && dice.next() < 0.4) client.conversation = { contextId: uuidv7(), nth: 0 }
  const token = `op-${party.caller}-${client.index}-${client.made++}`
  const sent: Sent = {
    messageId: uuidv7(),
    contextId: client.conversation.contextId,
    nth: client.conversation.nth++,
    caller: party.caller,
    client: client.index,
    agent,
    token,
    text: `${dice.weighed(scripts)} ${token}`,
    taskIds: new Set(),
    cancelAsked: false,
    unknown: false,
    tries: 0,
    ...more,
  }
  evidence.sent.push(sent)
  return sent
}

const messageOf = ({ messageId, contextId, follows, text }: Sent) => ({
  messageId,
  contextId,
  ...(follows && { taskId: follows }),
  role: 'ROLE_USER',
  parts: [{ text }],
})

type Manner = 'blocking' | 'immediate' | 'streaming'

/** Sends it, again and again, by any way to any replica, until somebody has acknowledged or refused it. */
async function deliver(place: Place, sent: Sent, manner: Manner): Promise<Task | undefined> {
  const { client, pushTo, evidence } = place
  const { caller } = client.party
  // Only what opens a task: the same message again would say something else of where to push.
  const hooked = pushTo && !sent.follows && !sent.bad && client.dice.next() < 0.25
  const url = `${pushTo}${caller}/${client.dice.below(3)}`
  for (let tries = 0; ; tries++) {
    sent.tries++
    const configuration = {
      returnImmediately: manner === 'immediate',
      ...(hooked && { taskPushNotificationConfig: { url, token: hookSecret(caller) } }),
    }
    const params = { message: messageOf(sent), configuration }
    const answer =
      manner === 'streaming' && tries === 0
        ? await openStream(place, { op: 'stream', name: 'SendStreamingMessage', agent: sent.agent, params, sent })
        : await ask(
            place,
            { op: 'send', messageId: sent.messageId },
            { agent: sent.agent, name: 'SendMessage', params },
          )
    const { task, message } = (answer.result ?? {}) as { task?: Task; message?: object }
    if (answer.type === 'ok' && (task || message)) {
      if (task && !sent.taskIds.has(task.id)) {
        sent.taskIds.add(task.id)
        // The id that an inline configuration without one gets is the task's.
        if (hooked && tries === 0 && sent.taskIds.size === 1 && sent.tries === 1)
          evidence.hooks.push({ caller, taskId: task.id, configId: task.id, inline: true, deleteAsked: false })
      }
      return task
    }
    if (answer.type === 'fail' && answer.reason !== 'RATE_LIMITED' && answer.reason !== 'QUEUE_FULL') {
      sent.refused = answer.reason ?? ''
      return undefined
    }
    sent.unknown = true
    // Who works for itself waits as long as it takes; who only tries something out does not.
    if (sent.bad && tries > 20) return undefined
    await nap(20 + client.dice.below(80) + Math.min(tries, 10) * 20)
  }
}

/** Standard Webhooks: everyone signs with a secret of its own. */
export const hookSecret = (caller: string): string =>
  `whsec_${Buffer.from(`secret of ${caller} for webhooks`).toString('base64')}`

const remember = ({ client }: Place, sent: Sent) => {
  client.recent.push(sent)
  if (client.recent.length > 24) client.recent.shift()
}

/** One of its tasks of late; undefined: it has none yet. */
function someTask({ client }: Place): { sent: Sent; taskId: string } | undefined {
  const known = client.recent.filter(({ taskIds }) => taskIds.size > 0)
  if (known.length === 0) return undefined
  const sent = client.dice.pick(known)
  return { sent, taskId: [...sent.taskIds][0] as string }
}

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
  const mine = evidence.hooks.filter(({ caller, deleteAsked }) => caller === client.party.caller && !deleteAsked)
  if (mine.length > 0 && client.dice.next() < 0.5) {
    const hook = client.dice.pick(mine.slice(-40))
    const sent = client.recent.find(({ taskIds }) => taskIds.has(hook.taskId))
    if (!sent || hook.deleteAsked) return
    hook.deleteAsked = true
    const params = { taskId: hook.taskId, id: hook.configId }
    const answer = await ask(
      place,
      { op: 'push delete', taskId: hook.taskId },
      { agent: sent.agent, name: 'DeleteTaskPushNotificationConfig', params },
    )
    if (answer.type === 'ok') hook.deletedAt = Date.now()
    return
  }
  const known = someTask(place)
  if (!known || !pushTo) return
  const { taskId, sent } = known
  const configId = `c${client.index}-${client.made++}`
  const { caller } = client.party
  const params = { taskId, id: configId, url: `${pushTo}${caller}/${client.dice.below(3)}`, token: hookSecret(caller) }
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
