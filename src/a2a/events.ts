/** What a stream carries (A2A 1.0 §4.2), and how events make a task. */
import { z } from 'zod'
import { Metadata } from './parts.ts'
import { Artifact, type Message, type Task, TaskStatus } from './tasks.ts'

export const TaskStatusUpdateEvent = z.object({
  taskId: z.string(),
  contextId: z.string(),
  status: TaskStatus,
  metadata: Metadata.optional(),
})
export type TaskStatusUpdateEvent = z.infer<typeof TaskStatusUpdateEvent>

export const TaskArtifactUpdateEvent = z.object({
  taskId: z.string(),
  contextId: z.string(),
  artifact: Artifact,
  append: z.boolean().optional(),
  lastChunk: z.boolean().optional(),
  metadata: Metadata.optional(),
})
export type TaskArtifactUpdateEvent = z.infer<typeof TaskArtifactUpdateEvent>

/** A oneof: exactly one member is there. */
export type StreamResponse =
  | { task: Task }
  | { message: Message }
  | { statusUpdate: TaskStatusUpdateEvent }
  | { artifactUpdate: TaskArtifactUpdateEvent }

/** `append` adds parts to the artifact of the same id; otherwise the artifact is created or replaced (spec §4.2.2). */
export function applyArtifact(artifacts: readonly Artifact[], event: TaskArtifactUpdateEvent): Artifact[] {
  const { artifact } = event
  const at = artifacts.findIndex((known) => known.artifactId === artifact.artifactId)
  if (at < 0) return [...artifacts, artifact]
  const known = artifacts[at] as Artifact
  const next = event.append ? { ...known, ...artifact, parts: [...known.parts, ...artifact.parts] } : artifact
  return artifacts.with(at, next)
}

/** A status that is replaced gives its message to the history: nothing an agent said disappears (spec §3.7). */
export function applyStatus(task: Task, event: TaskStatusUpdateEvent): Task {
  const said = task.status.message
  const known = said && (task.history ?? []).some((message) => message.messageId === said.messageId)
  return {
    ...task,
    status: event.status,
    ...(said && !known && { history: [...(task.history ?? []), said] }),
  }
}
