/** A webhook receiver: scripted answers, and a log that is the ground truth of what was delivered. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLog, type Log } from './log.ts'

export interface Delivered {
  readonly path: string
  /** When it had come, by this process's monotonic clock. */
  readonly at: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The body as JSON; undefined if it is none. */
  readonly json: unknown
  /** What was answered. */
  readonly status: number
}

export type ReceiverAnswer =
  | number
  | {
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string
      /** Takes its time before it answers. */
      readonly delayMs?: number
    }
  /** Reads the request and never answers, cuts the connection, or drips the reply without end. */
  | 'silent'
  | 'cut'
  | 'drip'
  /** Answers 200 when the test says so. */
  | 'held'
  /** 200, and what a challenge asks to hear. */
  | 'agrees'

export interface Receiver {
  /** Ends with '/'. */
  readonly url: string
  readonly log: Log<Delivered>
  /** Answers these, one per request, then as `always` says (200). */
  queue(...answers: ReceiverAnswer[]): void
  always(answer: ReceiverAnswer): void
  /** Answers what was held. */
  release(): void
  /** The first request, past or future, that matches. */
  next(matches?: (delivered: Delivered) => boolean): Promise<Delivered>
  start(): Promise<void>
  stop(): Promise<void>
}

export async function startReceiver(): Promise<Receiver> {
  const receiver = createReceiver()
  await receiver.start()
  return receiver
}

export function createReceiver(): Receiver {
  const log = createLog<Delivered>()
  const queued: ReceiverAnswer[] = []
  let otherwise: ReceiverAnswer = 200
  const held: (() => void)[] = []
  let server: Server | undefined
  let port = 0
  return {
    get url() {
      return `http://127.0.0.1:${port}/`
    },
    log,
    queue: (...answers) => void queued.push(...answers),
    always(answer) {
      otherwise = answer
    },
    release() {
      for (const go of held.splice(0)) go()
    },
    next: (matches) => log.next(matches),
    async start() {
      const next = createServer(async (request, response) => {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk as Buffer)
        const body = Buffer.concat(chunks).toString()
        const answer = queued.shift() ?? otherwise
        const told =
          typeof answer === 'number'
            ? { status: answer }
            : typeof answer === 'string'
              ? { status: ['drip', 'held', 'agrees'].includes(answer) ? 200 : 0 }
              : answer
        const at = performance.now()
        log.add({
          path: request.url ?? '',
          at,
          headers: request.headers,
          body,
          json: parsed(body),
          status: told.status,
        })
        if (answer === 'silent') return
        if (answer === 'cut') return void response.destroy()
        if (answer === 'drip') {
          response.writeHead(200)
          const timer = setInterval(() => response.write('.'), 100)
          return void response.once('close', () => clearInterval(timer))
        }
        if ('delayMs' in told) await new Promise((resolve) => setTimeout(resolve, told.delayMs))
        if (answer === 'held') await new Promise<void>((resolve) => held.push(resolve))
        const { challenge } = (parsed(body) ?? {}) as { challenge?: string }
        if (answer === 'agrees' && challenge !== undefined) {
          response.writeHead(200, { 'content-type': 'application/json' })
          return void response.end(JSON.stringify({ challenge }))
        }
        response.writeHead(told.status, 'headers' in told ? told.headers : {})
        response.end('body' in told ? told.body : '')
      })
      await new Promise<void>((resolve) => next.listen(port, '127.0.0.1', resolve))
      port = (next.address() as AddressInfo).port
      server = next
    },
    async stop() {
      const open = server
      server = undefined
      if (!open) return
      open.closeAllConnections()
      await new Promise((resolve) => open.close(resolve))
    },
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
