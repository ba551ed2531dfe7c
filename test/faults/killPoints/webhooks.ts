/** Webhooks: owed with the event, in order, at least once or visibly dead. */
import type { Act } from './act.ts'
import { logOf, must, type Scenario } from './scenario.ts'

/** What has arrived for a task: sequences by first arrival with 200, and how each id's body read. */
function arrived({ receiver }: Act, path: string): number[] {
  const seen: number[] = []
  const bodies = new Map<string, string>()
  for (const { path: at, headers, body, status } of receiver.log.entries) {
    if (!at.startsWith(path)) continue
    const id = String(headers['webhook-id'])
    must((bodies.get(id) ?? body) === body, `webhook ${id} changed its body`)
    bodies.set(id, body)
    const sequence = Number(headers['webhook-seq'])
    // A question whether it agrees is no event.
    if (status === 200 && Number.isInteger(sequence) && !seen.includes(sequence)) seen.push(sequence)
  }
  return seen
}

let hooks = 0
const hookOf = (act: Act) => {
  const path = `/hook-${++hooks}`
  return { path, url: `${act.receiver.url}${path.slice(1)}` }
}

/** Every event from `first` on has arrived, in order. */
async function mustHaveArrived(act: Act, taskId: string, path: string, first = 2): Promise<void> {
  const wanted = (await logOf(act, taskId)).map(({ seq }) => seq).filter((seq) => seq >= first)
  await act.until(`webhooks ${wanted.join()} at ${path}`, async () => arrived(act, path).length >= wanted.length)
  must(arrived(act, path).join() === wanted.join(), `webhooks ${arrived(act, path).join()} of ${wanted.join()}`)
}

