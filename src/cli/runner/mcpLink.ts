/** An MCP server's pipes, held by a child of ours: with its surroundings, its folder and its group as for every command. */

import { createInterface } from 'node:readline'
import { ReadBuffer, SdkError, SdkErrorCode, serializeMessage, type Transport } from '@modelcontextprotocol/client'
import type { Link } from '../../wire/bridges/mcp/outbound/transport.ts'
import { type Child, type Command, startChild } from './child.ts'

const TAIL_LINES = 5

export interface ChildLink {
  readonly command: Command
  /** A message of the server may be this long; a longer one ends it. */
  readonly messageBytesMax: number
  readonly onLine: (line: string) => void
}

export function childLink({ command, messageBytesMax, onLine }: ChildLink): Link {
  const buffer = new ReadBuffer({ maxBufferSize: messageBytesMax })
  const last: string[] = []
  let child: Child | undefined

  // `stderr` and `pid` are how the library knows that it speaks with a process.
  const transport: Transport & { stderr: null; readonly pid: number | null } = {
    stderr: null,
    get pid() {
      return child?.process.pid ?? null
    },
    async start() {
      const made = startChild(command)
      child = made
      made.process.stdout.on('data', (chunk: Buffer) => {
        try {
          buffer.append(chunk)
        } catch (error) {
          transport.onerror?.(error as Error)
          return made.stop()
        }
        while (hearNext(buffer, transport));
      })
      createInterface({ input: made.process.stderr }).on('line', (line) => {
        onLine(line)
        last.push(line)
        if (last.length > TAIL_LINES) last.shift()
      })
      const over = () => {
        child = undefined
        transport.onclose?.()
      }
      made.ended.then(over, over)
      await new Promise((resolve, reject) => made.process.once('spawn', resolve).once('error', reject))
    },
    async send(message) {
      const to = child?.process.stdin
      if (!to?.writable) throw new SdkError(SdkErrorCode.NotConnected, 'the program has ended')
      await new Promise<void>((resolve) => to.write(serializeMessage(message), () => resolve()))
    },
    async close() {
      const closing = child
      closing?.process.stdin.end()
      closing?.stop()
      await closing?.ended.catch(() => {})
    },
  }
  return { transport, lastWords: () => last.join('\n'), asksInPlace: true }
}

/** False: there is no whole message any more. What is none is told, and passed over. */
function hearNext(buffer: ReadBuffer, transport: Transport): boolean {
  try {
    const message = buffer.readMessage()
    if (message === null) return false
    transport.onmessage?.(message)
  } catch (error) {
    transport.onerror?.(error as Error)
  }
  return true
}
