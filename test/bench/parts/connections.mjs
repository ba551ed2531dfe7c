/**
 * One connection over a plain socket: each request written as one string, each answer cut by its Content-Length. A library
 * client costs as much as the server under measurement, and both share the machine's cores.
 *
 * A course says what is written (`write`), what becomes of an answer (`answered(answer, since)`), and what a connection
 * does when it has a place for a request (`ready`); `until` is when nothing more is begun.
 */
import { connect } from 'node:net'

const HEAD_END = '\r\n\r\n'

export function openConnection(port, course) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  let text = ''
  let need = -1
  let closing = false
  let since = 0
  let busy = false
  let ended = false
  const connection = {
    /** `from`: what its latency is counted from. */
    send(from) {
      since = from
      busy = true
      course.sent++
      course.open++
      socket.write(course.write(), 'latin1')
    },
    end() {
      ended = true
      socket.end()
    },
  }
  socket.once('connect', () => course.ready(connection))
  socket.on('data', (chunk) => {
    text = text === '' ? chunk.latin1Slice() : text + chunk.latin1Slice()
    if (need < 0) {
      const end = text.indexOf(HEAD_END)
      if (end < 0) return
      const head = text.slice(0, end)
      need = end + HEAD_END.length + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)
      closing = /connection: close/i.test(head)
    }
    if (text.length < need) return
    const answer = text
    text = ''
    need = -1
    busy = false
    course.open--
    course.answered(answer, since)
    if (!closing) return course.ready(connection)
    ended = true
    socket.destroy()
    if (performance.now() < course.until) openConnection(port, course)
  })
  socket.on('error', () => {})
  socket.once('close', () => {
    course.gone?.(connection)
    if (busy) {
      course.open--
      course.broken++
    }
    if (!ended && performance.now() < course.until) openConnection(port, course)
  })
}

/** A closed loop: the next request when the answer to the last is whole. */
export function closedLoop(course) {
  course.ready = (connection) => {
    const now = performance.now()
    if (now >= course.until) connection.end()
    else connection.send(now)
  }
}

/**
 * An open loop: requests fall due by chance, `rate` a second, whether or not there is an answer to the last; each one's
 * latency counts from when it was due. What finds no free connection waits for one.
 */
export function openLoop(course, rate) {
  const idle = new Set()
  let due = []
  let taken = 0
  const over = () => performance.now() >= course.until
  course.ready = (connection) => {
    if (taken < due.length) connection.send(due[taken++])
    else if (over()) connection.end()
    else idle.add(connection)
    if (taken === due.length) [due, taken] = [[], 0]
  }
  course.gone = (connection) => idle.delete(connection)
  course.waiting = () => due.length - taken
  let next = performance.now()
  const tick = () => {
    const now = Math.min(performance.now(), course.until)
    for (; next <= now; next += (-Math.log(1 - Math.random()) * 1_000) / rate) {
      const [connection] = idle
      if (connection === undefined) due.push(next)
      else {
        idle.delete(connection)
        connection.send(next)
      }
    }
    if (!over()) setTimeout(tick, 1)
    else for (const connection of idle) connection.end()
  }
  tick()
}
