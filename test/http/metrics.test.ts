import { expect, test } from 'vitest'
import type { Happenings } from '../../src/happenings.ts'
import { createMetrics } from '../../src/http/metrics.ts'
import { uuidv7 } from '../../src/platform/ids.ts'
import { createSignals } from '../../src/platform/signals.ts'
import { createAgent } from '../../src/store/agents.ts'
import { saveCardProblem, savePending } from '../../src/store/cards.ts'
import type { Db } from '../../src/store/db.ts'
import { createOpen } from '../../src/store/tasks.ts'
import { aNewTask } from '../store/suite.ts'
import { onBothDrivers } from '../support/bothDrivers.ts'

const broken = { query: () => Promise.reject(new Error('down')) } as unknown as Db
function metered(db: Db) {
  const signals = createSignals<Happenings>()
  const metrics = createMetrics({ signals, db, version: '1.2.3', node: 'v20' })
  /** The value of one line, by its name and labels as they stand. */
  const value = async (line: string) =>
    Number(
      (await metrics.text())
        .split('\n')
        .find((text) => text.startsWith(`${line} `))
        ?.split(' ')
        .at(-1),
    )
  return { signals, metrics, value }
}

test('what happens is counted, also errors that hide in HTTP 200', async () => {
  const { signals, metrics, value } = metered(broken)
  signals.emit('request.served', { binding: 'JSONRPC', operation: 'SendMessage', code: 'TASK_NOT_FOUND', ms: 12 })
  signals.emit('request.served', { binding: 'HTTP', operation: 'GET /v1/agents/:agent', code: 'OK', ms: 1 })
  signals.emit('task.accepted', { task: 't', tenant: 'd', agent: 'a', caller: 'c', repeated: false })
  signals.emit('task.finished', { task: 't', tenant: 'd', agent: 'a', state: 'TASK_STATE_COMPLETED', ms: 1_500 })
  signals.emit('delivery.attempted', {
    delivery: 'd',
    task: 't',
    destination: 'w',
    kind: 'webhook',
    attempt: 1,
    ms: 20,
    outcome: 'delivered',
    waitedMs: 300,
  })
  signals.emit('delivery.dead', {
    delivery: 'd',
    task: 't',
    destination: 'w',
    kind: 'webhook',
    code: 'GONE',
    reason: 'r',
  })
  signals.emit('agent.pending', { tenant: 't', agent: 'a', change: 'c', changes: 'where it is' })
  signals.emit('agent.cardRefused', { tenant: 't', agent: 'a', code: 'CARD_SIGNATURE', reason: 'r' })
  signals.emit('lease.lost', { delivery: 'd', task: 't', destination: 'x' })
  signals.emit('store.failed', { statement: 'tasks.open', outcome: 'not done', reason: 'r' })
  signals.emit('tasks.purged', { tenant: 't', tasks: 70, ms: 3 })
  signals.emit('tasks.purged', { tenant: 'u', tasks: 7, ms: 3 })
  signals.emit('retention.walked', { purged: 77, kept: 5, ms: 9 })
  expect(await value('waypost_tasks_purged_total')).toBe(77)
  expect(await value('waypost_tasks_past_retention')).toBe(5)
  signals.emit('stream.opened', { task: 't', binding: 'JSONRPC' })
  signals.emit('stream.opened', { task: 't', binding: 'JSONRPC' })
  signals.emit('stream.closed', { task: 't', binding: 'JSONRPC', why: 'finished' })
  expect(await value('waypost_requests_total{binding="JSONRPC",operation="SendMessage",code="TASK_NOT_FOUND"}')).toBe(1)
  expect(await value('waypost_requests_total{binding="HTTP",operation="GET /v1/agents/:agent",code="OK"}')).toBe(1)
  expect(await value('waypost_tasks_accepted_total{repeated="false"}')).toBe(1)
  expect(await value('waypost_task_seconds_sum{state="TASK_STATE_COMPLETED"}')).toBe(1.5)
  expect(await value('waypost_delivery_attempts_total{kind="webhook",outcome="delivered",code=""}')).toBe(1)
  expect(await value('waypost_delivery_wait_seconds_sum{kind="webhook"}')).toBe(0.3)
  expect(await value('waypost_dead_letters_total{kind="webhook",code="GONE"}')).toBe(1)
  expect(await value('waypost_cards_pending_total')).toBe(1)
  expect(await value('waypost_cards_refused_total{code="CARD_SIGNATURE"}')).toBe(1)
  expect(await value('waypost_leases_lost_total')).toBe(1)
  expect(await value('waypost_store_failures_total{statement="tasks.open",outcome="not_done"}')).toBe(1)
  expect(await value('waypost_streams_open{binding="JSONRPC"}')).toBe(1)
  expect(await value('waypost_build_info{version="1.2.3",node="v20"}')).toBe(1)
  expect(await metrics.text()).toContain('nodejs_eventloop_lag')
  metrics.close()
})

test('labels are bounded, whatever peers say', async () => {
  const { signals, metrics } = metered(broken)
  for (let at = 0; at < 500; at++) {
    signals.emit('request.served', {
      binding: `b${at}`,
      operation: `op${'x'.repeat(at % 30)}${at}"} evil`,
      code: `CODE_${at}`,
      ms: 1,
    })
    signals.emit('egress.blocked', { host: `secret-${at}.test`, reason: 'r' })
  }
  const text = await metrics.text()
  expect(text).not.toMatch(/evil|secret-/)
  expect(text.match(/^waypost_requests_total\{/gm)?.length).toBeLessThan(250)
  metrics.close()
})

onBothDrivers('gauges', (db) => {
  test('queue depth and age of each agent, read when somebody looks', async () => {
    const { metrics, value } = metered(db())
    const registration = { name: 'echo', connector: { kind: 'mailbox' } }
    const note = { id: uuidv7(), actor: 'o', action: 'a', subject: 's' }
    await createAgent(
      db(),
      { tenant: 'default', name: 'echo', owner: 'o', registration, credentials: null, provisioned: false },
      { agentsMax: 9, note },
    )
    await createOpen(db()).submit(aNewTask({ tenant: 'default', agent: 'echo' }))
    expect(await value('waypost_queue_depth{agent="echo"}')).toBe(1)
    expect(await value('waypost_queue_running{agent="echo"}')).toBe(0)
    expect(await value('waypost_queue_oldest_seconds{agent="echo"}')).toBeGreaterThanOrEqual(0)
    expect(await value('waypost_agent_offline{agent="echo"}')).toBe(0)
    expect(await value('waypost_dead_letters')).toBe(0)
    expect(await metrics.text()).not.toMatch(/^waypost_agent_(pending_approval|card_refused)\{/m)
    const of = { tenant: 'default', name: 'echo', connector: registration.connector, known: undefined }
    await saveCardProblem(db(), of, { code: 'CARD_SIGNATURE', reason: 'r' })
    expect(await value('waypost_agent_card_refused{agent="echo"}')).toBe(1)
    await savePending(db(), of, { at: 1, change: 'c', changes: [], identity: {} }, { ...note, id: uuidv7() })
    expect(await value('waypost_agent_pending_approval{agent="echo"}')).toBe(1)
    metrics.close()
  })
})
