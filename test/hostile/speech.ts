/** One operation with its canonical 1.0 parameters, right or wrong, as each binding and version says it. */
import { type DescMessage, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf'
import { A2AService as Old } from '../../src/wire/bindings/grpc/gen/a2a/0.3/a2a_pb.ts'
import { A2AService as New } from '../../src/wire/bindings/grpc/gen/a2a/1.0/a2a_pb.ts'
import { configuration03, type Fields, isFields, message03, messageProto03, push03 } from './old.ts'

export const SURFACES = [
  'JSON-RPC 1.0',
  'HTTP+JSON 1.0',
  'gRPC 1.0',
  'JSON-RPC 0.3',
  'HTTP+JSON 0.3',
  'gRPC 0.3',
] as const
export type Surface = (typeof SURFACES)[number]

export const V1: readonly Surface[] = ['JSON-RPC 1.0', 'HTTP+JSON 1.0', 'gRPC 1.0']
export const RPC: readonly Surface[] = ['JSON-RPC 1.0', 'JSON-RPC 0.3']
export const REST: readonly Surface[] = ['HTTP+JSON 1.0', 'HTTP+JSON 0.3']
export const GRPC: readonly Surface[] = ['gRPC 1.0', 'gRPC 0.3']
/** Where the parameters are JSON: what protobuf has no way to say can be said here only. */
export const JSONS: readonly Surface[] = [...RPC, ...REST]
export const JSONS1: readonly Surface[] = ['JSON-RPC 1.0', 'HTTP+JSON 1.0']

export const versionOf = (surface: Surface): '1.0' | '0.3' => (surface.endsWith('1.0') ? '1.0' : '0.3')

export const OPERATIONS = [
  'SendMessage',
  'SendStreamingMessage',
  'GetTask',
  'ListTasks',
  'CancelTask',
  'SubscribeToTask',
  'CreateTaskPushNotificationConfig',
  'GetTaskPushNotificationConfig',
  'ListTaskPushNotificationConfigs',
  'DeleteTaskPushNotificationConfig',
  'GetExtendedAgentCard',
] as const
export type Operation = (typeof OPERATIONS)[number]

const METHODS_0_3: { readonly [N in Operation]?: string } = {
  SendMessage: 'message/send',
  SendStreamingMessage: 'message/stream',
  GetTask: 'tasks/get',
  CancelTask: 'tasks/cancel',
  SubscribeToTask: 'tasks/resubscribe',
  CreateTaskPushNotificationConfig: 'tasks/pushNotificationConfig/set',
  GetTaskPushNotificationConfig: 'tasks/pushNotificationConfig/get',
  ListTaskPushNotificationConfigs: 'tasks/pushNotificationConfig/list',
  DeleteTaskPushNotificationConfig: 'tasks/pushNotificationConfig/delete',
  GetExtendedAgentCard: 'agent/getAuthenticatedExtendedCard',
}
const RPCS_0_3: { readonly [N in Operation]?: string } = {
  SubscribeToTask: 'TaskSubscription',
  ListTaskPushNotificationConfigs: 'ListTaskPushNotificationConfig',
  GetExtendedAgentCard: 'GetAgentCard',
}

/** Lists came with 1.0. */
export const isSpokenIn = (operation: Operation, surface: Surface): boolean =>
  versionOf(surface) === '1.0' || operation !== 'ListTasks'

export interface HttpAsk {
  readonly method: string
  /** Below `/agents/{agent}`. */
  readonly path: string
  readonly body?: unknown
}
export interface GrpcAsk {
  readonly service: string
  readonly rpc: string
  readonly bytes: Uint8Array
}

/** JSON-RPC's parameters of 0.3. */
function params03(operation: Operation, params: Fields): Fields {
  const { message, configuration, taskId, id, ...rest } = params
  const config = { id: taskId, pushNotificationConfigId: id }
  switch (operation) {
    case 'SendMessage':
    case 'SendStreamingMessage':
      return { ...rest, message: message03(message), configuration: configuration03(configuration) }
    case 'CreateTaskPushNotificationConfig': {
      const { tenant, ...own } = rest
      return { ...(tenant !== undefined && { tenant }), taskId, pushNotificationConfig: push03({ id, ...own }) }
    }
    case 'GetTaskPushNotificationConfig':
    case 'DeleteTaskPushNotificationConfig':
      return { ...rest, ...config }
    case 'ListTaskPushNotificationConfigs':
      return { ...rest, id: taskId }
    default:
      return params
  }
}

export function toRpc(surface: Surface, operation: Operation, params: Fields): HttpAsk {
  const old = versionOf(surface) === '0.3'
  const method = old ? METHODS_0_3[operation] : operation
  const body = { jsonrpc: '2.0', id: 1, method, params: old ? params03(operation, params) : params }
  return { method: 'POST', path: '', body }
}

const queryOf = (fields: Fields): string => {
  const told = Object.entries(fields).filter(([, value]) => value !== undefined)
  const query = new URLSearchParams(told.map(([name, value]): [string, string] => [name, String(value)])).toString()
  return query === '' ? '' : `?${query}`
}

export function toRest(surface: Surface, operation: Operation, params: Fields): HttpAsk {
  const old = versionOf(surface) === '0.3'
  const base = old ? '/v1' : ''
  const { id, taskId, ...rest } = params
  const task = `${base}/tasks/${encodeURIComponent(String(id))}`
  const configs = `${base}/tasks/${encodeURIComponent(String(taskId))}/pushNotificationConfigs`
  const one = `${configs}/${encodeURIComponent(String(id))}`
  const said = old ? params03(operation, params) : params
  switch (operation) {
    case 'SendMessage':
      return { method: 'POST', path: `${base}/message:send`, body: said }
    case 'SendStreamingMessage':
      return { method: 'POST', path: `${base}/message:stream`, body: said }
    case 'GetTask':
      return { method: 'GET', path: task + queryOf(rest) }
    case 'CancelTask':
      return { method: 'POST', path: `${task}:cancel`, body: rest }
    case 'SubscribeToTask':
      return { method: 'POST', path: `${task}:subscribe`, body: rest }
    case 'ListTasks':
      return { method: 'GET', path: `/tasks${queryOf(params)}` }
    case 'CreateTaskPushNotificationConfig': {
      const { taskId: _, ...body } = said
      return { method: 'POST', path: configs, body }
    }
    case 'GetTaskPushNotificationConfig':
      return { method: 'GET', path: one + queryOf(rest) }
    case 'ListTaskPushNotificationConfigs':
      return { method: 'GET', path: configs + queryOf(rest) }
    case 'DeleteTaskPushNotificationConfig':
      return { method: 'DELETE', path: one + queryOf(rest) }
    case 'GetExtendedAgentCard':
      return { method: 'GET', path: old ? '/v1/card' : '/extendedAgentCard' }
  }
}

/** The 0.3 proto names tasks and configurations by their resource. */
function resource03(operation: Operation, params: Fields): Fields {
  const { message, configuration, taskId, id, metadata } = params
  const config = `tasks/${taskId}/pushNotificationConfigs/${id ?? 'mine'}`
  switch (operation) {
    case 'SendMessage':
    case 'SendStreamingMessage': {
      const said = { request: messageProto03(message), configuration: configuration03(configuration, 'proto') }
      return { ...said, ...(metadata !== undefined && { metadata }) }
    }
    case 'GetTask':
      return {
        name: `tasks/${id}`,
        ...(params.historyLength !== undefined && { historyLength: params.historyLength }),
      }
    case 'CancelTask':
    case 'SubscribeToTask':
      return { name: `tasks/${id}` }
    case 'CreateTaskPushNotificationConfig': {
      const { taskId: _, tenant: __, ...own } = params
      return {
        parent: `tasks/${taskId}`,
        configId: id ?? 'mine',
        config: { name: config, pushNotificationConfig: push03(own) },
      }
    }
    case 'GetTaskPushNotificationConfig':
    case 'DeleteTaskPushNotificationConfig':
      return { name: config }
    case 'ListTaskPushNotificationConfigs':
      return { parent: `tasks/${taskId}` }
    default:
      return {}
  }
}

/** Throws for what protobuf cannot say: such a row belongs to `JSONS`. */
export function toGrpc(surface: Surface, operation: Operation, params: Fields): GrpcAsk {
  const old = versionOf(surface) === '0.3'
  const service = old ? Old : New
  const rpc = (old && RPCS_0_3[operation]) || operation
  const method = service.methods.find(({ name }) => name === rpc)
  if (!method) throw new Error(`${service.typeName} has no ${rpc}`)
  const input: DescMessage = method.input
  const json = JSON.parse(JSON.stringify(old ? resource03(operation, params) : params)) as JsonValue
  return { service: service.typeName, rpc, bytes: toBinary(input, fromJson(input, json)) }
}

export { type Fields, isFields }