export const WEBHOOKS: readonly Scenario[] = [
  {
    name: 'webhook with the message',
    async run(act) {
      const { path, url } = hookOf(act)
      const task = await act.send('dedupes', 'artifact', { pushTo: url })
      await act.reaches('dedupes', task.id, 'COMPLETED')
      await mustHaveArrived(act, task.id, path)
    },
  },
  {
    name: 'webhook receiver that fails twice',
    async run(act) {
      const { path, url } = hookOf(act)
      act.receiver.queue(500, 'cut')
      const task = await act.send('dedupes', 'artifact', { pushTo: url })
      await act.reaches('dedupes', task.id, 'COMPLETED')
      await mustHaveArrived(act, task.id, path)
    },
  },
  {
    name: 'webhook by its own operation, and deleted',
    without: ['C12'],
    async run(act) {
      const { path, url } = hookOf(act)
      const task = await act.send('dedupes', 'delay')
      await act.reaches('dedupes', task.id, 'WORKING')
      const before = (await logOf(act, task.id)).length
      await act.rpc('dedupes', 'CreateTaskPushNotificationConfig', { taskId: task.id, id: 'mine', url })
      await act.rpc('dedupes', 'CreateTaskPushNotificationConfig', { taskId: task.id, id: 'other', url: `${url}-not` })
      await act.rpc('dedupes', 'DeleteTaskPushNotificationConfig', { taskId: task.id, id: 'other' })
      act.agents.dedupes.release(act.sent[0]?.messageId)
      await act.reaches('dedupes', task.id, 'COMPLETED')
      await act.until('its webhooks', async () => arrived(act, path).some((seq) => seq > before))
      const after = (await logOf(act, task.id)).map(({ seq }) => seq).filter((seq) => seq > before)
      await act.until('all of them', async () => arrived(act, path).length >= after.length)
      const mine = arrived(act, path).filter((seq) => seq > before && !path.endsWith('-not'))
      must(mine.join() === after.join(), `webhooks ${mine.join()} of ${after.join()}`)
      const deleted = act.receiver.log.entries.filter(({ path: at }) => at === `${path}-not`)
      must(deleted.length === 0, `${deleted.length} went to a config that was deleted`)
    },
  },
  {
    name: 'webhook receiver that is gone, and comes back',
    without: ['C12'],
    async run(act) {
      const { url } = hookOf(act)
      act.receiver.always(410)
      const task = await act.send('dedupes', 'delay', { pushTo: url })
      const dead = await act.until('a dead webhook', async () => {
        const { json } = await act.ask(`/v1/deliveries?kind=webhook&state=dead&task=${task.id}`)
        return json?.items?.[0]
      })
      act.receiver.always(200)
      await act.until('its replay', async () => {
        const { status } = await act.ask(`/v1/deliveries/${dead.id}/replay`, { body: {} })
        return status === 200 || status === 409
      })
      act.agents.dedupes.release(act.sent[0]?.messageId)
      await act.reaches('dedupes', task.id, 'COMPLETED')
      const last = (await logOf(act, task.id)).at(-1)?.seq
      await act.until('the last webhook', async () => {
        const left = await act.sql`select id from deliveries where kind = 'webhook' and state in (0, 1)`
        return left.length === 0
      })
      const [row] = (await act.sql`
        select count(*) filter (where state in (3, 5))::int as dead, count(*)::int as owed
        from deliveries where kind = 'webhook' and task_id = ${task.id}`) as unknown as { dead: number; owed: number }[]
      // What was owed while the config was disabled is not; what is owed was delivered or is dead, and never lost.
      must(row !== undefined && row.owed > 0 && (last ?? 0) > 1, `owed ${row?.owed}, dead ${row?.dead}`)
    },
  },
  {
    name: 'webhook receiver that says that it is gone while more waits',
    async run(act) {
      const { url } = hookOf(act)
      act.receiver.always({ status: 410, delayMs: 300 })
      const task = await act.send('dedupes', 'chunks:3', { pushTo: url })
      await act.reaches('dedupes', task.id, 'COMPLETED')
      await act.until('the end of what was owed', async () => {
        const left = await act.sql`select id from deliveries where kind = 'webhook' and state in (0, 1)`
        return left.length === 0
      })
      const owed = (await act.sql`
        select seq, state, code from deliveries where kind = 'webhook' and task_id = ${task.id} order by seq`) as unknown as {
        seq: number
        state: number
        code: string
      }[]
      const wrong = owed.filter(({ state, code }) => state !== 3 || code !== 'GONE')
      must(owed.length > 0 && wrong.length === 0, `lost: owed are ${JSON.stringify(owed)}`)
      const [config] = await act.sql`select disabled_at from push_configs where task_id = ${task.id}`
      must(config?.disabled_at !== null, 'its config is not disabled')
    },
  },
  {
    name: 'webhook receiver that must agree first',
    env: { WAYPOST_WEBHOOK_PROOF: 'required' },
    async run(act) {
      const { path, url } = hookOf(act)
      act.receiver.always('agrees')
      const task = await act.send('dedupes', 'artifact', { pushTo: url })
      await act.reaches('dedupes', task.id, 'COMPLETED')
      const wanted = (await logOf(act, task.id)).map(({ seq }) => seq).filter((seq) => seq >= 2)
      await act.until(`webhooks ${wanted.join()}`, async () => {
        if (arrived(act, path).length >= wanted.length) return true
        // Who died between asking and hearing asks again in ten minutes: they pass.
        await act.sql`update webhook_hosts set challenged_at = challenged_at - interval '1 hour'`
        await act.sql`update webhook_proofs set challenged_at = challenged_at - interval '1 hour'`
        await act.sql`update deliveries set due_at = now() where kind = 'webhook' and state = 0 and due_at > now() + interval '1 minute'`
        return undefined
      })
      must(arrived(act, path).join() === wanted.join(), `webhooks ${arrived(act, path).join()} of ${wanted.join()}`)
      const before = act.receiver.log.entries.filter(({ path: at }) => at === path)
      must(
        (before[0]?.json as { challenge?: string } | undefined)?.challenge !== undefined,
        'an event came before the question',
      )
    },
  },
]
