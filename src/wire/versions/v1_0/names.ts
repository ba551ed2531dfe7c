/** What A2A 1.0 calls its operations (spec §5.3). Subscribing is POST in the specification and GET in its proto. */
import type { OperationName } from '../../../a2a/operations.ts'
import type { NameTable } from '../codec.ts'

const CONFIGS = '/tasks/{taskId}/pushNotificationConfigs'

const ROUTES: Readonly<Record<OperationName, readonly string[]>> = {
  SendMessage: ['POST /message:send'],
  SendStreamingMessage: ['POST /message:stream'],
  GetTask: ['GET /tasks/{id}'],
  ListTasks: ['GET /tasks'],
  CancelTask: ['POST /tasks/{id}:cancel'],
  SubscribeToTask: ['POST /tasks/{id}:subscribe', 'GET /tasks/{id}:subscribe'],
  CreateTaskPushNotificationConfig: [`POST ${CONFIGS}`],
  GetTaskPushNotificationConfig: [`GET ${CONFIGS}/{id}`],
  ListTaskPushNotificationConfigs: [`GET ${CONFIGS}`],
  DeleteTaskPushNotificationConfig: [`DELETE ${CONFIGS}/{id}`],
  GetExtendedAgentCard: ['GET /extendedAgentCard'],
}

/** Methods and rpcs are called as the operations are. */
export const names: NameTable = Object.fromEntries(
  Object.entries(ROUTES).map(([name, rest]) => [name, { jsonrpc: name, rest, grpc: name }]),
)
