/**
 * Subscribers of one event stream, and who asks for its events: as soon as all of them have read one batch the next is
 * asked for, a few batches ahead, so that nobody's buffer overflows and the server is never idle.
 */
import { connect } from 'node:net'
import { request } from 'undici'
import { sharedNow } from '../numbers.mjs'
import { serveCalls } from '../parts.mjs'

const HASH = 0x23
/** `#00000001#` */
const MARK_BYTES = 10

function numberAt(chunk, at) {
  let number = 0
  for (let digit = at + 1; digit < at + 9; digit++) number = number * 10 + (chunk[digit] - 0x30)
  return number
}

/** Reads the running number of each event: what is skipped is lost, what comes again is duplicated. */
function openReader({ port, path, head, body }, course) {
  const reader = { seen: 0, lost: 0, duplicated: 0, closed: false }
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let tail
  const opened = new Promise((resolve, reject) => {
    socket.once('connect', () =>
      socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${head}Content-Length: ${body.length}\r\n\r\n${body}`),
    )
    socket.once('data', (chunk) =>
      chunk.latin1Slice(0, 12) === 'HTTP/1.1 200' ? resolve() : reject(new Error(chunk.toString())),
    )
    socket.once('error', reject)
  })
  const take = (number) => {
    if (number <= reader.seen) reader.duplicated++
    else {
      reader.lost += number - reader.seen - 1
      reader.seen = number
    }
    course.frames++
    course.taken?.(number)
    if (number === course.awaited) course.arrived()
  }
  socket.on('data', (piece) => {
    const chunk = tail ? Buffer.concat([tail, piece]) : piece
    tail = undefined
    for (let at = chunk.indexOf(HASH); at >= 0; at = chunk.indexOf(HASH, at + MARK_BYTES)) {
      if (at + MARK_BYTES > chunk.length) {
        tail = Buffer.from(chunk.subarray(at))
        break
      }
      take(numberAt(chunk, at))
    }
  })
  socket.once('close', () => {
    reader.closed = true
  })
  return { reader, opened, socket }
}

async function fanOut({ subscribers, emit, ms, skipMs, batch, ahead, from = 1, ...target }) {
  const course = { frames: 0, awaited: 0, arrived: () => {} }
  const readers = Array.from({ length: subscribers }, () => openReader(target, course))
  await Promise.all(readers.map(({ opened }) => opened))
  // The subscription may be live a moment after its headers.
  await new Promise((resolve) => setTimeout(resolve, 300))
  const ask = (n) =>
    request(`${emit}${emit.includes('?') ? '&' : '?'}n=${n}`, { method: 'POST' }).then(({ body }) => body.dump())
  const began = performance.now()
  let asked = 0
  let [framesAtSkip, skippedAt] = [0, began]
  for (; asked < ahead; asked++) await ask(batch)
  for (let done = 1; ; done++) {
    await reached(course, readers, from - 1 + done * batch)
    const now = performance.now()
    if (now - began < skipMs) [framesAtSkip, skippedAt] = [course.frames, now]
    if (now - began < ms) {
      asked++
      await ask(batch)
    } else if (done === asked) {
      const { frames } = course
      return finish(readers, { rate: (frames - framesAtSkip) / ((now - skippedAt) / 1_000), events: asked * batch })
    }
  }
}

/** All readers have read up to `number`, or are gone. */
async function reached(course, readers, number) {
  const behind = () => readers.filter(({ reader }) => !reader.closed && reader.seen < number).length
  let waiting = behind()
  if (waiting === 0) return
  await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${behind()} readers have not got event ${number}`)), 15_000)
    course.awaited = number
    course.arrived = () => {
      if (--waiting > 0) return
      clearTimeout(late)
      resolve()
    }
  })
}

function finish(readers, { rate, events }) {
  let [lost, duplicated] = [0, 0]
  for (const { reader, socket } of readers) {
    lost += reader.lost + Math.max(0, events - reader.seen)
    duplicated += reader.duplicated
    socket.destroy()
  }
  return { rate, events, lost, duplicated, closed: readers.filter(({ reader }) => reader.closed).length }
}

let held = []

/** Subscribers that stay, with nothing to read. */
async function hold({ subscribers, ...target }) {
  const course = { frames: 0, awaited: 0, arrived: () => {} }
  const more = Array.from({ length: subscribers }, () => openReader(target, course))
  held.push(...more)
  await Promise.all(more.map(({ opened }) => opened))
  return { held: held.filter(({ reader }) => !reader.closed).length }
}

let arrivals = []

/** Subscribers that note when each event reaches them, on the shared clock. */
async function listen({ subscribers, ...target }) {
  const course = { frames: 0, awaited: 0, arrived: () => {}, taken: (number) => arrivals.push([number, sharedNow()]) }
  arrivals = []
  held = Array.from({ length: subscribers }, () => openReader(target, course))
  await Promise.all(held.map(({ opened }) => opened))
}

/** They go; gives what they noted. */
function release() {
  for (const { socket } of held) socket.destroy()
  held = []
  return arrivals
}

serveCalls({ start: () => ({}), fanOut, hold, listen, release })
