/** `demo-server`: the demo agent, registered at the gateway. Registering again is calling in: what waits comes at once. */

import { sameServer } from '../agentRef.ts'
import { createDemoAgent } from '../demoAgent.ts'
import { startDemoServer } from '../demoServer.ts'
import { CliError } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import type { AgentRecord } from '../records.ts'
import { stateName } from '../render.ts'
import { agentName } from './agent.ts'

export const run: Run = async (call) => {
  const name = agentName(call.option('name') ?? 'echo')
  const agent = createDemoAgent({
    name,
    delayMs: call.duration('delay') ?? 0,
    asksBack: call.has('input-required'),
    clock: call.clock,
    onTask: (task) =>
      call.out.note(`${call.clock.now().toTimeString().slice(0, 8)}  task ${task.id}  ${stateName(task.status.state)}`),
  })
  const server = await started(agent, call)
  try {
    const card = `${server.url}.well-known/agent-card.json`
    const address = call.flags.register === false ? undefined : await register(name, server.url, call)
    if (call.out.json) call.out.line({ name, url: server.url, card, registered: address ?? null })
    else {
      call.out.fields([['Card', card]])
      if (address) call.out.text(`Registered: @${name} at ${address}   (^C to stop)`)
      else call.out.text(`Listening: ${server.url}   (^C to stop)`)
    }
    await new Promise<void>((resolve) => {
      if (call.signal.aborted) resolve()
      call.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  } finally {
    await server.close()
  }
  return 0
}

async function started(agent: ReturnType<typeof createDemoAgent>, call: Invocation) {
  const port = Number(call.option('port') ?? 9100)
  try {
    return await startDemoServer(agent, {
      host: call.option('bind') ?? '127.0.0.1',
      port,
      advertise: call.option('advertise'),
    })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    throw new CliError('WAYPOST_ERR_PORT_IN_USE', `port ${port} is taken`, {
      hint: `choose another: ${call.program} demo-server --port ${port + 1}`,
    })
  }
}

/** Without a gateway the agent is still an agent; only when --register was said is it an error. */
async function register(name: string, url: string, call: Invocation): Promise<string | undefined> {
  try {
    const address = await callIn(name, url, call)
    return address ?? `${call.gateway.url}/agents/${name}`
  } catch (error) {
    if (call.flags.register === true || !(error instanceof CliError)) throw error
    call.out.note(`note: not registered: ${error.message}${error.hint ? ` (${error.hint})` : ''}`)
    return undefined
  }
}

/** Registers, then has the gateway look at once: that opens the lane, and what waits is delivered. */
async function callIn(name: string, url: string, call: Invocation): Promise<string | undefined> {
  const { gateway } = call
  const path = `/v1/agents/${name}`
  const document = { name, connector: { kind: 'a2a', url }, redelivery: 'atLeastOnce' }
  let address: string | undefined
  try {
    address = ((await gateway.send('POST', '/v1/agents', document)) as { url?: string }).url
  } catch (error) {
    // An agent of the folder of cards is changed there; if it is this very agent, there is nothing to change.
    if (!(error instanceof CliError) || !error.code.endsWith('CONFLICT')) throw error
    const known = (await gateway.get(path)) as AgentRecord
    if (!known.connector?.url || !sameServer(known.connector.url, url)) throw error
    address = known.url
  }
  await gateway.send('POST', `${path}/probe`)
  return address
}
