/**
 * What a program says while it works, on its way to the sender: stdout grows an artifact, stderr lines are progress.
 * Gathered for a moment, so that a line is not a request; what was said in one go is sent with the result.
 */
import type { Readable } from 'node:stream'
import type { ArtifactWriter, Job, Part } from '../../client/mailbox.ts'
import { createPieces } from './pieces.ts'

const GATHER_MS = 250
const PIECE_BYTES = 128 * 1024
/** More than this unsent, and the program has to wait. */
const UNSENT_BYTES_MAX = 4 * PIECE_BYTES
const TOLD_CHARS_MAX = 4_096
const TOLD_LINES_MAX = 50
/** Progress of one run, in messages; a task's log is bounded. */
const TOLD_MAX = 1_000
/** Lines of stderr that are remembered as a reason. */
const TAIL_LINES = 5

export interface Telling {
  /** Resolves to what has not been sent: all of it, if it was little; undefined: an artifact has it. */
  end(): Promise<readonly Part[] | undefined>
  /** Sends nothing more. */
  stop(): Promise<void>
  /** The last lines of stderr. */
  tail(): string
}

export interface TellingInput {
  readonly job: Job
  readonly stdout: Readable
  readonly stderr: Readable
  readonly artifactId: string
  /** false: stderr is not for the sender. */
  readonly tellsProgress: boolean
  readonly onLine: (line: string) => void
  readonly outputBytesMax: number
  /** It says more than it may. */
  readonly onTooMuch: () => void
}

/** Lines on their way to the sender as one status. */
function createProgress(job: Job) {
  let lines: string[] = []
  let leftOut = 0
  let told = 0
  return {
    add(line: string): void {
      lines.push(line)
      if (lines.length > TOLD_LINES_MAX) leftOut += lines.splice(0, 1).length
    },
    async send(): Promise<void> {
      if (lines.length === 0) return
      const text = [...(leftOut > 0 ? [`… ${leftOut} lines`] : []), ...lines].join('\n')
      lines = []
      leftOut = 0
      if (told++ < TOLD_MAX) await job.update({ text: text.slice(-TOLD_CHARS_MAX) })
    },
  }
}

/** Bytes that wait, piece by piece. */
function createUnsent() {
  const pieceOf = createPieces()
  let chunks: Buffer[] = []
  let bytes = 0
  return {
    bytes: () => bytes,
    add(chunk: Buffer): void {
      chunks.push(chunk)
      bytes += chunk.length
    },
    /** undefined: not a whole character. */
    take(isLast: boolean): Part | undefined {
      const all = Buffer.concat(chunks)
      const now = all.subarray(0, PIECE_BYTES)
      chunks = all.length > PIECE_BYTES ? [all.subarray(PIECE_BYTES)] : []
      bytes = all.length - now.length
      return pieceOf(now, isLast && bytes === 0)
    },
  }
}

export function tell(input: TellingInput): Telling {
  const { job, stdout, stderr, artifactId, tellsProgress, onLine, outputBytesMax, onTooMuch } = input
  const progress = createProgress(job)
  const unsent = createUnsent()
  let outputBytes = 0
  let writer: ArtifactWriter | undefined
  const last: string[] = []
  let timer: NodeJS.Timeout | undefined
  let sending: Promise<void> = Promise.resolve()

  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    // What cannot be said is known by the job: it is aborted, or its settlement fails in turn.
    sending = sending.then(send).catch(() => {})
  }
  const soon = () => {
    if (unsent.bytes() >= PIECE_BYTES) flush()
    else timer ??= setTimeout(flush, GATHER_MS)
  }
  async function send(): Promise<void> {
    await progress.send()
    while (unsent.bytes() > 0) {
      const part = unsent.take(false)
      if (!part) continue
      writer ??= job.artifact({ artifactId })
      await writer.write(part)
    }
    stdout.resume()
  }

  stdout.on('data', (chunk: Buffer) => {
    outputBytes += chunk.length
    if (outputBytes > outputBytesMax) return onTooMuch()
    unsent.add(chunk)
    if (unsent.bytes() > UNSENT_BYTES_MAX) stdout.pause()
    return soon()
  })
  readLines(stderr, (line) => {
    onLine(line)
    last.push(line)
    if (last.length > TAIL_LINES) last.shift()
    if (!tellsProgress || line.trim() === '') return
    progress.add(line)
    soon()
  })

  const stop = async () => {
    clearTimeout(timer)
    await sending
  }
  return {
    tail: () => last.join('\n').slice(-TOLD_CHARS_MAX),
    stop,
    async end() {
      await stop()
      await progress.send()
      const parts: Part[] = []
      do {
        const part = unsent.take(true)
        if (part) parts.push(part)
      } while (unsent.bytes() > 0)
      if (!writer && parts.length <= 1) return parts
      writer ??= job.artifact({ artifactId })
      for (const part of parts) await writer.write(part)
      await writer.end()
      return undefined
    },
  }
}

const LINE_CHARS_MAX = 4_096

/** Lines of any program, each bounded; the last one need not be ended. */
function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  const decoder = new TextDecoder()
  const line = (text: string) => onLine(text.replace(/\r$/, '').slice(0, LINE_CHARS_MAX))
  stream.on('data', (chunk: Buffer) => {
    const all = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = (all.pop() as string).slice(0, LINE_CHARS_MAX)
    for (const one of all) line(one)
  })
  stream.on('end', () => {
    if (rest !== '') line(rest)
  })
}
