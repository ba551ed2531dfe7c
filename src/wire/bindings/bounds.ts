/**
 * What a request may contain, the same for every version and binding: checked on the canonical parameters, after they
 * were decoded. Walks are iterative: a hostile depth costs no stack.
 */
import { A2AError, type FieldViolation } from '../../a2a/errors.ts'
import type { OperationName, Params } from '../../a2a/operations.ts'
import type { Part } from '../../a2a/parts.ts'
import type { TaskPushNotificationConfig } from '../../a2a/push.ts'
import type { Message } from '../../a2a/tasks.ts'
import type { Limits } from '../../limits.ts'

/** What is known of the request's size; a binding that has not looked leaves it out and everything is measured. */
export interface Weight {
  readonly bytes: number
  readonly depth: number
  readonly suspicious: boolean
}

interface Check {
  readonly limits: Limits
  readonly weight: Weight | undefined
  readonly violations: FieldViolation[]
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/
const MEDIA_TYPE =
  /^[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+-]+(\s*;\s*[A-Za-z0-9!#$&^_.+-]+=("[^"\r\n]*"|[^\s;"]+))*$/
const ID = /^[A-Za-z0-9._:~-]+$/
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:\S+$/
const TENANT = /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$/
/** Only what a browser or a file system would act upon is refused: agents exchange s3: and gs: as well. */
const ACTIVE_SCHEMES: ReadonlySet<string> = new Set(['javascript:', 'file:', 'data:', 'vbscript:', 'blob:', 'about:'])
const MEDIA_TYPE_CHARS = 255

/**
 * @throws A2AError INVALID_PARAMS with what is wrong; TASK_NOT_FOUND for a task id that no task can have
 */
export function checkParams<N extends OperationName>(
  name: N,
  params: Params<N>,
  limits: Limits,
  weight?: Weight,
): void {
  const check: Check = { limits, weight, violations: [] }
  if (!weight || weight.suspicious) refuseBadText(params, check)
  const { tenant } = params as { tenant?: string }
  if (tenant !== undefined && (!TENANT.test(tenant) || tenant === '__proto__'))
    violate(check, 'tenant', 'must be letters, digits and ._~-')
  CHECKS[name](params as never, check)
  if (check.violations.length === 0) return
  const violations = check.violations.slice(0, limits.violationsMax)
  const first = violations[0] as FieldViolation
  throw new A2AError('INVALID_PARAMS', `invalid parameters: ${first.field}: ${first.description}`, { violations })
}

function violate(check: Check, field: string, description: string): void {
  if (check.violations.length < check.limits.violationsMax) check.violations.push({ field, description })
}

const CHECKS: { readonly [N in OperationName]: (params: Params<N>, check: Check) => void } = {
  SendMessage: checkSend,
  SendStreamingMessage: checkSend,
  GetTask: ({ id }, check) => taskId(id, check),
  ListTasks: checkList,
  CancelTask({ id, metadata }, check) {
    taskId(id, check)
    checkMetadata(metadata, 'metadata', check)
  },
  SubscribeToTask: ({ id }, check) => taskId(id, check),
  CreateTaskPushNotificationConfig(config, check) {
    taskId(config.taskId, check)
    checkPush(config, '', check)
  },
  GetTaskPushNotificationConfig: configIds,
  ListTaskPushNotificationConfigs: ({ taskId: id }, check) => taskId(id, check),
  DeleteTaskPushNotificationConfig: configIds,
  GetExtendedAgentCard: () => {},
}

/** No task of ours is called so: said like any other unknown id, and never asked of the database. */
function taskId(id: string, { limits }: Check): void {
  if (id.length > limits.idCharsMax || !ID.test(id)) throw new A2AError('TASK_NOT_FOUND', 'task not found')
}

function configIds(params: { readonly taskId: string; readonly id: string }, check: Check): void {
  taskId(params.taskId, check)
  if (params.id.length > check.limits.idCharsMax || CONTROL.test(params.id))
    throw new A2AError('TASK_NOT_FOUND', 'no such push notification config')
}

function checkSend(params: Params<'SendMessage'>, check: Check): void {
  checkMessage(params.message, check)
  checkMetadata(params.metadata, 'metadata', check)
  const push = params.configuration?.taskPushNotificationConfig
  if (!push) return
  const path = 'configuration.taskPushNotificationConfig'
  if (push.taskId) violate(check, `${path}.taskId`, 'must be empty in a message: the task is the message’s own')
  checkPush(push, `${path}.`, check)
}

function checkMessage(message: Message, check: Check): void {
  const { limits } = check
  const { messageId, contextId, role, parts, extensions, referenceTaskIds } = message
  if (messageId.length > limits.messageIdCharsMax || CONTROL.test(messageId))
    violate(check, 'message.messageId', `must be 1 to ${limits.messageIdCharsMax} characters, none of them control`)
  if (contextId !== undefined && (contextId.length > limits.contextIdCharsMax || CONTROL.test(contextId)))
    violate(check, 'message.contextId', `must be 1 to ${limits.contextIdCharsMax} characters, none of them control`)
  if (role !== 'ROLE_USER') violate(check, 'message.role', 'must be ROLE_USER: a client speaks for the user')
  if (parts.length > limits.partsMax) violate(check, 'message.parts', `must be at most ${limits.partsMax}`)
  else for (let at = 0; at < parts.length; at++) checkPart(parts[at] as Part, at, check)
  checkMetadata(message.metadata, 'message.metadata', check)
  if (extensions) checkExtensions(extensions, check)
  if (referenceTaskIds && referenceTaskIds.length > limits.referenceTaskIdsMax)
    violate(check, 'message.referenceTaskIds', `must be at most ${limits.referenceTaskIdsMax}`)
  if (message.taskId !== undefined) taskId(message.taskId, check)
}

function checkExtensions(extensions: readonly string[], check: Check): void {
  const { extensionsMax, urlCharsMax } = check.limits
  if (extensions.length > extensionsMax) violate(check, 'message.extensions', `must be at most ${extensionsMax}`)
  else if (!extensions.every((uri) => isUri(uri, urlCharsMax))) violate(check, 'message.extensions', 'must be URIs')
}

export const isUri = (text: string, charsMax: number): boolean => text.length <= charsMax && URI.test(text)

function checkPart(part: Part, at: number, check: Check): void {
  const { limits, weight } = check
  const path = `message.parts[${at}]`
  if (part.text !== undefined && !(weight && weight.bytes <= limits.textPartBytesMax)) {
    if (Buffer.byteLength(part.text) > limits.textPartBytesMax)
      violate(check, `${path}.text`, `must be at most ${limits.textPartBytesMax} bytes (PART_TOO_LARGE)`)
  }
  if (part.url !== undefined) checkPartUrl(part.url, path, check)
  if ('data' in part && isTooDeep(part.data, check))
    violate(check, `${path}.data`, `must be nested at most ${limits.dataDepthMax} levels deep (DATA_DEPTH)`)
  if (part.mediaType !== undefined && (part.mediaType.length > MEDIA_TYPE_CHARS || !MEDIA_TYPE.test(part.mediaType)))
    violate(check, `${path}.mediaType`, 'must be a media type, such as text/plain')
  if (part.filename !== undefined && (part.filename.length > limits.filenameCharsMax || CONTROL.test(part.filename)))
    violate(check, `${path}.filename`, `must be at most ${limits.filenameCharsMax} characters, none of them control`)
  checkMetadata(part.metadata, `${path}.metadata`, check)
}

const parseUrl = (text: string): URL | undefined => (URL.canParse(text) ? new URL(text) : undefined)

function checkPartUrl(text: string, path: string, check: Check): void {
  const plain = text.length <= check.limits.urlCharsMax && !/\s/.test(text) && !CONTROL.test(text)
  const url = plain ? parseUrl(text) : undefined
  const harmless = url?.username === '' && url.password === '' && !ACTIVE_SCHEMES.has(url.protocol)
  if (!harmless)
    violate(check, `${path}.url`, 'must be an absolute URL without credentials, of a scheme that only names content')
}

/** Form only; which addresses may be reached is the egress guard's to say. */
function checkPush(config: TaskPushNotificationConfig, path: string, check: Check): void {
  const { url: text } = config
  const plain = text.length <= check.limits.urlCharsMax && !/[\s\\]/.test(text) && !CONTROL.test(text)
  const url = plain ? parseUrl(text) : undefined
  const web = url?.protocol === 'https:' || url?.protocol === 'http:'
  if (!url || !web || url.username !== '' || url.password !== '' || url.port === '0')
    violate(check, `${path}url`, 'must be an http or https URL without credentials')
  if (config.id !== undefined && CONTROL.test(config.id))
    violate(check, `${path}id`, 'must be free of control characters')
}

const KEY_CHARS = 512
const KEYS = 1_000

function checkMetadata(metadata: Record<string, unknown> | undefined, path: string, check: Check): void {
  if (metadata === undefined) return
  const { limits, weight } = check
  const keys = Object.keys(metadata)
  if (keys.length > KEYS || keys.some((key) => key.length > KEY_CHARS))
    violate(check, path, `must have at most ${KEYS} keys of at most ${KEY_CHARS} characters`)
  else if (isTooDeep(metadata, check))
    violate(check, path, `must be nested at most ${limits.dataDepthMax} levels deep (DATA_DEPTH)`)
  else if (
    !(weight && weight.bytes <= limits.metadataBytesMax) &&
    Buffer.byteLength(JSON.stringify(metadata)) > limits.metadataBytesMax
  )
    violate(check, path, `must be at most ${limits.metadataBytesMax} bytes of JSON`)
}

function isTooDeep(value: unknown, { limits, weight }: Check): boolean {
  if (weight && weight.depth <= limits.dataDepthMax) return false
  let level = [value].filter(isNested)
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > limits.dataDepthMax) return true
    level = level.flatMap((one) => Object.values(one as object)).filter(isNested)
  }
  return false
}
const isNested = (value: unknown): boolean => typeof value === 'object' && value !== null

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/

/** A day that there is: Date reads the 30th of February as the 1st or 2nd of March. */
function isTime(text: string): boolean {
  const at = TIMESTAMP.test(text) ? Date.parse(text) : Number.NaN
  return Number.isFinite(at) && new Date(at).toISOString().slice(0, 10) === text.slice(0, 10)
}

function checkList(params: Params<'ListTasks'>, check: Check): void {
  const { statusTimestampAfter: after, contextId, pageToken } = params
  if (after !== undefined && !isTime(after))
    violate(check, 'statusTimestampAfter', 'must be a UTC time such as 2026-01-31T12:00:00.000Z')
  if (contextId !== undefined && (contextId.length > check.limits.contextIdCharsMax || CONTROL.test(contextId)))
    violate(check, 'contextId', `must be at most ${check.limits.contextIdCharsMax} characters, none of them control`)
  if (pageToken !== undefined && (pageToken.length > check.limits.urlCharsMax || CONTROL.test(pageToken)))
    violate(check, 'pageToken', 'must be one that this server gave')
}

/** NUL and lone surrogates are valid in JSON, but no database keeps them; an infinity was a number too big for a double. */
function refuseBadText(params: unknown, check: Check): void {
  const waiting: [unknown, string][] = [[params, '']]
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [value, path] = next
    if (typeof value === 'string' && !isStorable(value)) violate(check, path, 'must be free of NUL and lone surrogates')
    else if (typeof value === 'number' && !Number.isFinite(value)) violate(check, path, 'must be a finite number')
    else if (isNested(value)) {
      for (const [key, inner] of Object.entries(value as object)) {
        if (!isStorable(key)) violate(check, path, 'must have keys free of NUL and lone surrogates')
        const name = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key.slice(0, 64)}`
        waiting.push([inner, name])
      }
    }
  }
}

const isStorable = (text: string): boolean =>
  !text.includes('\u0000') && (text as unknown as { isWellFormed(): boolean }).isWellFormed()
