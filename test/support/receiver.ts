/** A webhook receiver: scripted answers, and a log that is the ground truth of what was delivered. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLog, type Log } from './log.ts'

export interface Delivered {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The body as JSON; undefined if it is none. */
  readonly json: unknown
  /** What was answered. */
  readonly status: number
}

export type ReceiverAnswer =
  | number
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  /** Reads the request and never answers, or cuts the connection. */
  | 'silent'
  | 'cut'

export interface Receiver {
  /** Ends with '/'. */
  readonly url: string
  readonly log: Log<Delivered>
  /** Answers these, one per request, then as `always` says (200). */
  queue(...answers: ReceiverAnswer[]): void
  always(answer: ReceiverAnswer): void
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
    next: (matches) => log.next(matches),
    async start() {
      const next = createServer(async (request, response) => {
        const chunks: Buffer[] = []
        for await (const chunk of request) chunks.push(chunk as Buffer)
        const body = Buffer.concat(chunks).toString()
        const answer = queued.shift() ?? otherwise
        const told =
          typeof answer === 'number' ? { status: answer } : typeof answer === 'string' ? { status: 0 } : answer
        log.add({ path: request.url ?? '', headers: request.headers, body, json: parsed(body), status: told.status })
        if (answer === 'silent') return
        if (answer === 'cut') return void response.destroy()
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
