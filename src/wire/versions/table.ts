/** Which versions there are, and which one a peer means. */
import type { AgentCard } from '../../a2a/agentCard.ts'
import { A2AError } from '../../a2a/errors.ts'
import { OPERATION_NAMES, type OperationName } from '../../a2a/operations.ts'
import { LIMITS } from '../../limits.ts'
import type { VersionCodec } from './codec.ts'
import { isFields } from './liberal.ts'
import { v0_3 } from './v0_3/version.ts'
import { v1_0 } from './v1_0/version.ts'

/** From old to new. */
export const ALL_VERSIONS: readonly VersionCodec[] = [v0_3, v1_0]
export const VERSIONS: Readonly<Record<string, VersionCodec>> = Object.fromEntries(
  ALL_VERSIONS.map((codec) => [codec.version, codec]),
)
/** The version whose form is the canonical one. */
export const LATEST: VersionCodec = v1_0

/** `Major.Minor`; a patch number must not influence negotiation (spec §3.6). */
const withoutPatch = (version: string): string => version.replace(/^(\d{1,4}\.\d{1,4})\.\d{1,4}$/, '$1')

/**
 * The version of an A2A-Version header or parameter; empty means 0.3 (spec §3.6.2).
 * @throws A2AError VERSION_NOT_SUPPORTED
 */
export function negotiate(requested: string): VersionCodec {
  const version = withoutPatch(requested.trim())
  const codec = version === '' ? v0_3 : Object.hasOwn(VERSIONS, version) ? VERSIONS[version] : undefined
  if (codec) return codec
  const spoken = ALL_VERSIONS.map((known) => known.version).join(', ')
  const asked = JSON.stringify(version.slice(0, LIMITS.echoCharsMax))
  throw new A2AError('VERSION_NOT_SUPPORTED', `A2A ${asked} is not spoken here, only ${spoken}`, {
    metadata: { supportedVersions: spoken },
  })
}

/** The codec for a card's interface: 0.2 is a dialect of 0.3. Undefined: we cannot speak with it. */
export function codecFor(protocolVersion: string): VersionCodec | undefined {
  const version = withoutPatch(protocolVersion.trim())
  if (version === '0.2') return v0_3
  return Object.hasOwn(VERSIONS, version) ? VERSIONS[version] : undefined
}

/** A card in whatever version it is written; a hybrid is read by its newest members. */
export function decodeAnyCard(json: unknown): AgentCard {
  const faces = isFields(json) ? (json.supportedInterfaces ?? json.supported_interfaces) : undefined
  return Array.isArray(faces) && faces.length > 0 ? v1_0.decodeCard(json) : v0_3.decodeCard(json)
}

/**
 * Whether a caller that asked for `requested` may use a name that belongs to `named`. Names of the versions are disjoint,
 * so a name without a header is unambiguous: many hand-written clients forget the header.
 * @throws A2AError VERSION_NOT_SUPPORTED for a name newer than what was asked for, METHOD_NOT_FOUND for an older one
 */
export function agree(requested: string, named: VersionCodec): void {
  if (requested.trim() === '') return
  const asked = negotiate(requested)
  if (asked === named) return
  if (ALL_VERSIONS.indexOf(asked) > ALL_VERSIONS.indexOf(named))
    throw new A2AError('METHOD_NOT_FOUND', `A2A ${asked.version} has no operation of this name`)
  throw new A2AError('VERSION_NOT_SUPPORTED', `this operation belongs to A2A ${named.version}, not ${asked.version}`)
}

export interface NamedOperation {
  readonly codec: VersionCodec
  readonly name: OperationName
}

const METHODS: ReadonlyMap<string, NamedOperation> = new Map(
  ALL_VERSIONS.flatMap((codec) =>
    OPERATION_NAMES.flatMap((name): [string, NamedOperation][] => {
      const method = codec.names[name]?.jsonrpc
      return method === undefined ? [] : [[method, { codec, name }]]
    }),
  ),
)

/** The operation behind a JSON-RPC method. @throws A2AError METHOD_NOT_FOUND, VERSION_NOT_SUPPORTED */
export function operationNamed(method: string, requested: string): NamedOperation {
  const found = METHODS.get(method)
  if (!found) {
    if (requested !== '') negotiate(requested)
    throw new A2AError('METHOD_NOT_FOUND', `unknown method ${JSON.stringify(method.slice(0, LIMITS.echoCharsMax))}`)
  }
  agree(requested, found.codec)
  return found
}
