/**
 * /v1/inbox/ws: the mailbox over a WebSocket, for those who are busy. Here is who may open one, and what bounds them all;
 * what is said on one is in `inboxSocket.ts`. A request that is refused is answered as HTTP, before there is a socket.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { A2AError } from '../a2a/errors.ts'
import type { Agent } from '../gateway/agents/agent.ts'
import type { Mailbox } from '../gateway/mailbox/mailbox.ts'
import type { HappeningSignals } from '../happenings.ts'
import type { Limits } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import type { Service } from '../platform/service.ts'
import type { Authenticate } from '../ports.ts'
import { credentialsOf } from '../wire/bindings/parameters.ts'
import type { HostRefusal } from './hosts.ts'
import { collectorFor } from './inbox.ts'
import { createSocket, type InboxSocket } from './inboxSocket.ts'
import { PROBLEM_TYPE, type Problem, problem, problemOf, problemText, traceIdOf } from './problem.ts'
import { SAFE_HEADERS } from './safeHeaders.ts'

export interface SocketTools {
  readonly authenticate: Authenticate
  readonly findAgent: (tenant: string, name: string) => Promise<Agent | undefined>
  readonly mailbox: Mailbox
  readonly checkHost: (request: IncomingMessage) => HostRefusal | undefined
  readonly limits: Limits
  readonly clock: Clock
  readonly signals: HappeningSignals
  readonly draining: AbortSignal
}

export interface InboxSockets extends Service {
  /** For the server's `upgrade`. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  count(): number
}

const PATH = '/v1/inbox/ws'
/** RFC 6455, as registered: try again later. */
const TRY_LATER = 1013

export function createInboxSockets(tools: SocketTools): InboxSockets {
  const { limits, draining } = tools
  const server = new WebSocketServer({ noServer: true, maxPayload: limits.requestBytesMax, perMessageDeflate: false })
  const open = new Map<InboxSocket, string>()

  /** Who may; throws what it is refused with. */
  async function admit(request: IncomingMessage): Promise<Agent> {
    if (draining.aborted) throw new A2AError('UNAVAILABLE', 'the gateway is stopping', { retryAfterSeconds: 1 })
    const caller = await tools.authenticate(credentialsOf(request, ''))
    const asked = request.headers['x-waypost-agent']
    const agent = await collectorFor(caller, typeof asked === 'string' ? asked : undefined, tools.findAgent)
    const own = [...open.values()].filter((name) => name === nameOf(agent)).length
    if (open.size >= limits.socketsMax || own >= limits.socketsPerAgentMax)
      throw new A2AError('RATE_LIMITED', 'too many sockets are open', { retryAfterSeconds: 5 })
    return agent
  }

  function accept(request: IncomingMessage, raw: Duplex, head: Buffer, agent: Agent): void {
    server.handleUpgrade(request, raw, head, (ws) => {
      try {
        const socket = createSocket(ws, agent, { ...tools, closed: (one) => open.delete(one) })
        open.set(socket, nameOf(agent))
      } catch (error) {
        // As many listen as may.
        ws.close(TRY_LATER, (error as Error).message.slice(0, 100))
      }
    })
  }

  return {
    name: 'inbox.sockets',
    async start() {},
    /** Those who work go on: they come back to another replica, or to the next process, with their leases. */
    async stop() {
      await Promise.all([...open.keys()].map((socket) => socket.goAway()))
      server.close()
    },
    upgrade(request, raw, head) {
      const gone = () => raw.destroy()
      raw.on('error', gone)
      const refused = refusalOf(request, tools)
      if (refused) return refuse(raw, refused)
      admit(request).then(
        (agent) => {
          raw.off('error', gone)
          accept(request, raw, head, agent)
        },
        (error) => refuse(raw, problemOf(error, traceIdOf(request))),
      )
    },
    count: () => open.size,
  }
}

const nameOf = ({ tenant, name }: Agent): string => `${tenant} ${name}`

function refusalOf(request: IncomingMessage, { checkHost }: SocketTools): Problem | undefined {
  const traceId = traceIdOf(request)
  const host = checkHost(request)
  if (host) return problem(host.status, host.code, host.detail, traceId)
  const path = (request.url ?? '').split('?')[0]
  if (path !== PATH) return problem(404, 'NOT_FOUND', 'there is no WebSocket here', traceId)
  if (request.headers.upgrade?.toLowerCase() !== 'websocket')
    return problem(400, 'INVALID_REQUEST', 'this is for WebSockets only', traceId)
  return undefined
}

function refuse(raw: Duplex, refused: Problem): void {
  const body = problemText(refused)
  const headers = {
    ...SAFE_HEADERS,
    ...refused.headers,
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  raw.end(`HTTP/1.1 ${refused.status} ${refused.title}\r\n${lines.join('')}\r\n${body}`)
}
