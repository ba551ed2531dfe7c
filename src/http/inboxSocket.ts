/**
 * One WebSocket of an agent that collects. It grants credit; so many leases are handed to it, no more. It settles them on
 * the same socket. Every frame is one JSON object with a `type`; what has an `id` is answered with it.
 *
 *     in   {"type":"credit","n":4,"kind":"task",…}      n more leases may come; the filters of a lease call, if they change
 *          {"type":"complete","lease":"…","id":1,…}     any verb of /v1/leases, with its body
 *     out  {"type":"lease",…}                           a piece of work, as POST /v1/inbox/lease answers it
 *          {"type":"answer","id":1,…} {"type":"error","id":1,"code":"…","status":409,…}
 *          {"type":"hint","event":"cancel",…}           as GET /v1/inbox/events tells it
 *
 * Whoever goes without a word has ten seconds to come back: then what it held is another's.
 */
import { type RawData, WebSocket } from 'ws'
import { z } from 'zod'
import { A2AError } from '../a2a/errors.ts'
import type { Agent } from '../gateway/agents/agent.ts'
import type { Mailbox } from '../gateway/mailbox/mailbox.ts'
import type { Verdict } from '../gateway/mailbox/verdict.ts'
import type { HappeningSignals } from '../happenings.ts'
import type { Limits } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import { uuidv7 } from '../platform/ids.ts'
import { parseBody, refuseShape } from '../wire/bindings/scan.ts'
import { checked } from './face.ts'
import { creditForm, requestOf } from './inboxForms.ts'
import { leaseForms, refusalOf, type Spoken } from './leases.ts'
import { problemOf, problemText } from './problem.ts'

export interface OneSocketTools {
  readonly mailbox: Mailbox
  readonly limits: Limits
  readonly clock: Clock
  readonly signals: HappeningSignals
  readonly closed: (socket: InboxSocket) => void
}

export interface InboxSocket {
  /** Closes it in peace; its leases stay as they are. */
  goAway(): Promise<void>
}

/** Why it is closed, for its reader (RFC 6455 §7.4). */
const CLOSE = { goingAway: 1001, notText: 1003, nonsense: 1008, tooSlow: 1013 } as const
/** Frames in a row that say nothing sensible. */
const NONSENSE_MAX = 20
const FRAME = z.looseObject({ type: z.string().max(32), id: z.union([z.string().max(128), z.number()]).optional() })
const WAIT_MS = 50_000

type Id = string | number | undefined

