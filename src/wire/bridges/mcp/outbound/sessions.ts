/** The connections to all MCP servers: one each, opened when needed, opened again with growing pauses. */
import { canonicalJson } from '../../../../platform/canonicalJson.ts'
import type { Clock } from '../../../../platform/clock.ts'
import type { AgentTarget, McpServerTarget } from '../../../../ports.ts'
import { openSession, type Session, type SessionTools } from './session.ts'

export interface McpSessions {
  /** Rejects with what the library or the egress says, or with Pausing. */
  open(target: AgentTarget, mcp: McpServerTarget): Promise<Session>
  /** No call is to begin on it any more: it broke off, or its server does not know it. */
  retire(target: AgentTarget, session: Session): void
  close(): Promise<void>
}

/** It has ended a moment ago, again: not now. */
export class Pausing extends Error {
  readonly waitMs: number
  constructor(waitMs: number, why: string) {
    super(why)
    this.name = 'Pausing'
    this.waitMs = waitMs
  }
}

export interface SessionsTools extends SessionTools {
  readonly clock: Clock
  /** A server has ended although nobody told it to; its last words, for the log. */
  readonly onEnded: (target: AgentTarget, lastWords: string) => void
}

interface Place {
  /** What it was opened with: another address or command is another connection. */
  readonly form: string
  readonly session: Promise<Session>
  opened?: Session
  usedAt: number
}

/** A server that has run this long has not failed to start. */
const STEADY_MS = 60_000

/** Before what has failed is started again: growing, and bounded. */
function createPauses({ clock, limits }: Pick<SessionsTools, 'clock' | 'limits'>) {
  const failures = new Map<string, { count: number; until: number; why: string }>()
  return {
    failed(key: string, why: string): void {
      const { count } = failures.get(key) ?? { count: 0 }
      const pause = Math.min(limits.probeFirstMs * 2 ** count, limits.probeLongestMs)
      if (failures.size >= limits.mcpServersMax) failures.clear()
      failures.set(key, { count: count + 1, until: clock.elapsed() + pause, why })
    },
    /** Throws Pausing. */
    check(key: string): void {
      const failure = failures.get(key)
      const waitMs = (failure?.until ?? 0) - clock.elapsed()
      if (failure && waitMs > 0) throw new Pausing(waitMs, failure.why)
    },
    forget: (key: string) => void failures.delete(key),
  }
}

export function createSessions(tools: SessionsTools): McpSessions {
  const { clock, limits } = tools
  const places = new Map<string, Place>()
  const pauses = createPauses(tools)
  let closing = false

  function drop(key: string, place: Place | undefined): void {
    if (place && places.get(key) === place) places.delete(key)
    place?.session.then((session) => session.close()).catch(() => {})
  }

  function start(key: string, form: string, target: AgentTarget, mcp: McpServerTarget): Place {
    const startedAt = clock.elapsed()
    const session = openSession(target, mcp, tools, () => {
      const ended = places.get(key) === place
      if (!ended || closing) return
      places.delete(key)
      if (!place.opened) return
      if (clock.elapsed() - startedAt < STEADY_MS) pauses.failed(key, 'it has ended soon after its start')
      if (mcp.command) tools.onEnded(target, place.opened.lastWords())
    })
    const place: Place = { form, session, usedAt: startedAt }
    session.then(
      (opened) => {
        place.opened = opened
      },
      (error: Error) => {
        if (places.get(key) === place) places.delete(key)
        if (mcp.command) pauses.failed(key, error.message)
      },
    )
    return place
  }

  return {
    async open(target, mcp) {
      if (closing) throw new Error('shutting down')
      const key = `${target.tenant} ${target.name}`
      const form = canonicalJson([target.url, mcp.command ?? null, mcp.env, target.headers])
      const known = places.get(key)
      if (known?.form === form) {
        known.usedAt = clock.elapsed()
        return known.session
      }
      drop(key, known)
      pauses.check(key)
      const idle = places.size >= limits.mcpServersMax ? idlest(places) : undefined
      if (idle) drop(...idle)
      const place = start(key, form, target, mcp)
      places.set(key, place)
      const session = await place.session
      if (clock.elapsed() - place.usedAt > STEADY_MS) pauses.forget(key)
      return session
    },
    retire({ tenant, name }, session) {
      const key = `${tenant} ${name}`
      if (places.get(key)?.opened === session) places.delete(key)
      session.retire()
    },
    async close() {
      closing = true
      const open = [...places.values()]
      places.clear()
      await Promise.all(
        open.map(async ({ session }) => (await session.catch(() => undefined))?.close().catch(() => {})),
      )
    },
  }
}

/** Of those that nobody uses, the one that was not used for longest. */
const idlest = (places: ReadonlyMap<string, Place>): [string, Place] | undefined =>
  [...places].filter(([, { opened }]) => opened?.running() === 0).sort(([, a], [, b]) => a.usedAt - b.usedAt)[0]
