/** A proxy that speaks CONNECT and nothing else, as an operator may have one: it knows where each name is. */
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface ConnectProxy {
  readonly url: string
  /** What it was asked for, as `host:port`. */
  readonly asked: string[]
  readonly authorizations: (string | undefined)[]
  /** Where everything is: on this port of the loopback interface; or the status that it answers. */
  leadTo(port: number): void
  refuseWith(status: number): void
  /** Takes the connection, and says nothing. */
  fallSilent(): void
  stop(): Promise<void>
}

export async function startConnectProxy(): Promise<ConnectProxy> {
  const sockets = new Set<Socket>()
  const asked: string[] = []
  const authorizations: (string | undefined)[] = []
  let [port, status] = [0, 0]
  const server = createServer((_, response) => response.writeHead(405).end())
  server.on('connection', (socket) => sockets.add(socket))
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    asked.push(request.url ?? '')
    authorizations.push(request.headers['proxy-authorization'])
    if (status > 0) return void socket.end(`HTTP/1.1 ${status} no\r\nContent-Length: 0\r\n\r\n`)
    if (port === 0) return
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      onward.write(head)
      onward.pipe(socket).pipe(onward)
    })
    sockets.add(onward)
    for (const one of [onward, socket]) one.on('error', () => [onward, socket].map((each) => each.destroy()))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    authorizations,
    leadTo(to) {
      port = to
      status = 0
    },
    refuseWith(code) {
      status = code
    },
    fallSilent() {
      port = 0
      status = 0
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
