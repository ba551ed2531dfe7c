/**
 * Smoke checks of a live agent, named after the requirements of the official kit (a2a-tck 1.0) that they look at. They
 * ask for nothing but an answer to a short text, so that they fit any agent; the kit itself needs one with a script.
 */
import { AgentCard } from '../a2a/agentCard.ts'
import { isTerminal, TASK_STATES, type Task } from '../a2a/tasks.ts'
import { uuidv7 } from '../platform/ids.ts'
import type { A2AClient } from './a2aClient.ts'
import { CliError } from './errors.ts'
import { stateOf } from './waiting.ts'

/** Of one run of the checks: what the first of them have found out is used by the others. */
export interface Smoke {
  readonly client: A2AClient
  readonly signal: AbortSignal
  task?: Task
}

export interface SmokeCheck {
  readonly id: string
  readonly title: string
  /** Resolves when it holds. @throws Failed, Skipped */
  run(smoke: Smoke): Promise<void> | void
}

export class Skipped extends Error {}
export class Failed extends Error {}

const must = (holds: unknown, otherwise: string): void => {
  if (!holds) throw new Failed(otherwise)
}

/** The name of the error that came, which is to be this one. */
async function refusedWith(name: string, asked: () => Promise<unknown>): Promise<void> {
  try {
    await asked()
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    return must(error.code === name, `refused with ${error.code} instead of ${name}: ${error.message}`)
  }
  throw new Failed(`it was not refused; ${name} was to come`)
}

const aMessage = (more: object = {}) => ({
  messageId: uuidv7(),
  role: 'ROLE_USER' as const,
  parts: [{ text: 'ping (conformance smoke check)' }],
  ...more,
})

const known = (smoke: Smoke): Task => {
  if (smoke.task) return smoke.task
  throw new Skipped('the agent has answered without a task')
}
const ended = (smoke: Smoke): Task => {
  const task = known(smoke)
  if (isTerminal(task.status.state)) return task
  throw new Skipped(`the task has not ended, it is ${task.status.state}`)
}
const streams = ({ client }: Smoke): void => {
  if (!client.agent.card.capabilities?.streaming) throw new Skipped('the card does not offer streaming')
}
const pushes = ({ client }: Smoke): void => {
  if (!client.agent.card.capabilities?.pushNotifications)
    throw new Skipped('the card does not offer push notifications')
}
const NOBODY = '00000000-0000-7000-8000-000000000000'
const HOOK = 'https://hooks.example.test/waypost-conformance'

