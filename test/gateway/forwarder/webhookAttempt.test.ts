import { expect, test } from 'vitest'
import type { AttemptTools, SettleRequest } from '../../../src/gateway/forwarder/tools.ts'
import { runWebhookAttempt } from '../../../src/gateway/forwarder/webhookAttempt.ts'
import { uuidv7 } from '../../../src/platform/ids.ts'
import type { Db, Statement } from '../../../src/store/db.ts'
import type { Leased } from '../../../src/store/deliveries.ts'
import { heldClock } from '../../support/heldClock.ts'

test('a receiver that is gone: the dead letter is written before its config is disabled, for a crash lies between', async () => {
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
    db: { query: async ({ name }: Statement) => void written.push(name) } as unknown as Db,
    clock: heldClock(),
    webhooks: { attemptsMax: 3, firstMs: 1, longestMs: 1 },
    async settle(_: unknown, { state, code }: SettleRequest) {
      written.push(`${state} ${code}`)
      return true
    },
    leave: () => {},
  } as unknown as AttemptTools & { leave: () => void }
  const gone = async () => ({ kind: 'refused', code: 'GONE', retry: false, reason: 'HTTP 410', status: 410 }) as const
  await runWebhookAttempt(leased, gone, tools, new AbortController().signal)
  expect(written).toEqual(['dead GONE', 'pushConfigs.disable'])
})
