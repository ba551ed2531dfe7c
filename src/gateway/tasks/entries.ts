/** Log rows as readers see them: parsed once, shared by all. */
import type { StreamResponse } from '../../a2a/events.ts'
import { isInterrupted, isTerminal, type TaskState } from '../../a2a/tasks.ts'
import type { StreamEntry } from '../../ports.ts'

export interface LoggedEvent {
  readonly sequence: number
  readonly json: string
  /** The state that the event sets; undefined: an artifact. */
  readonly state?: TaskState
  readonly event?: StreamResponse
}

/** An entry; the event is parsed at the first look, if it was not at hand. */
export function toEntry({ sequence, json, state, event }: LoggedEvent): StreamEntry {
  let parsed = event
  return {
    sequence,
    json,
    event: () => {
      parsed ??= JSON.parse(json) as StreamResponse
      return parsed
    },
    last: state !== undefined && isTerminal(state),
    interrupted: state !== undefined && isInterrupted(state),
  }
}

/** The state that an event sets, if it sets one. */
export function stateIn(event: StreamResponse): TaskState | undefined {
  if ('statusUpdate' in event) return event.statusUpdate.status.state
  if ('task' in event) return event.task.status.state
  return undefined
}

export interface StoredEvent {
  readonly seq: number
  readonly kind: number
  readonly body: string
}

/** A stored row; only what sets a state is parsed now. */
export function fromRow({ seq, kind, body }: StoredEvent): StreamEntry {
  if (kind === 2) return toEntry({ sequence: seq, json: body })
  const event = JSON.parse(body) as StreamResponse
  const state = stateIn(event)
  return toEntry({ sequence: seq, json: body, event, ...(state && { state }) })
}
