/** /v1/inbox: an agent without a server asks for its work, looks at what waits, and listens for hints. */
import type { Socket } from 'node:net'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { A2AError } from '../a2a/errors.ts'
import type { Agent } from '../gateway/agents/agent.ts'
import { authorize } from '../gateway/callers/permits.ts'
import type { Mailbox } from '../gateway/mailbox/mailbox.ts'
import type { Offer } from '../gateway/mailbox/offer.ts'
import type { Limits } from '../limits.ts'
import type { Caller } from '../ports.ts'
import { contactRoutes } from './contacts.ts'
import { type Access, checked, type Face, type FaceContext, jsonBody, newFace } from './face.ts'
import { streamHints } from './inboxEvents.ts'
import { leaseForm, requestOf, WAIT } from './inboxForms.ts'
import { readingRoutes } from './inboxReading.ts'
import { leaseRoutes, type WhoCollects } from './leases.ts'

export interface InboxTools {
  readonly access: Access
  readonly mailbox: Mailbox
  readonly findAgent: (tenant: string, name: string) => Promise<Agent | undefined>
  readonly limits: Limits
  readonly pageKey: Buffer
  readonly draining: AbortSignal
}

/** An agent by its own token; who has the scope for several mailboxes says which. */
function collectsFor(caller: Caller, asked: string | undefined): string {
  const own = caller.id.startsWith('agent:') ? caller.id.slice('agent:'.length) : undefined
  const names = caller.mailboxes ?? new Set(own === undefined ? [] : [own])
  const name = asked?.toLowerCase() ?? (names.size === 1 ? [...names][0] : undefined)
  if (names.size > 1 && name === undefined)
    throw new A2AError('INVALID_PARAMS', 'this credential is for several mailboxes: name one in X-Waypost-Agent')
  if (name !== undefined && caller.mailboxes?.has(name)) return name
  if (name !== own || name === undefined) throw needsToken(asked)
  authorize(caller, 'agent')
  return name
}

const needsToken = (asked = '<name>'): A2AError =>
  new A2AError('PERMISSION_DENIED', "this needs the agent's own token", {
    metadata: { permit: 'agent', scope: `mailbox:${asked.slice(0, 63)}` },
  })

/** The agent whose token this is. Throws PERMISSION_DENIED, AGENT_NOT_FOUND. */
export async function collectorFor(
  caller: Caller,
  asked: string | undefined,
  findAgent: InboxTools['findAgent'],
): Promise<Agent> {
  const agent = await findAgent(caller.tenant, collectsFor(caller, asked))
  if (agent?.connector.kind !== 'mailbox')
    throw new A2AError('AGENT_NOT_FOUND', 'this token is of an agent that does not collect')
  return agent
}

export function createWhoCollects({ access, findAgent }: Pick<InboxTools, 'access' | 'findAgent'>): WhoCollects {
  return async (context) =>
    collectorFor(await access.require(context), context.req.header('x-waypost-agent'), findAgent)
}

export function inboxRoutes(tools: InboxTools): Face {
  const { mailbox, limits } = tools
  const face = newFace()
  const who = createWhoCollects(tools)
  const body = leaseForm(limits)

  face.post('/v1/inbox/lease', async (context) => {
    const agent = await who(context)
    const { wait = 0 } = checked(WAIT, context.req.query())
    const request = requestOf(checked(body, await jsonBody(context)))
    const call = createCall(context.env, (offers) => mailbox.takeBack(agent, offers))
    const offers = await mailbox.lease(agent, request, wait * 1_000, call.signal)
    call.answering(offers)
    const [first] = offers
    if (!first) return context.body(null, 204, wait === 0 ? { 'Retry-After': '1' } : {})
    if (request.max > 1) return context.json({ items: offers })
    return wantsText(context) ? context.text(first.text, 200, headersOf(first)) : context.json(first)
  })

  face.get('/v1/inbox/events', async (context) => {
    const agent = await who(context)
    streamHints(context.env.outgoing, agent, tools)
    return RESPONSE_ALREADY_SENT
  })

  face.route('/', leaseRoutes({ mailbox, limits, who }))
  face.route('/', readingRoutes({ ...tools, who }))
  face.route('/', contactRoutes({ ...tools, who }))
  return face
}

/** A connection that breaks this soon after the answer broke before the answer was read. */
const BROKEN_AFTER_MS = 1_000
/** How to stop watching a connection. */
const watched = new WeakMap<Socket, () => void>()

/**
 * One call for work and its connection: what was leased for a client that has gone goes back. That the answer was handed
 * to the network does not say that it arrived: a client that goes without reading it resets the connection, one that has
 * read it closes it in peace. What neither tells is found when the lease runs out.
 */
export function createCall(
  { incoming, outgoing }: FaceContext['env'],
  giveBack: (offers: readonly Offer[]) => Promise<void>,
) {
  const { socket } = incoming
  // Who asks again on the same connection has read the answer before.
  watched.get(socket)?.()
  const gone = new AbortController()
  let leased: Offer[] = []
  const back = () => void giveBack(leased.splice(0)).catch(() => {})
  outgoing.once('close', () => {
    if (!outgoing.writableFinished || socket.errored) {
      gone.abort()
      return back()
    }
    if (leased.length === 0) return
    const broken = (hadError: boolean) => hadError && back()
    const timer = setTimeout(() => stop(), BROKEN_AFTER_MS).unref()
    const stop = () => {
      clearTimeout(timer)
      socket.off('close', broken)
    }
    socket.once('close', broken)
    watched.set(socket, stop)
  })
  return {
    signal: gone.signal,
    /** The answer is going out. */
    answering(offers: readonly Offer[]): void {
      leased = [...offers]
      if (gone.signal.aborted) back()
    },
  }
}

const wantsText = (context: FaceContext): boolean => {
  const accept = context.env.incoming.headers.accept ?? ''
  return /^text\/plain\b/.test(accept.trim())
}

/** A header takes no line ends and no characters beyond ASCII. */
const asHeader = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?')

const headersOf = ({ lease, task, from, attempt, message }: Offer): Record<string, string> => ({
  Lease: lease,
  Task: task.id,
  From: asHeader(from),
  Attempt: String(attempt),
  Context: asHeader(message.contextId ?? ''),
})
