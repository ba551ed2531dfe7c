import { expect, test } from 'vitest'
import type { AttemptTools, SettleRequest } from '../../../src/gateway/forwarder/tools.ts'
import { runWebhookAttempt } from '../../../src/gateway/forwarder/webhookAttempt.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { SendWebhook } from '../../../src/ports.ts'
import type { Db, Statement } from '../../../src/store/db.ts'
import type { Leased } from '../../../src/store/deliveries.ts'
import { heldClock } from '../../support/heldClock.ts'

/** What is written of one webhook, in order; `disabled`: why its config is. */
function attempted(disabled?: string) {
  const written: string[] = []
  const id = uuidv7()
  const leased: Leased = {
    ...{
      tenant: 't',
      id,
      kind: 'webhook',
      destination: 'webhook:x',
      orderingKey: 'k',
      taskId: id,
      seq: 2,
      configId: 'c',
    },
    ...{ attempt: 1, lease: uuidv7(), dueAt: 0, createdAt: 0, expiresAt: null, code: null },
  }
  const tools = {
    db: {
      async query({ name, write }: Statement) {
        if (write) written.push(name)
        return name === 'pushConfigs.whyDisabled' && disabled !== undefined ? [{ reason: disabled }] : []
      },
    } as unknown as Db,
    clock: heldClock(),
    webhooks: { attemptsMax: 3, firstMs: 1, longestMs: 1 },
    async settle(_: unknown, { state, code }: SettleRequest) {
      written.push(`${state} ${code}`)
      return true
    },
    leave: () => {},
  } as unknown as AttemptTools & { leave: () => void }
  return { written, run: (send?: SendWebhook) => runWebhookAttempt(leased, send, tools, new AbortController().signal) }
}

test('a receiver that is gone: the dead letter is written before its config is disabled, for a crash lies between', async () => {
  const { written, run } = attempted()
  await run(async () => ({ kind: 'refused', code: 'GONE', retry: false, reason: 'HTTP 410', status: 410 }))
  expect(written).toEqual(['dead GONE', 'pushConfigs.disable'])
})

test('what was owed to a config that is disabled meanwhile is a dead letter; to one that was deleted, void', async () => {
  const disabled = attempted('HTTP 410')
  expect((await disabled.run()).outcome).toEqual({ kind: 'dead', code: 'GONE', reason: 'HTTP 410' })
  const deleted = attempted()
  expect((await deleted.run()).outcome).toEqual({ kind: 'superseded' })
  expect([...disabled.written, ...deleted.written]).toEqual(['dead GONE', 'void CONFIG_DELETED'])
})
