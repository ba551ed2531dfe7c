/**
 * `webhook listen`: a receiver on this machine. With --task it registers itself for that task, with --agent for every
 * task of that agent that is not at its end, those to come included; with neither it says where it is and waits.
 */
import { isTerminal } from '../../a2a/tasks.ts'
import { secret } from '../../platform/ids.ts'
import type { A2AClient } from '../a2aClient.ts'
import { CliError } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { whoseTask } from '../records.ts'
import { eventWords, type ReceivedEvent, SIGNATURE_WORDS, startWebhookReceiver } from '../webhookReceiver.ts'

/** How often an agent's tasks are looked through for new ones. */
const LOOK_MS = 500

export const listen: Run = async (call) => {
  const own = call.option('secret') ?? `whsec_${Buffer.from(secret(24), 'base64url').toString('base64')}`
  const forwardTo = call.option('forward-to')
  const receiver = await startWebhookReceiver({
    host: call.option('bind') ?? '127.0.0.1',
    port: Number(call.option('port') ?? 0),
    secret: own,
    clock: call.clock,
    onEvent: async (event) => {
      const status = forwardTo ? await forward(event, forwardTo, call) : 200
      tell(event, forwardTo ? status : undefined, call)
      return status
    },
  })
  try {
    if (call.out.json) call.out.line({ url: receiver.url, secret: own })
    else call.out.text(`Ready! Receiving at ${receiver.url} · signing secret ${own} (^C to quit)`)
    await subscribe(call.option('advertise') ?? receiver.url, own, call)
  } finally {
    await receiver.close()
  }
  return 0
}

async function subscribe(url: string, token: string, call: Invocation): Promise<void> {
  const taskId = call.option('task')
  const agent = call.option('agent')
  if (taskId) {
    const client = await call.agent(() => whoseTask(taskId, call.gateway))
    await register(client, taskId, url, token)
    call.out.note(`listening to task ${taskId}`)
  } else if (agent || call.option('agent-card')) {
    const client = await call.agent(async () => (agent?.startsWith('@') || agent?.includes('/') ? agent : `@${agent}`))
    return watchAgent(client, url, token, call)
  }
  await aborted(call.signal)
}

const register = (client: A2AClient, taskId: string, url: string, token: string) =>
  client.call('CreateTaskPushNotificationConfig', { taskId, url, token, id: 'cli-listen' })

/** A2A has push configurations of tasks, not of agents; so each task gets one as soon as it is seen. */
async function watchAgent(client: A2AClient, url: string, token: string, call: Invocation): Promise<void> {
  const known = new Set<string>()
  while (!call.signal.aborted) {
    const { tasks } = await client.call('ListTasks', { pageSize: 100, historyLength: 0 })
    for (const { id, status } of tasks) {
      if (known.has(id)) continue
      known.add(id)
      if (isTerminal(status.state)) continue
      await register(client, id, url, token)
      call.out.note(`listening to task ${id}`)
    }
    await call.clock.sleep(LOOK_MS, call.signal)
  }
}

async function forward(event: ReceivedEvent, target: string, call: Invocation): Promise<number> {
  try {
    const response = await call.http(target, {
      method: 'POST',
      headers: { 'content-type': event.contentType, 'webhook-id': event.id },
      body: event.body.toString('utf8'),
      signal: call.signal,
    })
    return response.status
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    call.out.note(`note: ${target}: ${error.message}`)
    // The gateway shall try again.
    return 502
  }
}

function tell(event: ReceivedEvent, forwarded: number | undefined, { out, clock }: Invocation): void {
  const [kind, what] = eventWords(event.event)
  if (out.json) {
    const { id, sequence, attempt, signature } = event
    out.line({
      id,
      sequence,
      attempt,
      signature: signature.kind,
      event: event.event ?? null,
      ...(forwarded && { forwarded }),
    })
    return
  }
  const why = event.signature.kind === 'wrong' ? ` (${event.signature.why})` : ''
  const time = clock.now().toTimeString().slice(0, 8)
  const result = forwarded === undefined ? '' : `  -> ${forwarded}`
  out.text(
    `${time}  ${event.id || '–'}  ${kind.padEnd(13)}  ${what.padEnd(10)}  ${SIGNATURE_WORDS[event.signature.kind]}${why}${result}`,
  )
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
