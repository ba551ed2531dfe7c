/** 0.3 tasks, their states and artifacts. */
import { type Artifact, TASK_STATES, type Task, type TaskState, type TaskStatus } from '../../../a2a/tasks.ts'
import { type Fields, isFields, shallow } from '../liberal.ts'
import { decodeMessage, encodeMessage } from './messages.ts'
import { type Dialect, decodePart, encodePart, type Form } from './parts.ts'

const STATE_NAMES: Readonly<Record<TaskState, string>> = {
  TASK_STATE_UNSPECIFIED: 'unknown',
  TASK_STATE_SUBMITTED: 'submitted',
  TASK_STATE_WORKING: 'working',
  TASK_STATE_COMPLETED: 'completed',
  TASK_STATE_FAILED: 'failed',
  TASK_STATE_CANCELED: 'canceled',
  TASK_STATE_INPUT_REQUIRED: 'input-required',
  TASK_STATE_REJECTED: 'rejected',
  TASK_STATE_AUTH_REQUIRED: 'auth-required',
}

const STATES = new Map<unknown, TaskState>([
  ...TASK_STATES.map((state) => [STATE_NAMES[state], state] as const),
  ...TASK_STATES.map((state) => [state, state] as const),
  ...TASK_STATES.map((state, number) => [number, state] as const),
  // The 0.3 proto spells it with a double L; some agents do so in JSON as well.
  ['TASK_STATE_CANCELLED', 'TASK_STATE_CANCELED'],
  ['cancelled', 'TASK_STATE_CANCELED'],
])

export function encodeState(state: TaskState, form: Form): string {
  if (form === 'schema') return STATE_NAMES[state]
  return state === 'TASK_STATE_CANCELED' ? 'TASK_STATE_CANCELLED' : state
}

export function decodeStatus(json: unknown, dialect: Dialect): unknown {
  if (!isFields(json)) return json
  const { update, ...status } = shallow(json)
  const message = status.message ?? update
  return {
    ...status,
    // The proto form does not send its zero value.
    state: STATES.get(status.state ?? (dialect.form === 'proto' ? 0 : undefined)) ?? status.state,
    ...(message !== undefined && { message: decodeMessage(message, dialect) }),
  }
}

export function encodeStatus(status: TaskStatus, form: Form): Fields {
  return {
    ...status,
    state: encodeState(status.state, form),
    ...(status.message && { message: encodeMessage(status.message, form) }),
  }
}

/** Empty `parts` are legal in 0.3 JSON and pass (lossy case L23). */
export function decodeArtifact(json: unknown, dialect: Dialect): unknown {
  if (!isFields(json)) return json
  const artifact = shallow(json)
  const parts = artifact.parts ?? []
  return { ...artifact, parts: Array.isArray(parts) ? parts.map((part) => decodePart(part, dialect)) : parts }
}

export const encodeArtifact = (artifact: Artifact, form: Form): Fields => ({
  ...artifact,
  parts: artifact.parts.map((part) => encodePart(part, form)),
})

export function decodeTask(json: unknown, dialect: Dialect): unknown {
  if (!isFields(json)) return json
  const { kind: _, ...task } = shallow(json)
  return {
    ...task,
    status: decodeStatus(task.status, dialect),
    ...(Array.isArray(task.artifacts) && { artifacts: task.artifacts.map((one) => decodeArtifact(one, dialect)) }),
    ...(Array.isArray(task.history) && { history: task.history.map((one) => decodeMessage(one, dialect)) }),
  }
}

/** contextId is required in 0.3. */
export const encodeTask = (task: Task, form: Form): Fields => ({
  ...(form === 'schema' && { kind: 'task' }),
  ...task,
  contextId: task.contextId ?? '',
  status: encodeStatus(task.status, form),
  ...(task.artifacts && { artifacts: task.artifacts.map((one) => encodeArtifact(one, form)) }),
  ...(task.history && { history: task.history.map((one) => encodeMessage(one, form)) }),
})
