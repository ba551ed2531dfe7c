/** Parameters of the 0.3 operations, both ways. In the proto form, as in a path, a push config's own id is `id`. */
import { type OperationName, PARAMS, type Params } from '../../../a2a/operations.ts'
import type { Binding } from '../../../ports.ts'
import { type Fields, isFields, readAs, shallow } from '../liberal.ts'
import { decodeMessage, encodeMessage } from './messages.ts'
import { type Dialect, type Form, formOf } from './parts.ts'
import { configName, decodeConfig, decodeTaskConfig, encodeConfig, encodeTaskConfig, fromName } from './push.ts'

const tenantOf = (fields: Fields): Fields => (fields.tenant === undefined ? {} : { tenant: fields.tenant })

/** In the 0.3 proto 0 means all of the history, in 1.0 none of it. */
const historyOf = (value: unknown, form: Form): Fields =>
  value === undefined || (form === 'proto' && value === 0) ? {} : { historyLength: value }

/**
 * `blocking` left out is blocking in JSON, as both official 0.3 SDKs have it; only an explicit false is not. In the proto
 * form false is what is left out: clients generated from it cannot say it in any other way.
 */
function decodeConfiguration(json: unknown, form: Form): unknown {
  if (!isFields(json)) return json
  const fields = shallow(json)
  const push = fields.pushNotificationConfig ?? fields.pushNotification
  const blocking = fields.blocking ?? (form === 'proto' ? false : undefined)
  return {
    ...(fields.acceptedOutputModes !== undefined && { acceptedOutputModes: fields.acceptedOutputModes }),
    ...(push !== undefined && { taskPushNotificationConfig: isFields(push) ? decodeConfig(push) : push }),
    ...historyOf(fields.historyLength, form),
    ...(blocking !== undefined && { returnImmediately: typeof blocking === 'boolean' ? !blocking : blocking }),
  }
}

function decodeSend(fields: Fields, dialect: Dialect): Fields {
  const { configuration } = fields
  return {
    ...tenantOf(fields),
    message: decodeMessage(fields.message ?? fields.request, dialect),
    ...(configuration !== undefined && { configuration: decodeConfiguration(configuration, dialect.form) }),
    ...(fields.metadata !== undefined && { metadata: fields.metadata }),
  }
}

const taskIdOf = (fields: Fields): unknown => fields.id ?? fromName(fields.name).taskId

/** JSON-RPC: `{id: <task>, pushNotificationConfigId}`; path and proto: `{taskId, id: <config>}` or a resource name. */
function decodeConfigIds(fields: Fields, form: Form): Fields {
  const named = fromName(fields.name)
  const schema = form === 'schema' && fields.taskId === undefined
  const taskId = schema ? (fields.id ?? named.taskId) : (fields.taskId ?? named.taskId)
  const id = fields.pushNotificationConfigId ?? (schema ? named.id : (fields.id ?? named.id))
  return { ...tenantOf(fields), taskId, id: id ?? taskId }
}

// Request-level metadata of get, resubscribe and push calls has no place in 1.0 (lossy case L10).
const DECODERS: { readonly [N in OperationName]: (fields: Fields, dialect: Dialect) => unknown } = {
  SendMessage: decodeSend,
  SendStreamingMessage: decodeSend,
  GetTask: (fields, { form }) => ({
    ...tenantOf(fields),
    id: taskIdOf(fields),
    ...historyOf(fields.historyLength, form),
  }),
  ListTasks: (fields) => fields,
  CancelTask: (fields) => ({ ...fields, id: taskIdOf(fields) }),
  SubscribeToTask: (fields) => ({ ...tenantOf(fields), id: taskIdOf(fields) }),
  CreateTaskPushNotificationConfig: (fields) => ({ ...tenantOf(fields), ...decodeTaskConfig(fields) }),
  GetTaskPushNotificationConfig: (fields, { form }) => decodeConfigIds(fields, form),
  ListTaskPushNotificationConfigs: (fields) => ({
    ...tenantOf(fields),
    taskId: fields.taskId ?? fields.id ?? fromName(fields.parent).taskId,
  }),
  DeleteTaskPushNotificationConfig: (fields, { form }) => decodeConfigIds(fields, form),
  GetExtendedAgentCard: tenantOf,
}

