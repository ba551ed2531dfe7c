/**
 * A gateway without its database waits for it. Meanwhile its port answers: alive, and not ready (7.8), so that whoever
 * watches it neither sends clients nor ends it for what it cannot help. What waiting does not mend ends it at once.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from './config.ts'
import type { HappeningSignals } from './happenings.ts'
import { createHealth, type Health } from './http/health.ts'
import { problem, traceIdOf, writeProblem } from './http/problem.ts'
import { SAFE_HEADERS } from './http/safeHeaders.ts'
import { bareListener } from './httpListener.ts'
import type { Limits } from './limits.ts'
import type { Clock } from './platform/clock.ts'
import { listen } from './platform/listen.ts'
import { DatabaseRefusedError, isAway, isRefusedThere, StoreError } from './store/db.ts'
import { VERSION } from './version.ts'

export interface Waiting {
  readonly config: Config
  readonly limits: Limits
  readonly clock: Clock
  readonly signals: HappeningSignals
}

/**
 * Begins, again and again as long as the database is away: for ever, with growing pauses. `begin` calls `vacate` before it
 * listens on the port itself. Rejects with what `begin` rejected with, if waiting would not help.
 */
export async function untilThere<T>(tools: Waiting, begin: (vacate: () => Promise<void>) => Promise<T>): Promise<T> {
  const { config, limits, clock, signals } = tools
  const room = createRoom(tools)
  const began = clock.elapsed()
  for (let pauseMs = limits.databaseWaitFirstMs; ; pauseMs = Math.min(pauseMs * 2, limits.databaseWaitLongestMs)) {
    const begun = new AbortController()
    // A database that does not answer, and a long migration, are waited for as well.
    const late = clock
      .sleep(limits.databaseWaitLongestMs, begun.signal)
      .then(() => (begun.signal.aborted ? undefined : room.open()))
    // A port that is another's is told by whoever waits for this.
    late.catch(() => {})
    try {
      return await begin(async () => {
        begun.abort()
        await late
        await room.close()
      })
    } catch (error) {
      begun.abort()
      const waits = config.databaseUrl !== undefined && isAway(error)
      if (!waits) {
        await late.catch(() => {})
        await room.close()
        throw isRefusedThere(error) ? new DatabaseRefusedError(error) : error
      }
      // The port may be another's: that is told now, and not when the database is there.
      await late
      await room.open()
      const reason = (error as Error).message.slice(0, 300)
      signals.emit('store.awaited', { reason, waitedMs: Math.round(clock.elapsed() - began), nextInMs: pauseMs })
    }
    await clock.sleep(pauseMs)
  }
}

/** `close` also after nothing was opened; `open` again is no second one. A port of chance is nobody's to ask. */
function createRoom({ config, limits, clock }: Waiting): { open(): Promise<void>; close(): Promise<void> } {
  let server: ReturnType<typeof bareListener>['server'] | undefined
  const health = createHealth({ db: { kind: 'postgres', ping }, clock, version: VERSION, draining: () => false })
  return {
    async open() {
      if (server || config.port === 0) return
      const made = bareListener({ config, limits }).server
      made.on('request', (request: IncomingMessage, response: ServerResponse) => void answer(request, response, health))
      await listen(made, config.host, config.port, 'PORT=4290')
      server = made
    },
    async close() {
      const open = server
      server = undefined
      if (!open) return
      const closed = new Promise<void>((resolve) => open.close(() => resolve()))
      open.closeAllConnections()
      await closed
    },
  }
}

const WAITS = 'the gateway waits for its database'
const ping = () => Promise.reject(new StoreError('ping', 'not done', undefined, new Error(WAITS)))

async function answer(request: IncomingMessage, response: ServerResponse, health: Health): Promise<void> {
  const [path, query = ''] = (request.url ?? '').split('?')
  if (path === '/livez' || path === '/healthz') return writeJson(response, 200, health.alive())
  if (path !== '/readyz') {
    const refused = problem(503, 'UNAVAILABLE', WAITS, traceIdOf(request), { headers: { 'Retry-After': '1' } })
    return writeProblem(response, refused)
  }
  const { checks } = await health.ready()
  const verbose = new URLSearchParams(query).has('verbose')
  writeJson(response, 503, { status: 'not ready', ...(verbose && { checks }) })
}

function writeJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { ...SAFE_HEADERS, 'Content-Type': 'application/json', Connection: 'close' })
  response.end(JSON.stringify(body))
}
