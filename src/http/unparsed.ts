/** What is no HTTP that can be read: refused in the words, and with the headers, of every other refusal (SR-53). */
import { randomBytes } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { LIMITS } from '../limits.ts'
import { PROBLEM_TYPE, problem, problemText } from './problem.ts'
import { SAFE_HEADERS } from './safeHeaders.ts'

/** As Node tells it: the parser's code, and the last piece that it read. */
interface ParserError extends Error {
  readonly code?: string
  readonly rawPacket?: Buffer
}

/** A request line that does not end is what was too long (RFC 9110 §15.5.15), else it was a header. */
function isLineTooLong(packet: Buffer | undefined): boolean {
  if (packet === undefined || !/^[A-Z]+ /.test(packet.toString('latin1', 0, 16))) return false
  const end = packet.indexOf('\n')
  return end < 0 || end > LIMITS.headerBytesMax / 2
}

type Refused = readonly [status: number, code: string, detail: string]

function refusalOf({ code, rawPacket }: ParserError): Refused {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return isLineTooLong(rawPacket)
        ? [414, 'URI_TOO_LONG', 'the request target is too long']
        : [431, 'HEADERS_TOO_LARGE', 'the headers are too large']
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return [413, 'PAYLOAD_TOO_LARGE', 'the chunk extensions are too large']
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, 'REQUEST_TIMEOUT', 'the request did not come in time']
    default:
      return [400, 'INVALID_REQUEST', 'this is not HTTP/1.1 in a plain form']
  }
}

/** For `clientError` of a server: answers if nothing was answered yet, and closes. */
export function refuseUnparsed(error: Error, socket: Duplex): void {
  const { _httpMessage: answering } = socket as { _httpMessage?: { headersSent?: boolean } }
  if ((error as ParserError).code === 'ECONNRESET' || !socket.writable || answering?.headersSent) {
    socket.destroy(error)
    return
  }
  const [status, code, detail] = refusalOf(error)
  const text = problemText(problem(status, code, detail, randomBytes(16).toString('hex')))
  const headers = {
    ...SAFE_HEADERS,
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': Buffer.byteLength(text),
    Connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${text}`, () => socket.destroy())
}
