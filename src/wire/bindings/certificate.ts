/** The names in the certificate of whoever is at the other end of a connection, if somebody we trust has signed it. */
import type { TLSSocket } from 'node:tls'

const NONE: readonly string[] = []
const known = new WeakMap<object, readonly string[]>()

/** SAN URIs and DNS names; empty: no certificate, or none that counts. Looked at once per connection. */
export function certificateNames(socket: object): readonly string[] {
  // Asked for, not looked for: the socket of an HTTP/2 session is a stand-in that only answers.
  if (typeof (socket as Partial<TLSSocket>).getPeerCertificate !== 'function') return NONE
  const before = known.get(socket)
  if (before) return before
  const { authorized } = socket as TLSSocket
  const names = authorized ? namesIn((socket as TLSSocket).getPeerCertificate()?.subjectaltname ?? '') : NONE
  known.set(socket, names)
  return names
}

/** What Node had to quote holds a comma or a quotation mark, and is no name that anybody should go by. */
const namesIn = (text: string): string[] =>
  text.split(', ').flatMap((entry) => {
    const name = /^(?:URI|DNS):([^"\s]+)$/.exec(entry)?.[1]
    return name === undefined ? [] : [name]
  })
