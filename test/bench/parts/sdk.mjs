/** The official SDK's server with its store in memory: what one would otherwise have. Nothing it accepts survives it. */
import { createServer } from 'node:http'
import { AgentCard, Task } from '@a2a-js/sdk'
import { AgentEvent, DefaultRequestHandler, InMemoryTaskStore } from '@a2a-js/sdk/server'
import { jsonRpcHandler, UserBuilder } from '@a2a-js/sdk/server/express'
import express from 'express'
import { listening, serveCalls } from '../parts.mjs'

const executor = {
  async execute({ taskId, contextId }, bus) {
    const status = { state: 'TASK_STATE_COMPLETED', timestamp: new Date().toISOString() }
    bus.publish(AgentEvent.task(Task.fromJSON({ id: taskId, contextId, status })))
    bus.finished()
  },
  async cancelTask() {},
}

serveCalls({
  async start() {
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
    const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor)
    app.use('/', jsonRpcHandler({ requestHandler, userBuilder: UserBuilder.noAuthentication }))
    return { port }
  },
})