/** @throws A2AError INVALID_PARAMS */
export function decodeParams<N extends OperationName>(name: N, json: unknown, binding: Binding): Params<N> {
  const dialect: Dialect = { form: formOf(binding), speaker: 'caller' }
  const fields = json === undefined || isFields(json) ? DECODERS[name](shallow(json), dialect) : json
  return readAs(PARAMS[name], fields, 'caller', 'invalid parameters') as Params<N>
}

/** `acceptedOutputModes` is always there: 0.2 agents up to 0.2.5 require it inside `configuration`. */
function encodeSend(params: Params<'SendMessage'>, form: Form): Fields {
  const { message, configuration, metadata } = params
  const push = configuration?.taskPushNotificationConfig
  const history = configuration?.historyLength
  return {
    message: encodeMessage(message, form),
    configuration: {
      acceptedOutputModes: configuration?.acceptedOutputModes ?? [],
      blocking: configuration?.returnImmediately !== true,
      // In the proto 0 would mean all: we fetch all and trim (lossy case L22).
      ...(history !== undefined && !(form === 'proto' && history === 0) && { historyLength: history }),
      ...(push && { [form === 'proto' ? 'pushNotification' : 'pushNotificationConfig']: encodeConfig(push) }),
    },
    ...(metadata && { metadata }),
  }
}

const encodeConfigIds = (params: { taskId: string; id: string }, form: Form): Fields =>
  form === 'proto'
    ? { taskId: params.taskId, id: params.id }
    : { id: params.taskId, pushNotificationConfigId: params.id }

const ENCODERS: { readonly [N in OperationName]: (params: Params<N>, form: Form) => unknown } = {
  SendMessage: encodeSend,
  SendStreamingMessage: encodeSend,
  GetTask: ({ id, historyLength }, form) => ({
    id,
    ...(historyLength !== undefined && !(form === 'proto' && historyLength === 0) && { historyLength }),
  }),
  ListTasks: (params) => params,
  // Its metadata has no place in the 0.3 proto (lossy case L11).
  CancelTask: ({ id, metadata }, form) => ({ id, ...(metadata && form === 'schema' && { metadata }) }),
  SubscribeToTask: ({ id }) => ({ id }),
  CreateTaskPushNotificationConfig: (config, form) =>
    form === 'schema'
      ? encodeTaskConfig(config, form)
      : {
          taskId: config.taskId,
          parent: `tasks/${config.taskId}`,
          configId: config.id ?? config.taskId,
          config: {
            name: configName(config.taskId, config.id ?? config.taskId),
            pushNotificationConfig: encodeConfig(config),
          },
        },
  GetTaskPushNotificationConfig: encodeConfigIds,
  ListTaskPushNotificationConfigs: ({ taskId }, form) => (form === 'proto' ? { taskId } : { id: taskId }),
  DeleteTaskPushNotificationConfig: encodeConfigIds,
  GetExtendedAgentCard: () => ({}),
}

/** The rpcs name a task and a config by their resource. A push config's request has its names already. */
function toResource(name: OperationName, fields: Fields): Fields {
  const { id, taskId, ...rest } = fields
  if (name === 'GetTask' || name === 'CancelTask' || name === 'SubscribeToTask') return { ...rest, name: `tasks/${id}` }
  if (name === 'ListTaskPushNotificationConfigs') return { ...rest, parent: `tasks/${taskId}` }
  if (name === 'GetTaskPushNotificationConfig' || name === 'DeleteTaskPushNotificationConfig')
    return { ...rest, name: configName(taskId as string, id as string) }
  return fields
}

/** For HTTP+JSON, members named in the path's braces travel there and the rest is the body or the query. */
export function encodeParams<N extends OperationName>(name: N, params: Params<N>, binding: Binding): unknown {
  const encoded = ENCODERS[name](params, formOf(binding))
  return binding === 'GRPC' ? toResource(name, encoded as Fields) : encoded
}
