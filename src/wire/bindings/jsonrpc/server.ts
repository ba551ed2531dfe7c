/** Serving the JSON-RPC binding (A2A 1.0 §9): one POST, one answer or one event stream. */
import { A2AError } from '../../../a2a/errors.ts'
import type { OperationName, Params, Result } from '../../../a2a/operations.ts'
import type { Caller } from '../../../ports.ts'
import { operationNamed } from '../../versions/table.ts'
import { refuseUnacceptable } from '../accept.ts'
import { isJsonType, readBody, refuseEncoding } from '../body.ts'
import { checkParams } from '../bounds.ts'
import { type Exchange, refuse, sendText, served } from '../exchange.ts'
import { parametersOf } from '../parameters.ts'
import { callOf, type HttpPerformer, type Performed, perform } from '../perform.ts'
import { streamRefusal } from '../sse.ts'
import { type Envelope, parseEnvelope } from './envelope.ts'

export async function serveJsonRpc(exchange: Exchange, performer: HttpPerformer, caller: Caller): Promise<void> {
  const { request, tools } = exchange
  if (!isJsonType(request.headers['content-type'])) {
    const error = new A2AError('CONTENT_TYPE_NOT_SUPPORTED', 'Content-Type must be application/json in UTF-8')
    return refuse(exchange, error, tools.quirks === '1.0.0' ? 200 : 415)
  }
  refuseEncoding(request)
  const envelope = parseEnvelope(await readBody(request, tools.limits), tools.limits, exchange)
  const parameters = parametersOf(request.headers, exchange.query, tools.limits)
  const { codec, name } = operationNamed(envelope.method, parameters.version)
  exchange.codec = codec
  exchange.operation = name
  refuseUnacceptable(request.headers.accept, name)
  try {
    const params = decode(exchange, name, envelope)
    await answer(exchange, performer, name, params, caller, parameters)
  } catch (error) {
    if (!codec.rim.streamsRefusals.includes(name) || exchange.response.headersSent) throw error
    streamRefusal(exchange, error)
  }
}

/** The last that is looked at before anything is done. */
function decode<N extends OperationName>(
  exchange: Exchange,
  name: N,
  { params, scan, idMissing }: Envelope,
): Params<N> {
  const decoded = exchange.codec.decodeParams(name, params, 'JSONRPC')
  checkParams(name, decoded, exchange.tools.limits, scan)
  if (idMissing) throw new A2AError('INVALID_REQUEST', 'id is missing: A2A has no notifications')
  return decoded
}

async function answer<N extends OperationName>(
  exchange: Exchange,
  performer: HttpPerformer,
  name: N,
  params: Params<N>,
  caller: Caller,
  parameters: ReturnType<typeof parametersOf>,
): Promise<void> {
  const forget = name === 'SendMessage' ? performer.silence.attend(exchange) : undefined
  let performed: Performed
  try {
    performed = await perform(performer, exchange, name, params, callOf(exchange, caller, parameters))
  } finally {
    forget?.()
  }
  if ('stream' in performed) return performer.streams.open(exchange, performed.stream, performed.release)
  const result = JSON.stringify(exchange.codec.encodeResult(name, performed.result as Result<N>, 'JSONRPC'))
  sendText(exchange, 200, 'application/json', `{"jsonrpc":"2.0","id":${exchange.idText},"result":${result}}`)
  served(exchange, 'OK')
}
