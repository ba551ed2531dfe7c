/** Serving the HTTP+JSON binding (A2A 1.0 §11): parameters from path, query and body, merged and then read as one. */
import { A2AError } from '../../../a2a/errors.ts'
import type { OperationName, Params, Result } from '../../../a2a/operations.ts'
import type { Caller } from '../../../ports.ts'
import { agree } from '../../versions/table.ts'
import { refuseUnacceptable } from '../accept.ts'
import { isJsonType, readBody, refuseEncoding } from '../body.ts'
import { checkParams, type Weight } from '../bounds.ts'
import { type Exchange, mediaTypeOf, sendText, served } from '../exchange.ts'
import { parametersOf } from '../parameters.ts'
import { callOf, type HttpPerformer, perform } from '../perform.ts'
import { parseBody, refuseShape } from '../scan.ts'
import type { RestMatch } from './routes.ts'

type Found = Extract<RestMatch, { kind: 'found' }>
type Fields = Record<string, unknown>

export async function serveRest(
  exchange: Exchange,
  performer: HttpPerformer,
  caller: Caller,
  found: Found,
): Promise<void> {
  const { request, tools } = exchange
  const { codec, name } = found.route
  const parameters = parametersOf(request.headers, exchange.query, tools.limits)
  agree(parameters.version, codec)
  refuseUnacceptable(request.headers.accept, name)
  const { fields, weight } = await gather(exchange, found)
  const params = codec.decodeParams(name, fields, 'HTTP+JSON')
  checkParams(name, params, tools.limits, weight)
  await answer(exchange, performer, name, params, caller, parameters)
}

async function answer<N extends OperationName>(
  exchange: Exchange,
  performer: HttpPerformer,
  name: N,
  params: Params<N>,
  caller: Caller,
  parameters: ReturnType<typeof parametersOf>,
): Promise<void> {
  const performed = await perform(performer, exchange, name, params, callOf(exchange, caller, parameters))
  if ('stream' in performed) return performer.streams.open(exchange, performed.stream, performed.release)
  const result = exchange.codec.encodeResult(name, performed.result as Result<N>, 'HTTP+JSON')
  sendText(exchange, 200, mediaTypeOf(exchange), JSON.stringify(result))
  served(exchange, 'OK')
}

/** A body on a GET means nothing; more than this is not even ignored. */
const IGNORED_BODY_BYTES = 4_096

async function gather(
  exchange: Exchange,
  { route, members, tenant }: Found,
): Promise<{ fields: Fields; weight: Weight }> {
  const { request, query } = exchange
  const fromQuery = query === '' ? {} : queryFields(query)
  let body: Fields = {}
  let weight: Weight = { bytes: query.length, depth: 1, suspicious: query.includes('%00') }
  if (route.method === 'POST') {
    const read = await readFields(exchange, route.name)
    body = read.fields
    weight = { ...read.weight, suspicious: read.weight.suspicious || weight.suspicious }
  } else if (Number(request.headers['content-length'] ?? 0) > IGNORED_BODY_BYTES)
    throw new A2AError('PAYLOAD_TOO_LARGE', `a ${route.method} has no body`)
  const fields: Fields = { ...fromQuery, ...body }
  for (const [member, value] of Object.entries(tenant === undefined ? members : { ...members, tenant })) {
    mustAgree(fields, member, value)
    fields[member] = value
  }
  return { fields, weight }
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

function mustAgree(fields: Fields, member: string, value: string): void {
  for (const name of [member, snakeCase(member)]) {
    const said = fields[name]
    if (said === undefined || said === null || said === '' || said === value) continue
    const violations = [{ field: member, description: 'differs from the path' }]
    throw new A2AError('INVALID_PARAMS', `${member} differs between path and body`, { violations })
  }
}

/** Cancel and subscribe have nothing to say beside their path; some clients send no body at all. */
const MAY_BE_EMPTY: ReadonlySet<OperationName> = new Set(['CancelTask', 'SubscribeToTask'])

async function readFields(exchange: Exchange, name: OperationName): Promise<{ fields: Fields; weight: Weight }> {
  const { request, tools } = exchange
  const { headers } = request
  const announced = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  if (!announced && MAY_BE_EMPTY.has(name)) return { fields: {}, weight: { bytes: 0, depth: 0, suspicious: false } }
  if ((announced || headers['content-type'] !== undefined) && !isJsonType(headers['content-type']))
    throw new A2AError(
      'UNSUPPORTED_MEDIA_TYPE',
      'Content-Type must be application/a2a+json or application/json in UTF-8',
    )
  refuseEncoding(request)
  const { json, scan } = parseBody(await readBody(request, tools.limits), tools.limits)
  refuseShape(scan, tools.limits)
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new A2AError('INVALID_REQUEST', 'the body must be a JSON object')
  return { fields: json as Fields, weight: scan }
}

/** Service parameters that travel in the query; everything else there belongs to the operation. */
const NOT_FIELDS: ReadonlySet<string> = new Set(['A2A-Version', 'lastEventId'])
const NUMBERS: ReadonlySet<string> = new Set(['pageSize', 'page_size', 'historyLength', 'history_length'])
const BOOLEANS: ReadonlySet<string> = new Set(['includeArtifacts', 'include_artifacts'])

/** No operation with a query has a repeated member, so a name that comes twice is a mistake (F-09). */
export function queryFields(query: string): Fields {
  const fields: Fields = {}
  for (const [name, value] of new URLSearchParams(query)) {
    if (NOT_FIELDS.has(name) || name === '__proto__') continue
    if (name in fields) {
      const violations = [{ field: name.slice(0, 64), description: 'comes twice' }]
      throw new A2AError('INVALID_PARAMS', 'a query parameter comes twice', { violations })
    }
    if (NUMBERS.has(name)) fields[name] = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN
    // An enum by its number, which ProtoJSON allows.
    else if (name === 'status' && /^\d$/.test(value)) fields[name] = Number(value)
    else if (BOOLEANS.has(name)) fields[name] = value === 'true' ? true : value === 'false' ? false : value
    else fields[name] = value
  }
  return fields
}
