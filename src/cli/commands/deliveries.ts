/** `dlq list|show|replay` and `webhook attempts|replay`: what was not delivered, and trying it anew. */
import { CliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { type DeliveryRecord, readPage, type WebhookAttemptRecord } from '../records.ts'
import { attemptTable, deliveryTable, recordFields } from '../tables.ts'

const filter = (call: Invocation) => ({
  agent: call.option('agent')?.replace(/^@/, ''),
  task: call.option('task'),
  limit: call.option('limit'),
})

/** Dead letters: what will not be tried again by itself. */
export const listDead: Run = async (call) => {
  const query = { state: 'dead,expired', ...filter(call), kind: call.option('kind') }
  const page = await readPage<DeliveryRecord>(call.gateway, '/v1/deliveries', query)
  if (call.out.json) call.out.document(page)
  else deliveryTable(page.items, call)
  return 0
}

export const listAttempts: Run = async (call) => {
  const query = { task: call.option('task'), outcome: call.option('outcome'), limit: call.option('limit') }
  const page = await readPage<WebhookAttemptRecord>(call.gateway, '/v1/webhooks/attempts', query)
  if (call.out.json) call.out.document(page)
  else attemptTable(page.items, call)
  return 0
}

export const show: Run = async (call) => {
  const id = call.args[0] as string
  const { items } = await readPage<DeliveryRecord>(call.gateway, '/v1/deliveries', { id })
  const record = items.find((delivery) => delivery.id === id)
  if (!record) {
    throw new CliError('WAYPOST_ERR_DELIVERY_NOT_FOUND', `there is no delivery ${id}`, {
      hint: `${call.program} dlq list`,
    })
  }
  if (call.out.json) call.out.document(record)
  else recordFields(record, call)
  return 0
}

export const replay: Run = async (call) => {
  const answers: unknown[] = []
  for (const id of call.args)
    answers.push(await call.gateway.send('POST', `/v1/deliveries/${encodeURIComponent(id)}/replay`))
  if (call.args.length === 0) answers.push(await replayAll(call))
  if (call.out.json) call.out.document(answers.length === 1 ? answers[0] : { replayed: answers })
  else for (const answer of answers) recordFields(answer, call)
  return 0
}

/** By filter. How many it would be is told first; doing it needs --yes. */
async function replayAll(call: Invocation): Promise<unknown> {
  const { agent, task } = filter(call)
  const kind = call.option('kind')
  if (!agent && !task && !kind && !call.has('all')) {
    const how = `${call.program} dlq replay ID, or by filter: --agent @name, --kind webhook, --all`
    throw usage('which ones?', how)
  }
  const chosen = { ...(agent && { agent }), ...(task && { task }), ...(kind && { kind }) }
  const replayWith = (dryRun: boolean) => call.gateway.send('POST', '/v1/deliveries/replay', { ...chosen, dryRun })
  if (call.has('dry-run')) return replayWith(true)
  if (call.has('yes')) return replayWith(false)
  const { matched = 0, more } = (await replayWith(true)) as { matched?: number; more?: boolean }
  const count = `${matched}${more ? ' or more' : ''}`
  throw usage(`${count} would be tried anew; say that you mean it`, 'repeat it with --yes, or see them: --dry-run')
}
