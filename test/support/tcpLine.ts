/** A TCP line that does harm on demand: late, slow, deaf, cut, or without the answer. One target, any number of connections. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type LineMode =
  | { readonly kind: 'pass' }
  | { readonly kind: 'latency'; readonly ms: number; readonly jitterMs: number }
  | { readonly kind: 'throttle'; readonly bytesPerSecond: number }
  /** Bytes vanish, connections stand: `up` is towards the target. What has lost bytes is cut when the mode ends. */
  | { readonly kind: 'blackhole'; readonly way: 'both' | 'up' | 'down' }
  /** Nobody gets through; what is open is reset. */
  | { readonly kind: 'refuse' }
  /** What is asked arrives; its answer never does, and the connection is reset in its place. */
  | { readonly kind: 'lose replies' }
  /** As before, for what holds this text when it is asked. */
  | { readonly kind: 'cut on'; readonly text: string }

export interface TcpLine {
  readonly port: number
  set(mode: LineMode): void
  /** Resets every open connection. */
  cutAll(): void
  readonly open: () => number
  close(): Promise<void>
}

export interface TcpLineOptions {
  readonly target: () => { readonly host?: string; readonly port: number }
  /** Between 0 and 1; for the jitter. */
  readonly random?: () => number
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
  /** Has lost bytes: it cannot go on when the mode ends. */
  tainted: boolean
  /** Its next answer is not to arrive. */
  doomed: boolean
}

const PASS: LineMode = { kind: 'pass' }

export async function aTcpLine({ target, random = Math.random }: TcpLineOptions): Promise<TcpLine> {
  let mode = PASS
  const pairs = new Set<Pair>()

  function cut(pair: Pair): void {
    if (!pairs.delete(pair)) return
    pair.near.resetAndDestroy()
    pair.far.resetAndDestroy()
  }

  /** How long a piece is held; it never overtakes the one before. */
  const holdMs = (bytes: number): number =>
    mode.kind === 'latency'
      ? mode.ms + random() * mode.jitterMs
      : mode.kind === 'throttle'
        ? (bytes / mode.bytesPerSecond) * 1_000
        : 0

  function passOn(pair: Pair, from: Socket, to: Socket, way: 'up' | 'down'): void {
    const waiting: { readonly piece: Buffer; readonly due: number }[] = []
    let due = 0
    let timer: NodeJS.Timeout | undefined
    let ending = false
    const write = (piece: Buffer) => {
      if (to.destroyed || to.writableEnded || to.write(piece)) return
      from.pause()
      to.once('drain', () => from.resume())
    }
    // One timer for all that waits: two timers of different lengths may fire in the other order.
    const flush = () => {
      timer = undefined
      while (waiting[0] && waiting[0].due <= performance.now()) write((waiting.shift() as { piece: Buffer }).piece)
      if (waiting[0]) timer = setTimeout(flush, Math.ceil(waiting[0].due - performance.now()))
      else if (ending) to.end()
    }
    from.on('data', (piece: Buffer) => {
      if (mode.kind === 'blackhole' && (mode.way === 'both' || mode.way === way)) {
        pair.tainted = true
        return
      }
      if (way === 'down' && (mode.kind === 'lose replies' || pair.doomed)) return cut(pair)
      if (way === 'up' && mode.kind === 'cut on' && piece.includes(mode.text)) pair.doomed = true
      const now = performance.now()
      const wait = holdMs(piece.length)
      if (wait === 0 && waiting.length === 0) return write(piece)
      due = mode.kind === 'throttle' ? Math.max(due, now) + wait : Math.max(due, now + wait)
      waiting.push({ piece, due })
      timer ??= setTimeout(flush, Math.ceil(due - now))
    })
    from.on('end', () => {
      ending = true
      if (!pair.tainted && waiting.length === 0) to.end()
    })
    from.on('error', () => cut(pair))
    from.on('close', () => setTimeout(() => pairs.has(pair) && !from.readableEnded && cut(pair), 0))
  }

  const server = createServer({ allowHalfOpen: true }, (near) => {
    if (mode.kind === 'refuse') return near.resetAndDestroy()
    const far = connect({ host: '127.0.0.1', ...target(), allowHalfOpen: true })
    near.setNoDelay(true)
    far.setNoDelay(true)
    const pair: Pair = { near, far, tainted: false, doomed: false }
    pairs.add(pair)
    passOn(pair, near, far, 'up')
    passOn(pair, far, near, 'down')
    let closed = 0
    for (const socket of [near, far]) socket.once('close', () => ++closed === 2 && pairs.delete(pair))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cutAll = () => {
    for (const pair of [...pairs]) cut(pair)
  }
  return {
    port: (server.address() as AddressInfo).port,
    set(next) {
      mode = next
      if (next.kind === 'refuse') cutAll()
      if (next.kind !== 'blackhole') for (const pair of [...pairs]) if (pair.tainted) cut(pair)
    },
    cutAll,
    open: () => pairs.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        cutAll()
      }),
  }
}
