/** A2A 0.3, and 0.2 as its dialect: what the canonical form looks like there, and back. */
import type { StreamResponse } from '../../../a2a/events.ts'
import type { VersionCodec } from '../codec.ts'
import { decodeCard, encodeCard } from './cards.ts'
import { decodeEvent, encodeEvent } from './events.ts'
import { names } from './names.ts'
import { decodeParams, encodeParams } from './params.ts'
import { formOf } from './parts.ts'
import { decodeResult, encodeResult } from './results.ts'
import { encodeTask } from './tasks.ts'

export const v0_3: VersionCodec = {
  version: '0.3',
  names,
  rim: {
    closesInterrupted: true,
    streamsRefusals: ['SubscribeToTask'],
    // -32008 and -32009 came with 1.0 (lossy case L15); the message says why.
    reasons: {
      EXTENSION_SUPPORT_REQUIRED: 'UNSUPPORTED_OPERATION',
      VERSION_NOT_SUPPORTED: 'UNSUPPORTED_OPERATION',
    },
    flatErrors: true,
    solePushConfig: true,
    mediaType: 'application/json',
    // Its clients tell them by these.
    grpcCodes: { PUSH_NOTIFICATION_NOT_SUPPORTED: 'UNIMPLEMENTED', UNSUPPORTED_OPERATION: 'UNIMPLEMENTED' },
    grpcService: 'a2a.v1.A2AService',
  },
  decodeParams,
  encodeResult,
  encodeEvent: (entry, binding, closing) => JSON.stringify(encodeEvent(entry.event(), formOf(binding), closing)),
  encodeCard,
  encodeParams,
  decodeResult,
  decodeEvent: (json, binding) => decodeEvent(json, formOf(binding)),
  decodeCard,
  // The bare task: every 0.3 receiver understands it, and it heals what was lost or overtaken.
  async encodePush(json, task) {
    const event = JSON.parse(json) as StreamResponse
    const said = 'message' in event ? encodeEvent(event, 'schema', false) : encodeTask(await task(), 'schema')
    return { body: JSON.stringify(said), contentType: 'application/json' }
  },
  decodePush(json) {
    try {
      return decodeEvent(json, 'schema').event
    } catch {
      return undefined
    }
  },
}
