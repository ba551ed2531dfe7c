/** A request's body: its type checked, its bytes counted as they come. */
import type { IncomingMessage } from 'node:http'
import { A2AError } from '../../a2a/errors.ts'
import type { Limits } from '../../limits.ts'

/** The client went away while it was sending: there is nobody to answer. */
export class ClientGone extends Error {}

const UTF8 = /^utf-?8$/i

/** What A2A is written in, with no other charset than UTF-8. */
export function isJsonType(type: string | undefined): boolean {
  if (type === undefined) return false
  if (type === 'application/json' || type === 'application/a2a+json') return true
  const [essence = '', ...parameters] = type.split(';').map((part) => part.trim())
  if (!/^application\/(a2a\+)?json$/i.test(essence)) return false
  return parameters.every((parameter) => {
    const [name = '', value = ''] = parameter.split('=')
    return name.trim().toLowerCase() !== 'charset' || UTF8.test(value.trim().replace(/^"|"$/g, ''))
  })
}

/** @throws A2AError UNSUPPORTED_MEDIA_TYPE: a compressed body is a bomb that has not gone off yet (SR-62) */
export function refuseEncoding(request: IncomingMessage): void {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return
  throw new A2AError('UNSUPPORTED_MEDIA_TYPE', 'a compressed body is not taken, send it as it is', {
    metadata: { acceptEncoding: 'identity' },
  })
}

const tooLarge = (limit: number): A2AError =>
  new A2AError('PAYLOAD_TOO_LARGE', `the body is larger than ${limit} bytes`, { metadata: { limit: String(limit) } })

/**
 * @throws A2AError PAYLOAD_TOO_LARGE, by the announced length at once, by the counted one as soon as it is reached
 * @throws ClientGone
 */
export function readBody(request: IncomingMessage, { requestBytesMax }: Limits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > requestBytesMax) return reject(tooLarge(requestBytesMax))
    let first: Buffer | undefined
    let rest: Buffer[] | undefined
    let bytes = 0
    let settled = false
    request.on('data', (chunk: Buffer) => {
      if (settled) return
      bytes += chunk.length
      if (bytes > requestBytesMax) {
        settled = true
        first = rest = undefined
        reject(tooLarge(requestBytesMax))
      } else if (!first) first = chunk
      else if (rest) rest.push(chunk)
      else rest = [chunk]
    })
    request.on('end', () => {
      settled = true
      resolve(rest ? Buffer.concat([first as Buffer, ...rest]) : (first ?? Buffer.alloc(0)))
    })
    const gone = () => {
      if (!settled) reject(new ClientGone('the client went away'))
      settled = true
    }
    request.on('error', gone)
    request.on('close', gone)
  })
}
