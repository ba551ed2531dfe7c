/** Binding a listener, so that a taken port is told alike wherever it happens. */
import type { AddressInfo, Server } from 'node:net'

/** The port is taken. */
export class PortInUseError extends Error {
  readonly code = 'WAYPOST_ERR_PORT_IN_USE'
  readonly hint: string
  constructor(address: string, instead: string) {
    super(`${address} is in use`)
    this.hint = `stop whoever listens there, or choose another port: ${instead} npm start`
  }
}

/** Connections that wait to be accepted. */
const BACKLOG = 1024

/**
 * Gives back the port that was bound. Rejects with PortInUseError.
 * @param instead a setting that would help, such as `PORT=4290`
 */
export function listen(server: Server, host: string, port: number, instead: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new PortInUseError(`${host}:${port}`, instead) : error)
    server.once('error', fail)
    server.listen(port, host, BACKLOG, () => {
      server.off('error', fail)
      resolve((server.address() as AddressInfo).port)
    })
  })
}
