/** Rounds of messages, and the audit of what became of them. */

const runId = () => Math.floor(0x10000000 + Math.random() * 0xefffffff).toString(16)

/** Asks a gateway's database: beside it, or through it where it is embedded. */
export const askerOf = (gateway) => (text, values) =>
  gateway.sql ? gateway.sql.unsafe(text, values) : gateway.call('ask', { text, values })

const FOUND = 'select count(*)::int as count from tasks where id = any($1::uuid[])'
const MADE =
  'select count(*)::int as count, count(distinct task_id)::int as tasks from submissions where starts_with(key, $1)'

/** Each acknowledged task must be there, and no message may have made two. */
export async function audit(gateway, sent) {
  const ask = askerOf(gateway)
  const [found] = await ask(FOUND, [`{${sent.tasks.join(',')}}`])
  const [made] = await ask(MADE, [`m:${sent.run}-`])
  return {
    lost: sent.tasks.length - found.count,
    duplicated: sent.tasks.length - new Set(sent.tasks).size + (made.count - made.tasks),
  }
}

/** One round of sends; `pace`: ms, skipMs, and connections (64) and rate (as fast as they come) if they differ. */
export async function sendRound(load, target, pace) {
  const run = runId()
  const sent = await load.call('sends', { connections: 64, ...pace, run, ...target })
  if (sent.refused > 0) throw new Error(`${sent.refused} requests were refused: ${sent.firstRefusal}`)
  return { ...sent, run }
}

/**
 * Takes away what earlier rounds left waiting. A mailbox holds no more than 10,000 and is counted every two seconds; the
 * bench has lifted that bound, and would count for longer and longer. Nothing that is audited is touched.
 */
export const emptyQueues = (gateway) => askerOf(gateway)('truncate deliveries', [])

export const collecting = (name) => ({ name, connector: { kind: 'mailbox' } })
export const calledAt = (name, url) => ({
  name,
  connector: { kind: 'a2a', url },
  maxInflight: 64,
  redelivery: 'atLeastOnce',
})

/** Where messages for an agent go, as the load generator wants it. */
export const targetOf = (gateway, agent, blocking = false) => ({
  port: gateway.port,
  path: `/agents/${agent}`,
  key: gateway.key,
  blocking,
})

/** Sends that the gateway acknowledges, audited. */
export async function acknowledged(load, gateway, agent, pace) {
  const sent = await sendRound(load, targetOf(gateway, agent), pace)
  return { ...sent, ...(await audit(gateway, sent)) }
}
