/**
 * A worker that plays the scripted agent's rules over the mailbox, for the official kit: `tckMailbox.js <gateway> <token>
 * [seconds]`. With `seconds` it looks, does what is there, and sleeps so long before it looks again.
 */
import { work } from '../../src/client/mailbox.ts'
import { playScripts } from '../support/mailboxAgent.ts'

const [gateway = '', token = '', seconds] = process.argv.slice(2)
const play = playScripts(() => new Promise(() => {}))

const at = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

if (seconds === undefined) await work({ gateway, token, concurrency: 64, checkSeconds: 1 }, play)
for (;;) {
  // As long as something comes within a moment it is awake.
  const awake = new AbortController()
  let busyAt = performance.now()
  let inHand = 0
  const working = work({ gateway, token, concurrency: 64, checkSeconds: 1, signal: awake.signal }, async (job) => {
    inHand++
    try {
      return await play(job)
    } finally {
      inHand--
      busyAt = performance.now()
    }
  })
  while (inHand > 0 || performance.now() - busyAt < 500) await at(50)
  awake.abort()
  await working
  await at(Number(seconds) * 1_000)
}
