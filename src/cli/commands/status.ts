/** `status` and `healthcheck`: is the gateway there, is it able to serve, what waits. */

import { readJson } from '../client.ts'
import { CliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { type AgentRecord, type DeliveryRecord, readAll } from '../records.ts'

export const status: Run = async (call) => {
  const { gateway, out } = call
  const healthy = await gateway.raw('/healthz')
  const ready = await gateway.raw('/readyz?verbose')
  const [health, checks] = [await readJson(healthy), await readJson(ready)]
  const agents = await readAll<AgentRecord>(gateway, '/v1/agents')
  const dead = await readAll<DeliveryRecord>(gateway, '/v1/deliveries', { state: 'dead,expired' })
  const told = {
    gateway: gateway.url,
    version: (health as { version?: string } | undefined)?.version,
    healthy: healthy.ok,
    ready: ready.ok,
    checks: checks ?? null,
    agents: agents.length,
    online: agents.filter(({ state }) => state === 'online').length,
    queued: agents.reduce((sum, { queued = 0 }) => sum + queued, 0),
    running: agents.reduce((sum, { running = 0 }) => sum + running, 0),
    deadLetters: dead.length,
  }
  if (out.json) out.document(told)
  else {
    out.fields([
      ['Gateway', told.gateway],
      ['Version', told.version],
      ['Alive', told.healthy ? 'yes' : 'no'],
      ['Ready', told.ready ? 'yes' : `no ${JSON.stringify(checks ?? {})}`],
      ['Agents', `${told.agents}, ${told.online} online`],
      ['Queued', told.queued],
      ['Running', told.running],
      ['Dead letters', told.deadLetters],
    ])
    if (dead.length > 0) out.note(`see them: ${call.program} dlq list`)
  }
  return told.ready ? 0 : 1
}

const PROBES: Readonly<Record<string, string>> = { minimal: '/healthz', complete: '/readyz' }

/** For images without curl: exit code 0 or 1, nothing to parse. */
export const healthcheck: Run = async (call) => {
  const kind = call.args[0] ?? 'complete'
  const path = PROBES[kind]
  if (!path) throw usage(`there is no health check ${kind}`, 'minimal (alive) or complete (able to serve)')
  const response = await answered(path, call)
  const ok = response.ok
  if (call.out.json) call.out.document({ check: kind, ok, status: response.status })
  else call.out.fields([['Health', ok ? 'ok' : `HTTP ${response.status}`]])
  return ok ? 0 : 1
}

async function answered(path: string, call: Invocation): Promise<Response> {
  try {
    // PUBLIC_URL may be the load balancer's; what is asked about is the gateway on this machine.
    const local = `http://127.0.0.1:${call.around.get('PORT') ?? 4280}`
    return call.flags.gateway ? await call.gateway.raw(path) : await call.http(`${local}${path}`, { timeoutMs: 5_000 })
  } catch (error) {
    // An orchestrator knows 0 and 1 only; 3 would be read as "cannot tell".
    if (error instanceof CliError) throw new CliError(error.code, error.message, { hint: error.hint, exitCode: 1 })
    throw error
  }
}
