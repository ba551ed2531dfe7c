/** What forwarding costs at least: the request parsed, posted on, the answer parsed and given back; nothing is stored. */
import { createServer } from 'node:http'
import { Pool } from 'undici'
import { listening, serveCalls, withBody } from '../parts.mjs'

let pool

const server = createServer((request, response) => {
  withBody(request, async (body) => {
    const { id, method, params } = JSON.parse(body.toString())
    const answer = await pool.request({
      method: 'POST',
      path: '/rpc',
      headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
    })
    const { result } = JSON.parse(await answer.body.text())
    const text = JSON.stringify({ jsonrpc: '2.0', id, result })
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    response.end(text)
  })
})

serveCalls({
  async start({ upstream }) {
    pool = new Pool(`http://127.0.0.1:${upstream}`, { connections: 64, pipelining: 1 })
    return { port: await listening(server) }
  },
})
