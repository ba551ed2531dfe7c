/** The gRPC service of each version: which rpc is which operation, and what its messages are. */
import type { DescMessage, DescMethod, DescService } from '@bufbuild/protobuf'
import { OPERATION_NAMES, type OperationName } from '../../../a2a/operations.ts'
import type { VersionCodec } from '../../versions/codec.ts'
import { ALL_VERSIONS } from '../../versions/table.ts'
import { A2AService as Old } from './gen/a2a/0.3/a2a_pb.ts'
import { A2AService as New } from './gen/a2a/1.0/a2a_pb.ts'

export interface Rpcs {
  readonly codec: VersionCodec
  /** Undefined: the version has no such operation. */
  readonly methodOf: (name: OperationName) => DescMethod | undefined
  /** What a stream's messages are. */
  readonly event: DescMessage
}

const SERVICES: ReadonlyMap<string, DescService> = new Map([Old, New].map((service) => [service.typeName, service]))

function rpcsFor(codec: VersionCodec): Rpcs {
  const service = SERVICES.get(codec.rim.grpcService) as DescService
  const methods = new Map(service.methods.map((method) => [method.name, method]))
  const methodOf = (name: OperationName) => methods.get(codec.names[name]?.grpc ?? '')
  return { codec, methodOf, event: (methodOf('SendStreamingMessage') as DescMethod).output }
}

/** What an rpc's path says. */
export interface NamedRpc {
  readonly codec: VersionCodec
  readonly name: OperationName
}

const MADE = new Map(ALL_VERSIONS.map((codec) => [codec, rpcsFor(codec)]))

export const rpcsOf = (codec: VersionCodec): Rpcs => MADE.get(codec) as Rpcs

/** By `<service with its package>/<rpc>`. */
export const RPCS: ReadonlyMap<string, NamedRpc> = new Map(
  ALL_VERSIONS.flatMap((codec) =>
    OPERATION_NAMES.flatMap((name): [string, NamedRpc][] => {
      const rpc = codec.names[name]?.grpc
      return rpc === undefined ? [] : [[`${codec.rim.grpcService}/${rpc}`, { codec, name }]]
    }),
  ),
)
