/**
 * An MCP server for tests, over stdio or HTTP, in both eras: every kind of content, progress, questions, and tools that end
 * the process. What it has really done stands in the file named by MCP_LEDGER, one line a call.
 */
import { appendFileSync } from 'node:fs'
import { createServer } from 'node:http'
import {
  createMcpHandler,
  inputRequired,
  McpServer,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'

const did = (what) => process.env.MCP_LEDGER && appendFileSync(process.env.MCP_LEDGER, `${what}\n`)
const text = (words) => ({ content: [{ type: 'text', text: words }] })
const released = new Map()
const hold = (key) => new Promise((resolve) => released.set(key, resolve))

function build() {
  const server = new McpServer(
    { name: 'fixture', title: 'Fixture', version: '7.1' },
    { capabilities: { tools: { listChanged: true } } },
  )
  const tool = (name, config, run) =>
    server.registerTool(name, { description: `The tool ${name}`, ...config }, (given, context) => {
      did(`${name} ${JSON.stringify(given)}`)
      return run(given, context)
    })
  const reads = { annotations: { readOnlyHint: true } }
  tool('echo', { inputSchema: z.object({ text: z.string() }), ...reads }, ({ text: said }) => text(`echo: ${said}`))
  tool('env', { inputSchema: z.object({}), ...reads }, () => text(Object.keys(process.env).sort().join(' ')))
  tool('secret', { inputSchema: z.object({}), ...reads }, (_, { http }) =>
    text(`you sent ${http?.req?.headers.get('authorization')}`),
  )
  tool('all', { inputSchema: z.object({}), outputSchema: z.object({ n: z.number() }), ...reads }, () => ({
    content: [
      { type: 'text', text: 'some words' },
      { type: 'image', data: 'aW1n', mimeType: 'image/png' },
      { type: 'audio', data: 'YXVk', mimeType: 'audio/wav' },
      { type: 'resource_link', uri: 'https://example.test/a.txt', name: 'a.txt', mimeType: 'text/plain' },
      { type: 'resource', resource: { uri: 'file:///b.txt', mimeType: 'text/plain', text: 'embedded' } },
      { type: 'text', text: '{"n":1}' },
    ],
    structuredContent: { n: 1 },
  }))
  tool('fails', { inputSchema: z.object({}) }, () => ({ ...text('it did not work'), isError: true }))
  tool('throws', { inputSchema: z.object({}) }, () => {
    throw new Error('inside')
  })
  tool('steps', { inputSchema: z.object({ count: z.number() }), ...reads }, async ({ count }, { mcpReq }) => {
    const { progressToken } = mcpReq._meta ?? {}
    for (let progress = 1; progress <= count; progress++) {
      await mcpReq.notify({
        method: 'notifications/progress',
        params: { progressToken, progress, total: count, message: `step ${progress}` },
      })
      // The library drops a progress that comes in one piece with the result.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return text(`${count} steps`)
  })
  tool('hold', { inputSchema: z.object({ key: z.string() }) }, async ({ key }, { mcpReq }) => {
    mcpReq.signal.addEventListener('abort', () => did(`hold ${key} was canceled`))
    await Promise.race([hold(key), new Promise((resolve) => mcpReq.signal.addEventListener('abort', resolve))])
    return text(`held ${key}`)
  })
  tool('release', { inputSchema: z.object({ key: z.string() }), ...reads }, ({ key }) => {
    released.get(key)?.()
    return text('released')
  })
  const crash = () => process.kill(process.pid, 'SIGKILL')
  tool('crash', { inputSchema: z.object({}) }, crash)
  tool(
    'crashOnce',
    { inputSchema: z.object({ marker: z.string() }), annotations: { idempotentHint: true } },
    async ({ marker }) => {
      const { existsSync, writeFileSync } = await import('node:fs')
      if (existsSync(marker)) return text('the second time')
      writeFileSync(marker, '')
      crash()
    },
  )
  const FORM = {
    type: 'object',
    properties: { color: { type: 'string' }, size: { type: 'number' } },
    required: ['color'],
  }
  tool('asks', { inputSchema: z.object({ what: z.string() }) }, async ({ what }, { mcpReq }) => {
    const message = `Which ${what}?`
    const known = mcpReq.inputResponses?.answer
    const modern = mcpReq.envelope?.['io.modelcontextprotocol/protocolVersion'] !== undefined
    if (modern && !known)
      return inputRequired({
        inputRequests: { answer: inputRequired.elicit({ message, requestedSchema: FORM }) },
        requestState: what,
      })
    const { action, content } = known ?? (await mcpReq.elicitInput({ message, requestedSchema: FORM }))
    return text(`${what}: ${action} ${content?.color ?? ''}`.trim())
  })
  tool('visits', { inputSchema: z.object({}) }, async (_, { mcpReq }) => {
    const asked = { message: 'Please sign in', url: 'https://login.example.test/x', elicitationId: 'e-1' }
    const known = mcpReq.inputResponses?.visit
    const modern = mcpReq.envelope?.['io.modelcontextprotocol/protocolVersion'] !== undefined
    if (modern && !known) return inputRequired({ inputRequests: { visit: inputRequired.elicitUrl(asked) } })
    const { action } = known ?? (await mcpReq.elicitInput({ mode: 'url', ...asked }))
    return text(`signed in: ${action}`)
  })
  tool('more', { inputSchema: z.object({}), ...reads }, () => {
    tool('added', { inputSchema: z.object({}), ...reads }, () => text('I am new'))
    return text('one more')
  })
  return server
}

async function serveHttp() {
  const handler = createMcpHandler(build, { legacy: 'reject' })
  const sessions = new Map()
  /** The older era, with sessions, so that the server can ask. */
  async function legacy(request) {
    const known = sessions.get(request.headers.get('mcp-session-id') ?? '')
    if (known) return known.handleRequest(request)
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id) => void sessions.set(id, transport),
    })
    await build().connect(transport)
    return transport.handleRequest(request)
  }
  const server = createServer(async (incoming, outgoing) => {
    const chunks = []
    for await (const chunk of incoming) chunks.push(chunk)
    if (process.env.MCP_KEY && incoming.headers.authorization !== `Bearer ${process.env.MCP_KEY}`) {
      outgoing.writeHead(401).end()
      return
    }
    const gone = new AbortController()
    outgoing.on('close', () => gone.abort())
    const body = chunks.length > 0 ? Buffer.concat(chunks) : undefined
    const request = new Request(`http://127.0.0.1${incoming.url}`, {
      method: incoming.method,
      headers: incoming.headers,
      signal: gone.signal,
      ...(body && { body }),
    })
    const response = await (process.env.MCP_ERA === 'legacy' ? legacy(request) : handler.fetch(request)).catch(
      () => undefined,
    )
    if (!response) return outgoing.destroy()
    outgoing.writeHead(response.status, Object.fromEntries(response.headers))
    outgoing.flushHeaders()
    for await (const chunk of response.body ?? []) outgoing.write(chunk)
    outgoing.end()
  })
  server.listen(Number(process.env.MCP_PORT ?? 0), '127.0.0.1', () =>
    process.stdout.write(`${server.address().port}\n`),
  )
}

if (process.argv[2] === 'http') await serveHttp()
else {
  process.stderr.write('fixture: ready\n')
  if (process.env.MCP_ERA === 'legacy') await build().connect(new StdioServerTransport())
  else serveStdio(build, { transport: new StdioServerTransport(), legacy: 'reject' })
}
