/** What a message to an agent carries beside its content: kept with the event, sent with every attempt. */
import type { Metadata } from '../../a2a/parts.ts'

export interface MessageRequest {
  readonly acceptedOutputModes?: readonly string[]
  /** Metadata of the request, not of the message. */
  readonly metadata?: Metadata
  readonly extensions?: readonly string[]
}

/** null: nothing, which is the rule. */
export function writeRequest(request: MessageRequest): string | null {
  const { acceptedOutputModes, metadata, extensions } = request
  const kept = {
    ...(acceptedOutputModes?.length && { acceptedOutputModes }),
    ...(metadata && { metadata }),
    ...(extensions?.length && { extensions }),
  }
  return Object.keys(kept).length > 0 ? JSON.stringify(kept) : null
}

export const readRequest = (text: string | null): MessageRequest => (text ? (JSON.parse(text) as MessageRequest) : {})
