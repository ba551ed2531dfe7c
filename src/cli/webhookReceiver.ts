/** A webhook receiver on this machine: verifies, tells, passes on. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StreamResponse } from '../a2a/events.ts'
import { LIMITS } from '../limits.ts'
import type { Clock } from '../platform/clock.ts'
import { stateName } from './render.ts'
import { checkSignature, type SignatureCheck } from './webhookSignature.ts'

export interface ReceivedEvent {
  readonly id: string
  readonly sequence?: string
  readonly attempt?: string
  readonly signature: SignatureCheck
  readonly body: Buffer
  readonly contentType: string
  /** The event, when the body is one. */
  readonly event?: StreamResponse
}

export interface WebhookReceiver {
  readonly url: string
  close(): Promise<void>
}

export interface ReceiverSettings {
  readonly host: string
  readonly port: number
  readonly secret: string
  readonly clock: Clock
  /** The status to answer with: what a forwarding target said, or 200. Rejecting answers 502. */
  readonly onEvent: (event: ReceivedEvent) => Promise<number>
}

export async function startWebhookReceiver(settings: ReceiverSettings): Promise<WebhookReceiver> {
  const server = createServer(async (request, response) => {
    const body = await readBody(request)
    if (request.method !== 'POST' || !body) return void response.writeHead(request.method === 'POST' ? 413 : 405).end()
    try {
      response.writeHead(await settings.onEvent(received(request, body, settings))).end()
    } catch {
      response.writeHead(502).end()
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(settings.port, settings.host, resolve)
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://${settings.host}:${port}/`, close: () => close(server) }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** undefined: larger than any event may be. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > LIMITS.requestBytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function received({ headers }: IncomingMessage, body: Buffer, { secret, clock }: ReceiverSettings): ReceivedEvent {
  const one = (name: string) => [headers[name]].flat()[0]
  const sequence = one('webhook-seq')
  const attempt = one('webhook-attempt')
  const event = parsed(body)
  return {
    id: one('webhook-id') ?? '',
    signature: checkSignature({ headers, body }, secret, clock.now()),
    body,
    contentType: one('content-type') ?? 'application/json',
    ...(sequence && { sequence }),
    ...(attempt && { attempt }),
    ...(event && { event }),
  }
}

function parsed(body: Buffer): StreamResponse | undefined {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    return typeof json === 'object' && json !== null ? (json as StreamResponse) : undefined
  } catch {
    return undefined
  }
}

/** `task.status WORKING`, `task.artifact reply`: what happened, in two words. */
export function eventWords(event: StreamResponse | undefined): readonly [kind: string, what: string] {
  if (!event) return ['unknown', '']
  if ('statusUpdate' in event) return ['task.status', stateName(event.statusUpdate.status.state)]
  if ('artifactUpdate' in event) {
    const { name, artifactId } = event.artifactUpdate.artifact
    return ['task.artifact', name ?? artifactId]
  }
  if ('task' in event) return ['task', stateName(event.task.status.state)]
  return 'message' in event ? ['message', ''] : ['unknown', '']
}

export const SIGNATURE_WORDS: Readonly<Record<SignatureCheck['kind'], string>> = {
  verified: 'signature ✓',
  token: 'token ✓',
  absent: 'unsigned',
  wrong: 'signature ✗',
}
