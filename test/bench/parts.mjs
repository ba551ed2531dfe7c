/** The bench's processes: each part in its own, asked over IPC, so that nobody measures somebody else's event loop. */
import { fork } from 'node:child_process'
import { join } from 'node:path'

/** In the parent: starts `parts/<name>.mjs`; `ready` is what it said first. */
export async function startPart(name, init = {}, { execArgv = [] } = {}) {
  const child = fork(join(import.meta.dirname, 'parts', `${name}.mjs`), [], {
    execArgv,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const waiting = new Map()
  let next = 0
  const gone = new Promise((resolve) => child.once('exit', resolve))
  void gone.then((code) => {
    for (const { reject } of waiting.values()) reject(new Error(`${name} ended with ${code}`))
    waiting.clear()
  })
  child.on('message', ({ id, value, error }) => {
    const call = waiting.get(id)
    waiting.delete(id)
    if (error !== undefined) call?.reject(new Error(`${name}: ${error}`))
    else call?.resolve(value)
  })
  const call = (method, args = {}) =>
    new Promise((resolve, reject) => {
      if (!child.connected) return reject(new Error(`${name} is gone`))
      const id = ++next
      waiting.set(id, { resolve, reject })
      child.send({ id, method, args })
    })
  const ready = await call('start', init)
  return {
    ...ready,
    call,
    /** Microseconds of CPU that it has used so far. */
    cpu: () => call('cpu'),
    /** As a machine that loses its power. */
    async kill() {
      child.kill('SIGKILL')
      await gone
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        await Promise.race([call('stop').catch(() => {}), new Promise((resolve) => setTimeout(resolve, 8_000))])
        child.kill('SIGKILL')
      }
      await gone
    },
  }
}

/** In the child: answers calls by name. `start` is the first, `stop` the last. */
export function serveCalls(calls) {
  const all = {
    cpu: () => {
      const { user, system } = process.cpuUsage()
      return user + system
    },
    ...profiling(),
    stop: () => {},
    ...calls,
  }
  process.on('message', async ({ id, method, args }) => {
    try {
      process.send({ id, value: await all[method](args) })
    } catch (error) {
      process.send({ id, error: error?.stack ?? String(error) })
    }
  })
  // The parent is gone: nobody needs this any more.
  process.on('disconnect', () => process.exit(0))
}

/** A CPU profile of this process, for `--profile`. */
function profiling() {
  let session
  let stringified = 0
  const { stringify } = JSON
  const post = (method, params) =>
    new Promise((resolve, reject) =>
      session.post(method, params, (error, value) => (error ? reject(error) : resolve(value))),
    )
  return {
    async profileStart() {
      const { Session } = await import('node:inspector')
      session = new Session()
      session.connect()
      // What is built in has no frame of its own; this gives it one, and counts.
      stringified = 0
      JSON.stringify = function jsonStringify(...args) {
        stringified++
        return stringify(...args)
      }
      await post('Profiler.enable')
      await post('Profiler.setSamplingInterval', { interval: 200 })
      await post('Profiler.start')
    },
    async profileStop() {
      const { profile } = await post('Profiler.stop')
      session.disconnect()
      JSON.stringify = stringify
      return { profile, stringified }
    },
  }
}

/** Listens on a free port of 127.0.0.1. */
export const listening = (server) =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', 1024, () => resolve(server.address().port))
  })

export async function bodyOf(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
}

/** The whole body, by events: an async iterator costs more than the answer of a trivial server. */
export function withBody(request, then) {
  let first
  let rest
  request.on('data', (chunk) => {
    if (!first) first = chunk
    else if (rest) rest.push(chunk)
    else rest = [chunk]
  })
  request.on('end', () => then(rest ? Buffer.concat([first, ...rest]) : (first ?? Buffer.alloc(0))))
}
