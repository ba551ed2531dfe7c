/** What A2A 0.3 calls its operations. ListTasks came with 1.0. The last card path is 0.2's. */
import type { NameTable } from '../codec.ts'

const CONFIGS = '/v1/tasks/{taskId}/pushNotificationConfigs'

export const names: NameTable = {
  SendMessage: { jsonrpc: 'message/send', rest: ['POST /v1/message:send'], grpc: 'SendMessage' },
  SendStreamingMessage: {
    jsonrpc: 'message/stream',
    rest: ['POST /v1/message:stream'],
    grpc: 'SendStreamingMessage',
  },
  GetTask: { jsonrpc: 'tasks/get', rest: ['GET /v1/tasks/{id}'], grpc: 'GetTask' },
  CancelTask: { jsonrpc: 'tasks/cancel', rest: ['POST /v1/tasks/{id}:cancel'], grpc: 'CancelTask' },
  SubscribeToTask: {
    jsonrpc: 'tasks/resubscribe',
    rest: ['POST /v1/tasks/{id}:subscribe', 'GET /v1/tasks/{id}:subscribe'],
    grpc: 'TaskSubscription',
  },
  CreateTaskPushNotificationConfig: {
    jsonrpc: 'tasks/pushNotificationConfig/set',
    rest: [`POST ${CONFIGS}`],
    grpc: 'CreateTaskPushNotificationConfig',
  },
  GetTaskPushNotificationConfig: {
    jsonrpc: 'tasks/pushNotificationConfig/get',
    rest: [`GET ${CONFIGS}/{id}`],
    grpc: 'GetTaskPushNotificationConfig',
  },
  ListTaskPushNotificationConfigs: {
    jsonrpc: 'tasks/pushNotificationConfig/list',
    rest: [`GET ${CONFIGS}`],
    grpc: 'ListTaskPushNotificationConfig',
  },
  DeleteTaskPushNotificationConfig: {
    jsonrpc: 'tasks/pushNotificationConfig/delete',
    rest: [`DELETE ${CONFIGS}/{id}`],
    grpc: 'DeleteTaskPushNotificationConfig',
  },
  GetExtendedAgentCard: {
    jsonrpc: 'agent/getAuthenticatedExtendedCard',
    rest: ['GET /v1/card', 'GET /agent/authenticatedExtendedCard'],
    grpc: 'GetAgentCard',
  },
}
