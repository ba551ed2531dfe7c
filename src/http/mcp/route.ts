/**
 * /mcp: MCP over Streamable HTTP, the 2025 and the 2026 revisions. Each request stands for itself: there are no sessions to
 * keep, to lose or to steal; what outlives a request is in the task and in the lease. Who calls is who has the key.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { McpHttpHandler } from '@modelcontextprotocol/server'
import { A2AError } from '../../a2a/errors.ts'
import type { Limits } from '../../limits.ts'
import type { Service } from '../../platform/service.ts'
import type { Caller } from '../../ports.ts'
import { isJsonType, readBody, refuseEncoding } from '../../wire/bindings/body.ts'
import { parseBody, refuseShape } from '../../wire/bindings/scan.ts'
import type { ToolInput, ToolName } from '../../wire/bridges/mcp/catalogue.ts'
import type { RunTool } from '../../wire/bridges/mcp/server.ts'
import { type Access, type Face, type FaceContext, newFace } from '../face.ts'
import { createCall } from '../inbox.ts'
import { Refusal } from '../refusal.ts'
import { taskCalls } from './asTask.ts'
import { type DeskTools, refusal, type Seat, type Tool } from './desk.ts'
import { readResource } from './resources.ts'
import { cancelTask, checkTask, delegateTask, findAgents, replyToTask } from './sending.ts'
import { createWatching, type Watching } from './watching.ts'
import { finishTask, readInbox, takeTask, updateTask } from './working.ts'

export interface McpRouteTools extends DeskTools {
  readonly access: Access
  readonly version: string
}

/** The routes, and what has to be stopped with the gateway. */
export interface McpFace extends Service {
  readonly face: Face
}

const TOOLS: { readonly [N in ToolName]: Tool<ToolInput<N>> } = {
  find_agents: findAgents,
  delegate_task: delegateTask,
  check_task: checkTask,
  reply_to_task: replyToTask,
  cancel_task: cancelTask,
  read_inbox: readInbox,
  take_task: takeTask,
  update_task: updateTask,
  finish_task: finishTask,
}

export function mcpRoutes(tools: McpRouteTools): McpFace {
  const { access, limits, draining, publicUrl } = tools
  const places = createPlaces(limits)
  const watching = createWatching(tools)
  let opened: Promise<McpHttpHandler> | undefined
  const open = () => {
    opened ??= openServer(tools, watching)
    return opened
  }
  const face = newFace()
  face.on(['GET', 'POST', 'DELETE'], '/mcp', async (context) => {
    refuseOrigin(context, publicUrl())
    const caller = await access.require(context)
    if (draining.aborted) throw new A2AError('UNAVAILABLE', 'the gateway is stopping', { retryAfterSeconds: 1 })
    const leave = places.enter(caller)
    context.env.outgoing.once('close', leave)
    const parsedBody = context.req.method === 'POST' ? await readJson(context.env.incoming, limits) : undefined
    const seat = seatFor(caller, context.env, tools)
    const authInfo = { token: '', clientId: caller.id, scopes: [...caller.permits], extra: { seat } }
    const { method, headers } = context.req.raw
    const request = new Request(context.req.url, { method, headers, signal: seat.signal })
    const handler = await open()
    return watching.during(seat, parsedBody, () =>
      handler.fetch(request, { authInfo, ...(parsedBody !== undefined && { parsedBody }) }),
    )
  })
  return { name: 'mcp', face, start: () => {}, stop: async () => (await opened)?.close() }
}

/** The library is loaded by the first who asks: most gateways never speak MCP. */
async function openServer(tools: McpRouteTools, { bus }: Watching): Promise<McpHttpHandler> {
  const { limits, version } = tools
  const [{ createMcpHandler }, { createMcpServer }] = await Promise.all([
    import('@modelcontextprotocol/server'),
    import('../../wire/bridges/mcp/server.ts'),
  ])
  return createMcpHandler(
    ({ authInfo, requestInfo, era }) => {
      const seat = authInfo?.extra?.seat as Seat
      const asked = requestInfo ? new URL(requestInfo.url).searchParams.get('profile') : null
      return createMcpServer({
        version,
        profile: asked === 'send' ? 'send' : 'all',
        runTool: runnerFor(seat, tools),
        readResource: (uri) => readResource(uri, seat, tools),
        // The older revision knows neither: it has no request that stands open between others.
        ...(era === 'modern' && { tasks: taskCalls(seat, tools), subscribes: true }),
      })
    },
    {
      bus,
      keepAliveMs: limits.heartbeatMs,
      maxSubscriptions: limits.hintStreamsMax,
      maxRequestBodySize: limits.requestBytesMax,
    },
  )
}

/** A page of another site must not use a key that a browser holds, nor a gateway without keys (MCP, transports). */
function refuseOrigin(context: FaceContext, publicUrl: string): void {
  const { origin } = context.env.incoming.headers
  if (origin === undefined || origin === new URL(publicUrl).origin) return
  throw new Refusal(403, 'ORIGIN_REFUSED', 'requests of web pages of other origins are not taken')
}

async function readJson(incoming: IncomingMessage, limits: Limits): Promise<unknown> {
  refuseEncoding(incoming)
  if (!isJsonType(incoming.headers['content-type']))
    throw new A2AError('UNSUPPORTED_MEDIA_TYPE', 'the body must be application/json')
  const { json, scan } = parseBody(await readBody(incoming, limits), limits)
  refuseShape(scan, limits)
  // One request, one call: a batch would be as many waiting calls as its sender likes.
  if (Array.isArray(json)) throw new A2AError('INVALID_REQUEST', 'one message at a time: batches are not taken')
  return json
}

const runnerFor =
  (seat: Seat, tools: DeskTools): RunTool =>
  async (name, input, turn) => {
    try {
      return await (TOOLS[name] as Tool<unknown>)(
        input,
        { ...seat, ...turn, signal: AbortSignal.any([seat.signal, turn.signal]) },
        tools,
      )
    } catch (error) {
      return refusal(error, tools.signals)
    }
  }

/** Gone is who has closed the connection; what was leased for him goes back. */
function seatFor(
  caller: Caller,
  env: { incoming: IncomingMessage; outgoing: ServerResponse },
  { mailbox }: DeskTools,
): Seat {
  let giveBack = async () => {}
  const call = createCall(env, () => giveBack())
  return {
    caller,
    signal: call.signal,
    leased(agent, offers) {
      giveBack = () => mailbox.takeBack(agent, offers)
      call.answering(offers)
    },
  }
}

/** Calls that one process has open, in all and of one caller: each is a connection and may wait. */
function createPlaces({ mcpCallsMax, mcpCallsPerCallerMax }: Limits) {
  const open = new Map<string, number>()
  let all = 0
  return {
    /** Gives back how to leave, once. Throws RATE_LIMITED. */
    enter({ tenant, id }: Caller): () => void {
      const key = `${tenant} ${id}`
      const own = open.get(key) ?? 0
      if (all >= mcpCallsMax || own >= mcpCallsPerCallerMax)
        throw new A2AError('RATE_LIMITED', 'too many MCP calls are open; let some end', { retryAfterSeconds: 2 })
      all++
      open.set(key, own + 1)
      let left = false
      return () => {
        if (left) return
        left = true
        all--
        const rest = (open.get(key) ?? 1) - 1
        if (rest === 0) open.delete(key)
        else open.set(key, rest)
      }
    },
  }
}
