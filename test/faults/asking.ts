/** How a client asks: once and writes down what came of it, or again and again until somebody has answered. */
import type { Task } from '../../src/a2a/tasks.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { nap } from './dice.ts'
import type { ClientState, Evidence, Party, Sent } from './record.ts'
import type { Answer, Asking, Door, Way } from './speech.ts'
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
  /** Push URLs that each caller has. */
  readonly pushPaths: number
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

export function newMessage(
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

export type Manner = 'blocking' | 'immediate' | 'streaming'

/** Sends it, again and again, by any way to any replica, until somebody has acknowledged or refused it. */
export async function deliver(place: Place, sent: Sent, manner: Manner): Promise<Task | undefined> {
  const { client, pushTo, evidence } = place
  const { caller } = client.party
  // Only what opens a task: the same message again would say something else of where to push.
  const hooked = pushTo && !sent.follows && !sent.bad && client.dice.next() < 0.25
  const url = `${pushTo}${caller}/${client.dice.below(place.pushPaths)}`
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

export const remember = ({ client }: Place, sent: Sent) => {
  client.recent.push(sent)
  if (client.recent.length > 24) client.recent.shift()
}

/** One of its tasks of late; undefined: it has none yet. */
export function someTask({ client }: Place): { sent: Sent; taskId: string } | undefined {
  const known = client.recent.filter(({ taskIds }) => taskIds.size > 0)
  if (known.length === 0) return undefined
  const sent = client.dice.pick(known)
  return { sent, taskId: [...sent.taskIds][0] as string }
}
