/** The HTTP+JSON surface of all versions, made from their name tables. */
import { OPERATION_NAMES, type OperationName } from '../../../a2a/operations.ts'
import type { VersionCodec } from '../../versions/codec.ts'
import { ALL_VERSIONS } from '../../versions/table.ts'

export interface RestRoute {
  readonly method: string
  readonly codec: VersionCodec
  readonly name: OperationName
}

interface Pattern extends RestRoute {
  readonly segments: readonly Segment[]
}
/** `tasks`, `{id}` or `{id}:cancel`: a verb shares its segment with the id (spec §11.3). */
type Segment = { readonly literal: string } | { readonly member: string; readonly verb: string }

function toSegment(text: string): Segment {
  const braces = /^\{(\w+)\}(:\w+)?$/.exec(text)
  return braces ? { member: braces[1] as string, verb: braces[2] ?? '' } : { literal: text }
}

const hasVerb = ({ segments }: Pattern): boolean => segments.some((segment) => 'verb' in segment && segment.verb !== '')

const PATTERNS: readonly Pattern[] = ALL_VERSIONS.flatMap((codec) =>
  OPERATION_NAMES.flatMap((name) =>
    (codec.names[name]?.rest ?? []).map((rest): Pattern => {
      const [method = '', path = ''] = rest.split(' ')
      return { method, codec, name, segments: path.split('/').slice(1).map(toSegment) }
    }),
  ),
).sort((a, b) => Number(hasVerb(b)) - Number(hasVerb(a)))

/** No tenant is called so: tenants share the first segment with the surface. */
const RESERVED: ReadonlySet<string> = new Set([
  '.well-known',
  ...PATTERNS.map(({ segments: [first] }) => (first && 'literal' in first ? first.literal : '')),
])

export type RestMatch =
  | {
      readonly kind: 'found'
      readonly route: RestRoute
      /** Parameters from the path, decoded. */
      readonly members: Readonly<Record<string, string>>
      readonly tenant?: string
    }
  /** The path is there, not for this method. */
  | { readonly kind: 'other method'; readonly allow: string; readonly route: RestRoute }
  | { readonly kind: 'absent' }

/** `segments` of the path below the interface URL, decoded; a tenant may come first. */
export function matchRest(method: string, segments: readonly string[]): RestMatch {
  const direct = matchSegments(method, segments)
  const [tenant, ...rest] = segments
  if (direct.kind !== 'absent' || tenant === undefined || rest.length === 0 || RESERVED.has(tenant)) return direct
  const match = matchSegments(method, rest)
  return match.kind === 'found' ? { ...match, tenant } : match
}

function matchSegments(method: string, segments: readonly string[]): RestMatch {
  const others: Pattern[] = []
  for (const pattern of PATTERNS) {
    if (pattern.segments.length !== segments.length) continue
    const members = membersOf(pattern.segments, segments)
    if (!members) continue
    if (pattern.method === method) return { kind: 'found', route: pattern, members }
    others.push(pattern)
  }
  // `POST /tasks/1:frobnicate` asks for a verb that is not there, not for the task in a wrong way.
  const [first] = others
  if (!first || (!others.some(hasVerb) && others.every((pattern) => asksForVerb(pattern, segments))))
    return { kind: 'absent' }
  const allow = [...new Set(others.map((pattern) => pattern.method))].sort().join(', ')
  return { kind: 'other method', allow, route: first }
}

const asksForVerb = ({ segments: own }: Pattern, segments: readonly string[]): boolean =>
  own.some((segment, at) => 'member' in segment && /:[A-Za-z]+$/.test(segments[at] as string))

function membersOf(pattern: readonly Segment[], segments: readonly string[]): Record<string, string> | undefined {
  const members: Record<string, string> = {}
  for (let at = 0; at < pattern.length; at++) {
    const segment = pattern[at] as Segment
    const text = segments[at] as string
    if ('literal' in segment) {
      if (segment.literal !== text) return undefined
    } else if (!text.endsWith(segment.verb) || text.length === segment.verb.length) return undefined
    else members[segment.member] = segment.verb === '' ? text : text.slice(0, -segment.verb.length)
  }
  return members
}
