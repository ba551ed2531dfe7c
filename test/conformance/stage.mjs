/** What the kit is pointed at: a gateway with a database of its own, and the scripted agent behind it. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
// Inside the repository, because what is compiled there looks for its packages there.
const compiled = join(root, '.cache/conformance')

/** The agent is TypeScript, as all tests are; the oldest Node that we run on does not read that. */
export function compileAgent() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = '--target es2023 --module nodenext --allowImportingTsExtensions --rewriteRelativeImportExtensions'
  const programs = ['tckAgent.ts', 'tckMailbox.ts'].map((name) => join(root, 'test/conformance', name))
  const where = ['--outDir', compiled, '--rootDir', root, ...programs]
  const flags = ['--ignoreConfig', '--noCheck', '--types', 'node', ...options.split(' ')]
  const { status } = spawnSync(process.execPath, [tsc, ...flags, ...where], { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error('the agent does not compile')
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

const ADMIN_KEY = `wp_admin_${'k'.repeat(43)}`

/** What the card of the scripted agent says, of one without a server. */
const MAILBOX = {
  connector: { kind: 'mailbox' },
  description: 'does as it is told',
  skills: [{ id: 'scripts', name: 'Scripts', description: 'Plays the script that the text names', tags: ['test'] }],
  defaultInputModes: ['*/*'],
  defaultOutputModes: ['text/plain'],
}

/**
 * Answers `url`, and `close`, which says where the logs are if it is told to keep them. `mailbox`: the agent has no server;
 * `sleeps`: and looks only every so many seconds.
 */
export async function openStage({ agent: ways = [], env = {}, grpcScheme = '', mailbox, sleeps }) {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-conformance-'))
  const [agentPort, port, grpcPort] = [await freePort(), await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  mkdirSync(join(folder, 'cards'))
  const card = {
    ...(mailbox ? MAILBOX : { connector: { kind: 'a2a', url: `http://127.0.0.1:${agentPort}/` } }),
    access: 'anonymous',
    maxInflight: 64,
    redelivery: 'atLeastOnce',
  }
  writeFileSync(join(folder, 'cards/tck.json'), JSON.stringify(card))
  const start = (name, args, more) => {
    const log = openSync(join(folder, `${name}.log`), 'a')
    return spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', log, log], env: { ...process.env, ...more } })
  }
  const program = (name) => join(compiled, 'test/conformance', name)
  const children = [
    ...(mailbox ? [] : [start('agent', [program('tckAgent.js'), String(agentPort), ...ways], {})]),
    start('gateway', [join(root, 'dist/main.js')], {
      WAYPOST_DATA: join(folder, 'data'),
      WAYPOST_CARDS: join(folder, 'cards'),
      WAYPOST_ROOT_AGENT: 'tck',
      WAYPOST_ADMIN_KEY: ADMIN_KEY,
      PUBLIC_URL: url,
      HOST: '127.0.0.1',
      PORT: String(port),
      GRPC_PORT: String(grpcPort),
      GRPC_PUBLIC_ADDRESS: `${grpcScheme}127.0.0.1:${grpcPort}`,
      DATABASE_URL: '',
      ...env,
    }),
  ]
  async function close({ keep = false } = {}) {
    await Promise.all(children.map(end))
    if (!keep) rmSync(folder, { recursive: true, force: true })
    return folder
  }
  try {
    await until(async () => (await fetch(`${url}/readyz`)).ok, children)
    if (mailbox) {
      const often = sleeps === undefined ? [] : [String(sleeps)]
      children.push(start('agent', [program('tckMailbox.js'), url, await tokenOf(url), ...often], {}))
    }
    await meet(url)
    await until(async () => (await cardOf(url)).description === 'does as it is told', children)
  } catch (error) {
    throw new Error(`${error.message}; logs: ${await close({ keep: true })}`)
  }
  return { url, close }
}

/** A new one: an agent of a file has been told none. */
async function tokenOf(url) {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}/v1/agents/tck/rotate-key`, { method: 'POST', headers, body: '{}' })
  return (await answer.json()).token
}

const cardOf = async (url) => (await fetch(`${url}/.well-known/agent-card.json`)).json()

/** The kit reads the card once, first of all. Before the gateway has met the agent it says what the registration says. */
async function meet(url) {
  const message = { messageId: 'first-of-all', role: 'ROLE_USER', parts: [{ text: 'complete' }] }
  await fetch(`${url}/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'SendMessage', params: { message } }),
    signal: AbortSignal.timeout(60_000),
  })
}

async function until(holds, children) {
  const end = Date.now() + 60_000
  for (;;) {
    if (children.some(({ exitCode }) => exitCode !== null)) throw new Error('the gateway or the agent has ended')
    if (await holds().catch(() => false)) return
    if (Date.now() > end) throw new Error('the gateway is not ready after a minute')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return undefined
  return new Promise((resolve) => {
    child.once('exit', resolve)
    child.kill('SIGTERM')
    setTimeout(() => child.kill('SIGKILL'), 30_000).unref()
  })
}
