/** 0.3 push configurations: nested under `pushNotificationConfig`, several auth schemes, ids optional. */
import type { TaskPushNotificationConfig } from '../../../a2a/push.ts'
import { type Fields, isFields, shallow } from '../liberal.ts'
import type { Form } from './parts.ts'

const PREFERRED = ['bearer', 'basic']

/** 1.0 knows one scheme: Bearer before Basic before what comes first (lossy case L4). */
function decodeAuthentication(json: unknown): unknown {
  if (!isFields(json)) return json
  const { schemes, ...authentication } = shallow(json)
  // Clients made from the proto send the empty message where they mean none.
  if (!schemes && Object.values(authentication).every((member) => member === undefined || member === ''))
    return undefined
  if (authentication.scheme !== undefined || !Array.isArray(schemes)) return authentication
  const rank = (scheme: unknown) => {
    const at = PREFERRED.indexOf(String(scheme).toLowerCase())
    return at < 0 ? PREFERRED.length : at
  }
  const scheme = [...schemes].sort((a, b) => rank(a) - rank(b))[0]
  return scheme === undefined ? undefined : { ...authentication, scheme }
}

/** The inner config, flat members of the canonical one. */
export function decodeConfig(json: unknown): Fields {
  const { id, url, token, authentication } = shallow(json)
  const auth = decodeAuthentication(authentication)
  return {
    ...(id !== undefined && { id }),
    url,
    ...(token !== undefined && { token }),
    ...(auth !== undefined && { authentication: auth }),
  }
}

export function encodeConfig(config: TaskPushNotificationConfig): Fields {
  const { id, url, token, authentication } = config
  return {
    ...(id !== undefined && { id }),
    url,
    ...(token !== undefined && { token }),
    ...(authentication && {
      authentication: {
        schemes: [authentication.scheme],
        ...(authentication.credentials !== undefined && { credentials: authentication.credentials }),
      },
    }),
  }
}

const NAME = /^tasks\/([^/]+)(?:\/pushNotificationConfigs\/([^/]+))?$/
/** The ids in a resource name of the 0.3 proto. */
export function fromName(name: unknown): { taskId?: string; id?: string } {
  const parts = typeof name === 'string' ? NAME.exec(name) : null
  return { ...(parts?.[1] && { taskId: parts[1] }), ...(parts?.[2] && { id: parts[2] }) }
}

/**
 * A config with its task, in any shape seen in the wild: `{taskId, pushNotificationConfig}`,
 * `{config: {pushNotificationConfig}}`, `{parent, configId, config: {name, pushNotificationConfig}}`, and flat as in 1.0.
 */
export function decodeTaskConfig(json: unknown): Fields {
  const fields = shallow(json)
  const outer = isFields(fields.config) ? shallow(fields.config) : fields
  const named = { ...fromName(fields.parent), ...fromName(outer.name ?? fields.name) }
  const inner = outer.pushNotificationConfig ?? (isFields(fields.config) && 'url' in outer ? outer : undefined)
  const config = decodeConfig(inner ?? fields)
  const taskId = fields.taskId ?? outer.taskId ?? named.taskId
  // Official 0.3 servers name the config after its task when nobody named it.
  return { ...config, taskId, id: config.id ?? fields.configId ?? named.id ?? taskId }
}

export function encodeTaskConfig(config: TaskPushNotificationConfig, form: Form): Fields {
  const pushNotificationConfig = encodeConfig(config)
  if (form === 'schema') return { taskId: config.taskId ?? '', pushNotificationConfig }
  return { name: configName(config.taskId, config.id), pushNotificationConfig }
}

export const configName = (taskId = '', id = ''): string => `tasks/${taskId}/pushNotificationConfigs/${id}`
