/** The official SDK's server, with its store in memory (nothing it accepts survives it) or in PostgreSQL. */
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { AgentCard, Task } from '@a2a-js/sdk'
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server'
import { jsonRpcHandler, UserBuilder } from '@a2a-js/sdk/server/express'
import express from 'express'
import { listening, serveCalls } from '../parts.mjs'
import { run } from '../postgres.mjs'

const executor = {
  async execute({ taskId, contextId }, bus) {
    const status = { state: 'TASK_STATE_COMPLETED', timestamp: new Date().toISOString() }
    bus.publish(AgentEvent.task(Task.fromJSON({ id: taskId, contextId, status })))
    bus.finished()
  },
  async cancelTask() {},
}

/** As its documentation says: migrated by its own program, then a Kysely over a pg pool. */
async function storeOn(databaseUrl) {
  const server = createRequire(import.meta.url).resolve('@a2a-js/sdk/server')
  await run(process.execPath, [join(dirname(server), '../cli/a2a_db.js'), 'upgrade', '--url', databaseUrl])
  const [{ Kysely, PostgresDialect }, { Pool }, { DatabaseTaskStore }] = await Promise.all([
    import('kysely'),
    import('pg').then((module) => module.default),
    import('@a2a-js/sdk/server/database'),
  ])
  const pool = new Pool({ connectionString: databaseUrl, max: 16 })
  return new DatabaseTaskStore(new Kysely({ dialect: new PostgresDialect({ pool }) }))
}

serveCalls({
  async start({ databaseUrl }) {
    const store = databaseUrl ? await storeOn(databaseUrl) : new InMemoryTaskStore()
    const app = express()
    const server = createServer(app)
    const port = await listening(server)
    const card = AgentCard.fromJSON({
      name: 'sdk',
      description: 'answers at once',
      version: '1',
      supportedInterfaces: [{ url: `http://127.0.0.1:${port}/`, protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
      capabilities: { streaming: false, pushNotifications: false },
      defaultInputModes: ['text/plain'],
      defaultOutputModes: ['text/plain'],
      skills: [{ id: 's', name: 's', description: 's', tags: ['t'] }],
    })
    const requestHandler = new DefaultRequestHandler(card, store, executor)
    app.use('/', jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }))
    return { port }
  },
})
