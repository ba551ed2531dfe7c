/**
 * Signatures by ES256 (RFC 7518 §3.4), made on a thread of their own, many per message. One is 20 µs of arithmetic; handed
 * to Node's thread pool one by one each took 8 to 30 µs of the loop as well, to wake a thread. What is asked for in one turn
 * of the loop, or while the thread is busy, goes to it together: 1 to 3 µs.
 */
import { type KeyObject, sign } from 'node:crypto'
import { Worker } from 'node:worker_threads'

interface Asked {
  readonly key: KeyObject
  readonly content: string
  readonly resolve: (signature: string) => void
  readonly reject: (error: unknown) => void
}

/** Loaded from its text: where it runs from there may be no file of its own. */
const THREAD = `
const { parentPort } = require('node:worker_threads')
const { sign } = require('node:crypto')
parentPort.on('message', ({ key, contents }) => {
  const one = (content) => sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  parentPort.postMessage(contents.map(one))
})`

/** Of one message: the first signatures do not wait for thousands. */
const BATCH_MAX = 64

let thread: Worker | undefined
const waiting: Asked[] = []
/** What the thread has in hand. */
let asked: readonly Asked[] = []
let scheduled = false

/** base64url of the signature of a text's UTF-8 bytes. Rejects when the key is no P-256 private key. */
export function signEs256(key: KeyObject, content: string): Promise<string> {
  return new Promise((resolve, reject) => {
    waiting.push({ key, content, resolve, reject })
    if (scheduled || asked.length > 0) return
    scheduled = true
    setImmediate(next)
  })
}

/** As many as were asked for with the same key. */
function next(): void {
  scheduled = false
  const [first] = waiting
  if (!first) return
  let count = 1
  while (count < waiting.length && count < BATCH_MAX && waiting[count]?.key === first.key) count++
  asked = waiting.splice(0, count)
  thread ??= open()
  thread.postMessage({ key: first.key, contents: asked.map(({ content }) => content) })
}

function open(): Worker {
  const made = new Worker(THREAD, { eval: true, name: 'es256' })
  // Whoever waits for a signature keeps the process alive by itself.
  made.unref()
  made.on('message', (signatures: readonly string[]) => {
    const mine = asked
    asked = []
    for (let at = 0; at < mine.length; at++) mine[at]?.resolve(signatures[at] as string)
    next()
  })
  made.on('error', () => giveUp(made))
  made.on('exit', () => giveUp(made))
  return made
}

/** The thread has died: what it had in hand is signed here, and the next one gets a new thread. */
function giveUp(gone: Worker): void {
  if (thread !== gone) return
  thread = undefined
  const mine = asked
  asked = []
  for (const { key, content, resolve, reject } of mine) {
    try {
      resolve(sign('sha256', Buffer.from(content), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url'))
    } catch (error) {
      reject(error)
    }
  }
  next()
}
