/** Results of the 0.3 operations, both ways. */
import { A2AError } from '../../../a2a/errors.ts'
import type { OperationName, Result } from '../../../a2a/operations.ts'
import { TaskPushNotificationConfig } from '../../../a2a/push.ts'
import { Task } from '../../../a2a/tasks.ts'
import type { Binding } from '../../../ports.ts'
import { isFields, readAs, shallow } from '../liberal.ts'
import { decodeCard, encodeCard } from './cards.ts'
import { decodeEvent, encodeEvent } from './events.ts'
import { type Form, formOf } from './parts.ts'
import { decodeTaskConfig, encodeTaskConfig } from './push.ts'
import { decodeTask, encodeTask } from './tasks.ts'

const ENCODERS: { readonly [N in OperationName]: (result: Result<N>, form: Form) => unknown } = {
  SendMessage: (result, form) => encodeEvent(result, form, false),
  SendStreamingMessage: (result) => result,
  GetTask: encodeTask,
  ListTasks: (result, form) => ({ ...result, tasks: result.tasks.map((task) => encodeTask(task, form)) }),
  CancelTask: encodeTask,
  SubscribeToTask: (result) => result,
  CreateTaskPushNotificationConfig: encodeTaskConfig,
  GetTaskPushNotificationConfig: encodeTaskConfig,
  ListTaskPushNotificationConfigs: ({ configs, nextPageToken }, form) => {
    const encoded = configs.map((config) => encodeTaskConfig(config, form))
    return form === 'schema' ? encoded : { configs: encoded, ...(nextPageToken !== '' && { nextPageToken }) }
  },
  DeleteTaskPushNotificationConfig: (_result, form) => (form === 'schema' ? null : {}),
  // The 0.3 proto's requirements are those of 1.0; the schemes are written in both spellings anyway.
  GetExtendedAgentCard: (card, form) => ({
    ...encodeCard(card),
    ...(form === 'proto' && card.securityRequirements && { security: card.securityRequirements }),
    ...(form === 'proto' && {
      skills: card.skills.map(({ securityRequirements: security, ...skill }) => ({
        ...skill,
        ...(security && { security }),
      })),
    }),
  }),
}

export const encodeResult = <N extends OperationName>(name: N, result: Result<N>, binding: Binding): unknown =>
  ENCODERS[name](result, formOf(binding))

const readTask = (json: unknown, form: Form): Task => {
  const fields = shallow(json)
  const bare = isFields(fields.task) && !('status' in fields) ? fields.task : json
  return readAs(Task, decodeTask(bare, { form, speaker: 'agent' }), 'agent', 'task')
}

const readConfig = (json: unknown): TaskPushNotificationConfig =>
  readAs(TaskPushNotificationConfig, decodeTaskConfig(json), 'agent', 'config')

const DECODERS: { readonly [N in OperationName]: (json: unknown, form: Form) => unknown } = {
  SendMessage(json, form) {
    const { event } = decodeEvent(json, form)
    if ('task' in event || 'message' in event) return event
    throw new A2AError('INVALID_AGENT_RESPONSE', 'the answer to a send is neither a task nor a message')
  },
  SendStreamingMessage: () => 'stream',
  GetTask: readTask,
  ListTasks() {
    throw new A2AError('UNSUPPORTED_OPERATION', 'an agent of this version cannot list tasks')
  },
  CancelTask: readTask,
  SubscribeToTask: () => 'stream',
  CreateTaskPushNotificationConfig: readConfig,
  GetTaskPushNotificationConfig: readConfig,
  ListTaskPushNotificationConfigs(json) {
    const configs = Array.isArray(json) ? json : shallow(json).configs
    return { configs: Array.isArray(configs) ? configs.map(readConfig) : [], nextPageToken: '' }
  },
  DeleteTaskPushNotificationConfig: () => ({}),
  GetExtendedAgentCard: decodeCard,
}

/** @throws A2AError INVALID_AGENT_RESPONSE */
export const decodeResult = <N extends OperationName>(name: N, json: unknown, binding: Binding): Result<N> =>
  DECODERS[name](json, formOf(binding)) as Result<N>
