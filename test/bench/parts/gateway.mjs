/** The gateway under measurement, as `npm start` runs it, on a database of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serveCalls } from '../parts.mjs'

let gateway
let folder

serveCalls({
  /** `agents`: documents for the cards folder; `limits`: bounds of policy that would end a measurement. */
  async start({ dist, databaseUrl, agents, limits }) {
    folder = mkdtempSync(join(tmpdir(), 'waypost-bench-'))
    for (const agent of agents) writeFileSync(join(folder, `${agent.name}.json`), JSON.stringify(agent))
    const { LIMITS } = await import(join(dist, 'limits.js'))
    Object.assign(LIMITS, limits)
    const { readConfig } = await import(join(dist, 'config.js'))
    const { startGateway } = await import(join(dist, 'main.js'))
    const env = {
      DATABASE_URL: databaseUrl,
      WAYPOST_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
      WAYPOST_EGRESS_ALLOW: '127.0.0.0/8',
      WAYPOST_DATA: folder,
      WAYPOST_CARDS: folder,
      PORT: '0',
      GRPC_PORT: '0',
    }
    gateway = await startGateway(readConfig({ env, file: join(folder, 'none') }))
    gateway.signals.on('service.failed', ({ service, error }) => console.error(`gateway: ${service}: ${error}`))
    if (gateway.cardProblems.length > 0) throw new Error(gateway.cardProblems.join('\n'))
    return { port: gateway.port, key: gateway.adminKey }
  },
  async stop() {
    await gateway.stop()
    rmSync(folder, { recursive: true, force: true })
  },
})
