/** From decoded parameters to a reply, the same for JSON-RPC and HTTP+JSON. */
import type { ServerResponse } from 'node:http'
import { A2AError } from '../../a2a/errors.ts'
import type { OperationName, Params } from '../../a2a/operations.ts'
import type { TaskPushNotificationConfig } from '../../a2a/push.ts'
import type { Call, Caller, EventStream, Execute, Gone, PresentCard, Reply } from '../../ports.ts'
import type { Exchange } from './exchange.ts'
import type { ServiceParameters } from './parameters.ts'
import type { StreamPlaces } from './places.ts'
import type { Silence } from './silence.ts'
import type { Streams } from './sse.ts'

export interface Performer {
  readonly execute: Execute
  readonly presentCard: PresentCard
  readonly places: StreamPlaces
}

/** Over HTTP. */
export interface HttpPerformer extends Performer {
  readonly streams: Streams
  readonly silence: Silence
}

/** Made once: an abort without a reason makes a DOMException with a stack, at 7 % of an end-to-end send. */
const GONE = new Error('the client went away')

/** The circumstances of a request. Its abort signal is made only if somebody looks at it: most operations do not. */
export function callOf(exchange: Exchange, caller: Caller, parameters: ServiceParameters): Call {
  const { response } = exchange
  const { extensions, trace, idempotencyKey, lastEventId } = parameters.carried
  let controller: AbortController | undefined
  const call: Writable<Call> = {
    agent: exchange.agent,
    caller,
    version: exchange.codec.version,
    binding: exchange.binding,
    extensions,
    get signal() {
      if (!controller) {
        const made = new AbortController()
        controller = made
        if (response.destroyed) made.abort(GONE)
        // Every response closes in the end; only one that was not finished by then has nobody to read it.
        else response.once('close', () => response.writableFinished || made.abort(GONE))
      }
      return controller.signal
    },
  }
  call.gone = goneOf(response)
  // Rarely there, so they are added rather than spread: spreading beside an accessor costs 2 µs per request.
  if (trace) call.trace = trace
  if (idempotencyKey !== undefined) call.idempotencyKey = idempotencyKey
  if (lastEventId !== undefined) call.lastEventId = lastEventId
  return call
}

/** However often somebody waits for this client, one listener is enough. */
function goneOf(response: ServerResponse): Gone {
  let waiting: Set<() => void> | undefined
  return {
    get aborted() {
      return response.destroyed
    },
    addEventListener(_, run) {
      if (!waiting) {
        const all = new Set<() => void>()
        waiting = all
        response.once('close', () => {
          if (!response.writableFinished) for (const each of all) each()
        })
      }
      waiting.add(run)
    },
    removeEventListener: (_, run) => void waiting?.delete(run),
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

const isStreaming = (name: OperationName): boolean => name === 'SendStreamingMessage' || name === 'SubscribeToTask'

export type Performed = { readonly stream: EventStream; readonly release: () => void } | { readonly result: unknown }

/** What an operation is told of the binding, and tells it. */
export type Spoken = Pick<Exchange, 'codec' | 'activated'>

/** Rejects with what Execute rejects with, and with RATE_LIMITED or UNAVAILABLE for a stream that there is no room for. */
export async function perform<N extends OperationName>(
  performer: Performer,
  exchange: Spoken,
  name: N,
  params: Params<N>,
  call: Call,
): Promise<Performed> {
  if (call.extensions.length > 0) exchange.activated = await activatedBy(performer, call)
  if (!isStreaming(name)) return { result: await executeUnary(performer.execute, exchange, name, params, call) }
  const task = name === 'SubscribeToTask' ? (params as Params<'SubscribeToTask'>).id : undefined
  const release = performer.places.admit(call.caller, task)
  try {
    const stream = (await performer.execute(name, params, call)) as EventStream
    return { stream, release }
  } catch (error) {
    release()
    throw error
  }
}

async function executeUnary<N extends OperationName>(
  execute: Execute,
  { codec }: Spoken,
  name: N,
  params: Params<N>,
  call: Call,
): Promise<Reply<N>> {
  try {
    return await execute(name, params, call)
  } catch (error) {
    const missing = error instanceof A2AError && error.reason === 'TASK_NOT_FOUND'
    if (!missing || !codec.rim.solePushConfig || name !== 'GetTaskPushNotificationConfig') throw error
    const config = await soleConfig(execute, params as Params<'GetTaskPushNotificationConfig'>, call)
    if (!config) throw error
    return config as Reply<N>
  }
}

/** The id that stands for none is the task's own, or `default`: then the oldest config is meant. */
async function soleConfig(
  execute: Execute,
  { taskId, id, tenant }: Params<'GetTaskPushNotificationConfig'>,
  call: Call,
): Promise<TaskPushNotificationConfig | undefined> {
  if (id !== taskId && id !== 'default') return undefined
  const listed = await execute('ListTaskPushNotificationConfigs', { taskId, ...(tenant && { tenant }) }, call)
  return listed.configs[0]
}

/** What was asked for and is offered; the rest is ignored (spec §4.6.3). */
async function activatedBy({ presentCard }: Performer, call: Call): Promise<readonly string[]> {
  const presented = await presentCard(call.agent, call.caller)
  const offered = new Set(presented?.card.capabilities.extensions?.map((extension) => extension.uri))
  return call.extensions.filter((uri) => offered.has(uri))
}
