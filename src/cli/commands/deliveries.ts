/** `dlq list|show|replay` and `webhook attempts|replay`: what was not delivered, and trying it anew. */
import { CliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { type DeliveryRecord, deliveryRecords } from '../records.ts'
import { deliveryTable, recordFields } from '../tables.ts'

const filter = (call: Invocation) => ({
  agent: call.option('agent')?.replace(/^@/, ''),
  task: call.option('task'),
  limit: call.option('limit'),
})

async function told(query: Record<string, string | undefined>, call: Invocation): Promise<number> {
  const answer = await call.gateway.get('/v1/deliveries', query)
  if (call.out.json) call.out.document(answer)
  else deliveryTable(deliveryRecords(answer), call)
  return 0
}

/** Dead letters: what will not be tried again by itself. */
export const listDead: Run = (call) => told({ state: 'dead', ...filter(call), kind: call.option('kind') }, call)

export const listAttempts: Run = (call) => told({ kind: 'webhook', ...filter(call), state: call.option('state') }, call)

export const show: Run = async (call) => {
  const id = call.args[0] as string
  const answer = await call.gateway.get('/v1/deliveries', { id })
  const record = deliveryRecords(answer).find((delivery) => delivery.id === id)
  if (!record) {
    throw new CliError('WAYPOST_ERR_NOT_FOUND', `there is no delivery ${id}`, { hint: `${call.program} dlq list` })
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
    throw usage(
      'which ones?',
      `${call.program} dlq replay <delivery…>, or by filter: --agent @name, --kind webhook, --all`,
    )
  }
  const query = { state: 'dead', ...(agent && { agent }), ...(task && { task }), ...(kind && { kind }) }
  if (call.has('dry-run') || !call.has('yes')) {
    const found: readonly DeliveryRecord[] = deliveryRecords(await call.gateway.get('/v1/deliveries', query))
    if (!call.has('dry-run')) {
      throw usage(
        `${found.length} or more would be tried anew; say that you mean it`,
        'repeat it with --yes, or see them: --dry-run',
      )
    }
    return { wouldReplay: found.length, deliveries: found.map(({ id }) => id) }
  }
  return call.gateway.send('POST', '/v1/deliveries/replay', query)
}
