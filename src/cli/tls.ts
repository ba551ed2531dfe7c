/** What the user has said about TLS: a certificate of our own (mutual TLS), a CA of theirs, no checking at all. */
import { readFileSync } from 'node:fs'
import { usage } from './errors.ts'

export interface TlsWishes {
  /** Paths of PEM files. */
  readonly clientCert?: string | undefined
  readonly clientKey?: string | undefined
  readonly caCert?: string | undefined
  readonly insecure: boolean
}

/** As Node takes them for a connection. */
export interface TlsOptions {
  readonly cert?: string
  readonly key?: string
  readonly ca?: string
  readonly rejectUnauthorized?: boolean
}

/** undefined: nothing was wished. */
export function tlsOptions(wishes: TlsWishes): TlsOptions | undefined {
  const { clientCert, clientKey, caCert, insecure } = wishes
  if (!clientCert && !clientKey && !caCert && !insecure) return undefined
  if (Boolean(clientCert) !== Boolean(clientKey)) {
    throw usage('a client certificate needs its key', '--client-cert cert.pem --client-key key.pem')
  }
  return {
    ...(clientCert && { cert: pem(clientCert, '--client-cert') }),
    ...(clientKey && { key: pem(clientKey, '--client-key') }),
    ...(caCert && { ca: pem(caCert, '--ca-cert') }),
    ...(insecure && { rejectUnauthorized: false }),
  }
}

/** Node's own fetch, unless something was wished; the other one is loaded only then. */
export function fetchWith(connect: TlsOptions | undefined): typeof fetch {
  if (!connect) return fetch
  const opened = import('undici').then(({ Agent, fetch: send }) => ({ send, dispatcher: new Agent({ connect }) }))
  return (async (url: string, init?: RequestInit) => {
    const { send, dispatcher } = await opened
    return send(url, { ...(init as object), dispatcher })
  }) as unknown as typeof fetch
}

function pem(path: string, flag: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw usage(`${flag}: ${path} cannot be read: ${(error as Error).message}`)
  }
}
