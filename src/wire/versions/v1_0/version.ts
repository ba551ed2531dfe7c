/** A2A 1.0: the canonical form is this version, so writing is free and reading is a check. */
import { type OperationName, PARAMS, type Params } from '../../../a2a/operations.ts'
import { readCard } from '../canonicalCard.ts'
import type { VersionCodec } from '../codec.ts'
import { readAs } from '../liberal.ts'
import { decodeEvent } from './events.ts'
import { withImplicit } from './implicit.ts'
import { names } from './names.ts'
import { decodeResult } from './results.ts'

export const v1_0: VersionCodec = {
  version: '1.0',
  names,
  rim: {
    closesInterrupted: false,
    streamsRefusals: [],
    reasons: {},
    flatErrors: false,
    solePushConfig: false,
    mediaType: 'application/a2a+json',
    grpcCodes: {},
    grpcService: 'lf.a2a.v1.A2AService',
  },
  decodeParams: <N extends OperationName>(name: N, json: unknown) =>
    readAs(PARAMS[name], json ?? {}, 'caller', 'invalid parameters') as Params<N>,
  encodeResult: (_name, result) => result,
  encodeEvent: (entry) => entry.json,
  encodeCard: (card) => card,
  encodeParams: (_name, params) => params,
  decodeResult: (name, json, binding) => decodeResult(name, binding === 'GRPC' ? withImplicit(json) : json),
  decodeEvent: (json, binding) => ({ event: decodeEvent(binding === 'GRPC' ? withImplicit(json) : json) }),
  decodeCard: readCard,
  encodePush: async (json) => ({ body: json, contentType: 'application/a2a+json' }),
  decodePush(json) {
    try {
      return decodeEvent(json)
    } catch {
      return undefined
    }
  },
}
