/** `task push-config create|get|list|delete`: who is told of a task by webhook. */
import type { TaskPushNotificationConfig } from '../../a2a/push.ts'
import type { A2AClient } from '../a2aClient.ts'
import { usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { whoseTask } from '../records.ts'
import { renderView } from '../render.ts'

const taskId = ({ args }: Invocation): string => args[0] as string
const agentOf = (call: Invocation): Promise<A2AClient> => call.agent(() => whoseTask(taskId(call), call.gateway))

export const create: Run = async (call) => {
  const url = call.option('url')
  if (!url) throw usage('where should the events go? --url is missing', '--url https://hooks.example.test/a2a')
  const client = await agentOf(call)
  const [scheme, ...credentials] = (call.option('authentication') ?? '').split(' ')
  const config = await client.call('CreateTaskPushNotificationConfig', {
    taskId: taskId(call),
    url,
    ...(call.option('id') && { id: call.option('id') }),
    ...(call.option('token') && { token: call.option('token') }),
    ...(scheme && {
      authentication: { scheme, ...(credentials.length > 0 && { credentials: credentials.join(' ') }) },
    }),
  })
  if (call.out.json) call.out.document(config)
  else {
    renderConfig(config, call)
    await renderStanding(client, call)
  }
  return 0
}

export const get: Run = async (call) => {
  const client = await agentOf(call)
  const config = await client.call('GetTaskPushNotificationConfig', {
    taskId: taskId(call),
    id: call.args[1] as string,
  })
  if (call.out.json) call.out.document(config)
  else {
    renderConfig(config, call)
    await renderStanding(client, call)
  }
  return 0
}

export const list: Run = async (call) => {
  const client = await agentOf(call)
  const answer = await client.call('ListTaskPushNotificationConfigs', { taskId: taskId(call) })
  if (call.out.json) call.out.document(answer)
  else {
    for (const config of answer.configs ?? []) renderConfig(config, call)
    await renderStanding(client, call)
  }
  return 0
}

export const remove: Run = async (call) => {
  const client = await agentOf(call)
  const id = call.args[1] as string
  const answer = await client.call('DeleteTaskPushNotificationConfig', { taskId: taskId(call), id })
  if (call.out.json) call.out.document(answer)
  else {
    call.out.fields([['Deleted', id]])
    await renderStanding(client, call)
  }
  return 0
}

/** Credentials are never printed, not even those that were just given. */
function renderConfig(config: TaskPushNotificationConfig, { out }: Invocation): void {
  out.fields([
    ['Config', config.id ?? ''],
    ['Url', config.url],
    ['Token', config.token && '****'],
    ['Authentication', config.authentication && `${config.authentication.scheme} ****`],
  ])
}

/** Whatever is done with a task, its text names the task, its context and its state (a2a-cli §11.2). */
async function renderStanding(client: A2AClient, call: Invocation): Promise<void> {
  const { id, contextId, status } = await client.call('GetTask', { id: taskId(call), historyLength: 0 })
  renderView({ taskId: id, contextId: contextId ?? '', state: status.state }, call.out)
}