const CARD: readonly SmokeCheck[] = [
  {
    id: 'CARD-STRUCT-001',
    title: 'the card has what a card must have',
    run({ client }) {
      const { error } = AgentCard.safeParse(client.agent.card)
      must(!error, error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') ?? '')
    },
  },
  {
    id: 'CARD-PROTO-002',
    title: 'every interface names its binding, its version and its address',
    run({ client }) {
      const offered = client.agent.card.supportedInterfaces ?? []
      must(offered.length > 0, 'the card has no interfaces')
      for (const { url, protocolBinding, protocolVersion } of offered)
        must(URL.canParse(url) || protocolBinding === 'GRPC', `${protocolBinding} ${protocolVersion}: ${url} is no URL`)
    },
  },
]

const TASKS: readonly SmokeCheck[] = [
  {
    id: 'CORE-SEND-001',
    title: 'a message is answered with a task or a message',
    async run(smoke) {
      const answer = await smoke.client.call('SendMessage', { message: aMessage() }, smoke.signal)
      must('task' in answer || 'message' in answer, 'the answer is neither')
      if ('task' in answer) smoke.task = answer.task
    },
  },
  {
    id: 'DM-TASK-001',
    title: 'a task has an id, a context and a state of the specification',
    run(smoke) {
      const { id, contextId, status } = known(smoke)
      must(id && contextId && TASK_STATES.includes(status?.state), `id ${id}, context ${contextId}, ${status?.state}`)
    },
  },
  {
    id: 'CORE-GET-001',
    title: 'the task can be got',
    async run(smoke) {
      const { id } = known(smoke)
      must((await smoke.client.call('GetTask', { id }, smoke.signal)).id === id, 'another task came')
    },
  },
  {
    id: 'CORE-GET-002',
    title: 'a task that is not there is TaskNotFoundError',
    run: ({ client, signal }) => refusedWith('TaskNotFoundError', () => client.call('GetTask', { id: NOBODY }, signal)),
  },
  {
    id: 'CORE-HIST-001',
    title: 'historyLength 0 leaves the history out',
    async run(smoke) {
      const asked = { id: known(smoke).id, historyLength: 0 }
      const { history = [] } = await smoke.client.call('GetTask', asked, smoke.signal)
      must(history.length === 0, `${history.length} messages came`)
    },
  },
  {
    id: 'CORE-LIST-004',
    title: 'the last page of a list has an empty nextPageToken',
    async run(smoke) {
      const { contextId } = known(smoke)
      const page = await smoke.client.call('ListTasks', { ...(contextId && { contextId }) }, smoke.signal)
      must(
        page.tasks.some(({ id }) => id === smoke.task?.id),
        'the task is not in the list of its context',
      )
      must(page.nextPageToken === '', `nextPageToken is ${JSON.stringify(page.nextPageToken)}`)
    },
  },
  {
    id: 'CORE-SEND-002',
    title: 'a task that has ended takes no more messages',
    run: (smoke) =>
      refusedWith('UnsupportedOperationError', async () => {
        const taskId = ended(smoke).id
        await smoke.client.call('SendMessage', { message: aMessage({ taskId }) }, smoke.signal)
      }),
  },
  {
    id: 'CORE-CANCEL-002',
    title: 'a task that has ended cannot be canceled',
    run: (smoke) =>
      refusedWith('TaskNotCancelableError', () =>
        smoke.client.call('CancelTask', { id: ended(smoke).id }, smoke.signal),
      ),
  },
  {
    id: 'CORE-CANCEL-003',
    title: 'canceling a task that is not there is TaskNotFoundError',
    run: ({ client, signal }) =>
      refusedWith('TaskNotFoundError', () => client.call('CancelTask', { id: NOBODY }, signal)),
  },
]

const STREAMS: readonly SmokeCheck[] = [
  {
    id: 'CORE-STREAM-003',
    title: 'a stream begins with the task and closes at its end, or is a single message',
    async run(smoke) {
      streams(smoke)
      const kinds: string[] = []
      let last: string | undefined
      for await (const { event } of smoke.client.stream('SendStreamingMessage', { message: aMessage() }, smoke)) {
        kinds.push(Object.keys(event)[0] ?? '')
        last = stateOf(event) ?? last
      }
      if (kinds[0] === 'message') return must(kinds.length === 1, `after the message came ${kinds.slice(1).join(', ')}`)
      must(kinds[0] === 'task', `the first event is ${kinds[0]}`)
      must(last !== undefined && last !== 'TASK_STATE_WORKING', `the stream closed at ${last}`)
    },
  },
  {
    id: 'STREAM-SUB-003',
    title: 'a task that has ended cannot be subscribed to',
    run: (smoke) =>
      refusedWith('UnsupportedOperationError', async () => {
        streams(smoke)
        for await (const _ of smoke.client.stream('SubscribeToTask', { id: ended(smoke).id }, smoke)) break
      }),
  },
  {
    id: 'STREAM-SUB-004',
    title: 'subscribing to a task that is not there is TaskNotFoundError',
    run: (smoke) =>
      refusedWith('TaskNotFoundError', async () => {
        streams(smoke)
        for await (const _ of smoke.client.stream('SubscribeToTask', { id: NOBODY }, smoke)) break
      }),
  },
]

const REST: readonly SmokeCheck[] = [
  {
    id: 'PUSH-CREATE-001',
    title: 'a push configuration is stored, got, listed and deleted',
    async run(smoke) {
      pushes(smoke)
      const taskId = known(smoke).id
      const made = await smoke.client.call('CreateTaskPushNotificationConfig', { taskId, url: HOOK }, smoke.signal)
      must(made.id, 'it has no id')
      const id = made.id as string
      const got = await smoke.client.call('GetTaskPushNotificationConfig', { taskId, id }, smoke.signal)
      must(got.url === HOOK, `its url came back as ${got.url}`)
      const { configs = [] } = await smoke.client.call('ListTaskPushNotificationConfigs', { taskId }, smoke.signal)
      must(
        configs.some((config) => config.id === id),
        'it is not in the list',
      )
      await smoke.client.call('DeleteTaskPushNotificationConfig', { taskId, id }, smoke.signal)
    },
  },
  {
    id: 'VER-SERVER-002',
    title: 'a version that nobody has is VersionNotSupportedError',
    run: ({ client, signal }) =>
      refusedWith('VersionNotSupportedError', () => client.signaling('99.0').call('GetTask', { id: NOBODY }, signal)),
  },
]

export const SMOKE_CHECKS: readonly SmokeCheck[] = [...CARD, ...TASKS, ...STREAMS, ...REST]
