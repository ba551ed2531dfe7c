/** Task, its status, messages and artifacts (A2A 1.0 §4.1), and which states end or interrupt it. */
import { z } from 'zod'
import { Metadata, Part } from './parts.ts'

export const TASK_STATES = [
  'TASK_STATE_UNSPECIFIED',
  'TASK_STATE_SUBMITTED',
  'TASK_STATE_WORKING',
  'TASK_STATE_COMPLETED',
  'TASK_STATE_FAILED',
  'TASK_STATE_CANCELED',
  'TASK_STATE_INPUT_REQUIRED',
  'TASK_STATE_REJECTED',
  'TASK_STATE_AUTH_REQUIRED',
] as const
/** In the order of the proto enum, so that an index is the enum number. */
export const TaskState = z.enum(TASK_STATES)
export type TaskState = z.infer<typeof TaskState>

const TERMINAL: ReadonlySet<TaskState> = new Set([
  'TASK_STATE_COMPLETED',
  'TASK_STATE_FAILED',
  'TASK_STATE_CANCELED',
  'TASK_STATE_REJECTED',
])
const INTERRUPTED: ReadonlySet<TaskState> = new Set(['TASK_STATE_INPUT_REQUIRED', 'TASK_STATE_AUTH_REQUIRED'])

/** A terminal task never changes again (spec §3.1.1, "Life of a Task"). */
export const isTerminal = (state: TaskState): boolean => TERMINAL.has(state)
/** An interrupted task waits for its caller (spec §4.1.3). */
export const isInterrupted = (state: TaskState): boolean => INTERRUPTED.has(state)

export const ROLES = ['ROLE_UNSPECIFIED', 'ROLE_USER', 'ROLE_AGENT'] as const
export const Role = z.enum(ROLES)
export type Role = z.infer<typeof Role>

export const Message = z.object({
  messageId: z.string().min(1),
  contextId: z.string().optional(),
  taskId: z.string().optional(),
  role: Role,
  parts: z.array(Part).min(1),
  metadata: Metadata.optional(),
  extensions: z.array(z.string()).optional(),
  referenceTaskIds: z.array(z.string()).optional(),
})
export type Message = z.infer<typeof Message>

export const TaskStatus = z.object({
  state: TaskState,
  message: Message.optional(),
  timestamp: z.string().optional(),
})
export type TaskStatus = z.infer<typeof TaskStatus>

/** Empty `parts` are tolerated on the way in: 0.3 agents send them (lossy case L23). */
export const Artifact = z.object({
  artifactId: z.string().min(1),
  name: z.string().optional(),
  description: z.string().optional(),
  parts: z.array(Part),
  metadata: Metadata.optional(),
  extensions: z.array(z.string()).optional(),
})
export type Artifact = z.infer<typeof Artifact>

export const Task = z.object({
  id: z.string().min(1),
  contextId: z.string().optional(),
  status: TaskStatus,
  artifacts: z.array(Artifact).optional(),
  history: z.array(Message).optional(),
  metadata: Metadata.optional(),
})
export type Task = z.infer<typeof Task>
