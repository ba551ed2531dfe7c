/** What A2A 1.0 calls its operations (spec §5.3). Subscribing is POST in the specification and GET in its proto. */
import type { NameTable } from '../codec.ts'

const CONFIGS = '/tasks/{taskId}/pushNotificationConfigs'

export const names: NameTable = {
  SendMessage: { jsonrpc: 'SendMessage', rest: ['POST /message:send'] },
  SendStreamingMessage: { jsonrpc: 'SendStreamingMessage', rest: ['POST /message:stream'] },
  GetTask: { jsonrpc: 'GetTask', rest: ['GET /tasks/{id}'] },
  ListTasks: { jsonrpc: 'ListTasks', rest: ['GET /tasks'] },
  CancelTask: { jsonrpc: 'CancelTask', rest: ['POST /tasks/{id}:cancel'] },
  SubscribeToTask: { jsonrpc: 'SubscribeToTask', rest: ['POST /tasks/{id}:subscribe', 'GET /tasks/{id}:subscribe'] },
  CreateTaskPushNotificationConfig: { jsonrpc: 'CreateTaskPushNotificationConfig', rest: [`POST ${CONFIGS}`] },
  GetTaskPushNotificationConfig: { jsonrpc: 'GetTaskPushNotificationConfig', rest: [`GET ${CONFIGS}/{id}`] },
  ListTaskPushNotificationConfigs: { jsonrpc: 'ListTaskPushNotificationConfigs', rest: [`GET ${CONFIGS}`] },
  DeleteTaskPushNotificationConfig: { jsonrpc: 'DeleteTaskPushNotificationConfig', rest: [`DELETE ${CONFIGS}/{id}`] },
  GetExtendedAgentCard: { jsonrpc: 'GetExtendedAgentCard', rest: ['GET /extendedAgentCard'] },
}
