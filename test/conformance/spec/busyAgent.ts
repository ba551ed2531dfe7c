/** An agent that lets its callers wait, and then says that it is too busy to have taken anything: 503, come again. */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createLog, type Log } from '../../support/log.ts'

export interface BusyAgent {
  readonly agent: string
  /** Bodies of the requests that came. */
  readonly arrived: Log<string>
  /** Answers whoever waits, and from now on everybody at once. */
  refuse(): void
  stop(): Promise<void>
}

export async function startBusyAgent(): Promise<BusyAgent> {
  const arrived = createLog<string>()
  const waiting = new Set<ServerResponse>()
  let atOnce = false
  const busy = (response: ServerResponse) => void response.writeHead(503, { 'retry-after': '1' }).end()
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(
        JSON.stringify({
          ...{ name: 'busy', description: '', version: '1', capabilities: {}, skills: [] },
          ...{ defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain'] },
          supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
        }),
      )
    }
    let body = ''
    for await (const chunk of request) body += String(chunk)
    arrived.add(body)
    if (atOnce) busy(response)
    else waiting.add(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    agent: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    arrived,
    refuse() {
      atOnce = true
      for (const response of waiting) busy(response)
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
