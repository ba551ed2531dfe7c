/** The four operations on push notification configurations (A2A 1.0 §3.1.7–10). */
import { A2AError } from '../../a2a/errors.ts'
import type {
  CreateTaskPushNotificationConfigRequest,
  DeleteTaskPushNotificationConfigRequest,
  GetTaskPushNotificationConfigRequest,
  ListTaskPushNotificationConfigsRequest,
  ListTaskPushNotificationConfigsResponse,
} from '../../a2a/operations.ts'
import type { TaskPushNotificationConfig } from '../../a2a/push.ts'
import { uuidv7 } from '../../platform/ids.ts'
import type { AuditNote } from '../../store/audit.ts'
import { readsOf } from '../../store/db.ts'
import { pageTokens } from '../../store/page.ts'
import {
  findPushConfig,
  listPushConfigs as list,
  putPushConfig,
  deletePushConfig as remove,
} from '../../store/pushConfigs.ts'
import { sealPushConfig, showPushConfig } from '../deliveries/pushConfigs.ts'
import { ownTask } from './getTask.ts'
import type { AgentCall, OperationTools } from './tools.ts'

const DEFAULT_PAGE = 50

/** Where events go is worth knowing later; an address may hold a secret behind its origin. */
const noteOf = (what: 'set' | 'removed', taskId: string, { caller }: AgentCall, detail: object): AuditNote => ({
  id: uuidv7(),
  actor: caller.id,
  action: `webhook.${what}`,
  subject: taskId,
  detail,
})

export async function createPushConfig(
  params: CreateTaskPushNotificationConfigRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<TaskPushNotificationConfig> {
  const head = await ownTask(params.taskId, call, tools)
  const row = sealPushConfig(params, { tenant: head.tenant, taskId: head.id, version: call.version }, tools)
  if (
    !(await putPushConfig(
      tools.db,
      row,
      tools.pushConfigsMax,
      noteOf('set', head.id, call, { config: row.id, origin: new URL(row.url).origin }),
    ))
  ) {
    throw new A2AError(
      'CONFIG_LIMIT',
      `a task has at most ${tools.pushConfigsMax} push notification configurations; delete one`,
    )
  }
  return showPushConfig(row)
}

export async function getPushConfig(
  { taskId, id }: GetTaskPushNotificationConfigRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<TaskPushNotificationConfig> {
  const head = await ownTask(taskId, call, tools)
  const row = await findPushConfig(readsOf(tools.db, head.tenant), head.tenant, head.id, id)
  if (!row) throw new A2AError('TASK_NOT_FOUND', 'no such push notification configuration')
  return showPushConfig(row)
}

export async function listPushConfigs(
  params: ListTaskPushNotificationConfigsRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<ListTaskPushNotificationConfigsResponse> {
  const head = await ownTask(params.taskId, call, tools)
  const tokens = pageTokens<string>(tools.pageKey, ['pushConfigs', head.tenant, head.caller, head.id])
  const after = params.pageToken ? tokens.read(params.pageToken) : ''
  if (after === undefined) {
    const violations = [{ field: 'pageToken', description: 'not a token of this list' }]
    throw new A2AError('INVALID_PARAMS', 'pageToken: not a token of this list', { violations })
  }
  const size = params.pageSize || DEFAULT_PAGE
  const rows = await list(readsOf(tools.db, head.tenant), head.tenant, head.id, after, size + 1)
  const page = rows.slice(0, size)
  const last = page.at(-1)
  return { configs: page.map(showPushConfig), nextPageToken: rows.length > size && last ? tokens.write(last.id) : '' }
}

export async function deletePushConfig(
  { taskId, id }: DeleteTaskPushNotificationConfigRequest,
  call: AgentCall,
  tools: OperationTools,
): Promise<Record<string, never>> {
  const head = await ownTask(taskId, call, tools)
  const { tenant } = head
  await remove(tools.db, { tenant, taskId: head.id, id }, noteOf('removed', head.id, call, { config: id }))
  return {}
}
