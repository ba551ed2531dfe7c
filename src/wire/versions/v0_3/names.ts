/** What A2A 0.3 calls its operations. ListTasks came with 1.0. The last card path is 0.2's. */
import type { NameTable } from '../codec.ts'

const CONFIGS = '/v1/tasks/{taskId}/pushNotificationConfigs'

export const names: NameTable = {
  SendMessage: { jsonrpc: 'message/send', rest: ['POST /v1/message:send'] },
  SendStreamingMessage: { jsonrpc: 'message/stream', rest: ['POST /v1/message:stream'] },
  GetTask: { jsonrpc: 'tasks/get', rest: ['GET /v1/tasks/{id}'] },
  CancelTask: { jsonrpc: 'tasks/cancel', rest: ['POST /v1/tasks/{id}:cancel'] },
  SubscribeToTask: {
    jsonrpc: 'tasks/resubscribe',
    rest: ['POST /v1/tasks/{id}:subscribe', 'GET /v1/tasks/{id}:subscribe'],
  },
  CreateTaskPushNotificationConfig: { jsonrpc: 'tasks/pushNotificationConfig/set', rest: [`POST ${CONFIGS}`] },
  GetTaskPushNotificationConfig: { jsonrpc: 'tasks/pushNotificationConfig/get', rest: [`GET ${CONFIGS}/{id}`] },
  ListTaskPushNotificationConfigs: { jsonrpc: 'tasks/pushNotificationConfig/list', rest: [`GET ${CONFIGS}`] },
  DeleteTaskPushNotificationConfig: {
    jsonrpc: 'tasks/pushNotificationConfig/delete',
    rest: [`DELETE ${CONFIGS}/{id}`],
  },
  GetExtendedAgentCard: {
    jsonrpc: 'agent/getAuthenticatedExtendedCard',
    rest: ['GET /v1/card', 'GET /agent/authenticatedExtendedCard'],
  },
}