export function createSocket(ws: WebSocket, agent: Agent, tools: OneSocketTools): InboxSocket {
  const { mailbox, limits } = tools
  const forms = leaseForms(limits)
  const credit = createCredit(ws, agent, tools, { say, held: (lease) => held.add(lease) })
  const held = new Set<string>()
  let busy = 0
  let nonsense = 0
  let leaving = false
  let isAlive = true

  function say(frame: Record<string, unknown>): boolean {
    if (ws.readyState !== WebSocket.OPEN) return false
    // What is still unsent of before: one large frame is no fault of its reader's.
    if (ws.bufferedAmount > limits.streamBufferBytesMax) {
      ws.close(CLOSE.tooSlow, 'reads too slowly')
      ws.terminate()
      return false
    }
    ws.send(JSON.stringify(frame))
    return true
  }

  const fail = (id: Id, error: unknown): void => {
    const refused = problemOf(error, uuidv7().replaceAll('-', ''))
    if (refused.code === 'INTERNAL')
      tools.signals.emit('service.failed', { service: 'inbox.sockets', error: `${refused.traceId}: ${String(error)}` })
    say({ ...JSON.parse(problemText(refused)), type: 'error', ...(id !== undefined && { id }) })
  }

  async function verb(type: string, lease: unknown, body: Record<string, unknown>): Promise<Spoken> {
    const form = Object.hasOwn(forms, type) ? forms[type as keyof typeof forms] : undefined
    if (!form) throw new A2AError('INVALID_PARAMS', `type: unknown; known are credit, ${Object.keys(forms).join(', ')}`)
    if (typeof lease !== 'string') throw new A2AError('INVALID_PARAMS', 'lease: the lease that this is about')
    const said = checked(form as z.ZodType<object>, body)
    if (type === 'renew' || type === 'update') {
      const answer = await mailbox[type](agent, lease, said)
      if (answer.kind === 'alive') held.add(lease)
      return answer
    }
    const settled = await mailbox.settle(agent, lease, { ...said, verb: type } as Verdict)
    if (settled.kind === 'settled') held.delete(lease)
    return settled
  }

  async function take(text: string): Promise<void> {
    let id: Id
    try {
      const { json, scan } = parseBody(Buffer.from(text), limits)
      refuseShape(scan, limits)
      const { type, id: asked, lease, ...body } = checked(FRAME, json) as { type: string; id?: Id; lease?: unknown }
      id = asked
      if (type === 'credit') {
        credit.grant(body)
        if (id !== undefined) say({ type: 'answer', id, credit: credit.left() })
      } else {
        const spoken = await verb(type, lease, body)
        const numbered = { ...(id !== undefined && { id }), lease }
        if ('answer' in spoken) say({ ...spoken.answer, type: 'answer', ...numbered })
        else say({ ...refusalOf(spoken, uuidv7().replaceAll('-', '')), type: 'error', ...numbered })
      }
      nonsense = 0
    } catch (error) {
      fail(id, error)
      if (error instanceof A2AError && ++nonsense > NONSENSE_MAX) ws.close(CLOSE.nonsense, 'nothing sensible is said')
    }
  }

  ws.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary) return ws.close(CLOSE.notText, 'frames are text')
    // Whoever says more than can be done is read more slowly.
    if (++busy >= limits.socketFramesMax) ws.pause()
    void take(data.toString()).finally(() => {
      if (--busy < limits.socketFramesMax) ws.resume()
    })
  })
  ws.on('pong', () => {
    isAlive = true
  })
  // What is too large or no frame at all: `ws` closes with the right code.
  ws.on('error', () => {})
  const ping = setInterval(() => {
    if (!isAlive) return ws.terminate()
    isAlive = false
    ws.ping()
  }, limits.socketPingMs)
  const age = setTimeout(() => ws.close(CLOSE.goingAway, 'old enough: come again'), limits.streamAgeMaxMs)
  const unlisten = mailbox.listen(agent, {
    push: (hint) => hint.event === 'work' || say({ type: 'hint', ...hint }),
    end: () => ws.close(CLOSE.goingAway, 'the gateway stops'),
  })
  const self: InboxSocket = {
    async goAway() {
      leaving = true
      credit.stop()
      ws.close(CLOSE.goingAway, 'the gateway stops')
      await Promise.race([
        new Promise((resolve) => ws.once('close', resolve)),
        tools.clock.sleep(limits.stopGraceMs / 5),
      ])
      ws.terminate()
    },
  }
  ws.on('close', () => {
    clearInterval(ping)
    clearTimeout(age)
    unlisten()
    credit.stop()
    tools.closed(self)
    if (!leaving) void mailbox.dropped(agent, [...held]).catch(() => {})
  })
  return self
}

/** Asks for work as long as there is credit, and is told of each piece. */
function createCredit(
  ws: WebSocket,
  agent: Agent,
  { mailbox, limits, clock }: OneSocketTools,
  { say, held }: { say: (frame: Record<string, unknown>) => boolean; held: (lease: string) => void },
) {
  const form = creditForm(limits)
  let left = 0
  let asked = requestOf({})
  let round: AbortController | undefined
  let running = false
  let stopped = false

  async function one(signal: AbortSignal): Promise<void> {
    const request = { ...asked, max: Math.min(left, limits.leaseMax) }
    asked = { ...asked, reclaim: false }
    const offers = await mailbox.lease(agent, request, WAIT_MS, signal)
    const unread = offers.filter((offer) => {
      if (!say({ type: 'lease', ...offer })) return true
      left--
      held(offer.lease)
      return false
    })
    if (unread.length > 0) await mailbox.takeBack(agent, unread)
  }

  async function run(): Promise<void> {
    if (running) return
    running = true
    while (left > 0 && !stopped && ws.readyState === WebSocket.OPEN) {
      round = new AbortController()
      try {
        await one(round.signal)
      } catch (error) {
        say({ ...JSON.parse(problemText(problemOf(error, uuidv7().replaceAll('-', '')))), type: 'error' })
        await clock.sleep(limits.pollMs)
      }
    }
    running = false
  }

  return {
    left: () => left,
    /** More leases may come. Throws INVALID_PARAMS. */
    grant(body: unknown): void {
      const { n, ...filters } = checked(form, body)
      if (left + n > limits.leaseMax)
        throw new A2AError('INVALID_PARAMS', `n: at most ${limits.leaseMax} may be open, ${left} are`)
      left += n
      if (Object.keys(filters).length > 0) asked = requestOf(filters)
      // A wait that asks for less than there is room for now, or for something else, begins anew.
      round?.abort()
      void run()
    },
    stop(): void {
      stopped = true
      round?.abort()
    },
  }
}
