/** The whole command tree: JSON parses, stdout is pure, exit codes are as documented, no control characters. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHANNELS } from '../../src/cli/channelTree.ts'
import { CLIENT_COMMANDS } from '../../src/cli/commandTree.ts'
import { INBOX } from '../../src/cli/inboxTree.ts'
import { operatorCommands } from '../../src/cli/operatorTree.ts'
import { ROOMS } from '../../src/cli/roomTree.ts'
import { DELIVERY, type FakeGateway, KEY, startFakeGateway, TASK_AT_GATEWAY } from './fakeGateway.ts'
import { emptyDirectory, type Ran, runCli } from './run.ts'

/** Run until they are stopped; they have tests of their own. */
const LASTING = new Set(['serve', 'demo-server', 'webhook listen', 'work'])
/** One wants an authorization server, one somebody who talks (`compliance/` has both), one an MCP host, some a mailbox, some a channel or a room (docs/). */
const ELSEWHERE = new Set([
  'auth login',
  'chat',
  'mcp',
  'hook',
  ...[...INBOX, ...CHANNELS, ...ROOMS].map(({ path }) => path),
])

/** Arguments with which each command succeeds. `TASK` is a task that has ended, `OPEN` one that has not. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  send: ['-a', '@echo', '--text', 'hello'],
  'card get': ['-a', '@echo', '--validate'],
  'task get': ['-a', '@echo', 'TASK'],
  'task list': ['-a', '@echo'],
  'task cancel': ['-a', '@slow', 'OPEN'],
  'task subscribe': ['-a', '@slow', 'OPEN'],
  'task download': ['-a', '@echo', 'TASK'],
  'task explain': [TASK_AT_GATEWAY],
  'config show': [],
  'auth logout': ['-a', '@echo'],
  conformance: ['-a', '@echo'],
  completion: ['bash'],
  status: [],
  'agent add': ['http://127.0.0.1:9/', '--name', 'echo'],
  'agent list': [],
  'agent match': ['add', 'numbers'],
  'agent show': ['echo'],
  'agent probe': ['echo'],
  'agent pause': ['@echo'],
  'agent resume': ['echo'],
  'agent drain': ['echo'],
  'agent approve': ['echo'],
  'agent rotate-key': ['echo'],
  'agent remove': ['echo', '--yes'],
  'key create': ['--permits', 'send,read'],
  'key list': [],
  'key revoke': ['k1', '--yes'],
  'key signing': [],
  'key rotate-master': [],
  'key rotate-signing': ['--grace', '1h'],
  'audit list': ['--actor', 'operator'],
  'audit verify': [],
  'data export': ['--out', '/dev/null'],
  'data erase': ['--caller', 'billing', '--yes'],
  'dlq list': [],
  'dlq show': [DELIVERY],
  'dlq replay': [DELIVERY],
  'webhook attempts': [],
  'webhook replay': [DELIVERY],
  doctor: [],
  'migrate status': [],
  'migrate up': [],
  healthcheck: ['minimal', '--gateway', 'GATEWAY'],
  explain: ['WAYPOST_ERR_QUEUE_FULL'],
  cheat: ['send'],
}

/** The demo agent's card offers no push notifications: the refusal has the protocol's own name. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  'task push-config create': ['-a', '@echo', 'TASK', '--url', 'http://127.0.0.1:9/'],
  'task push-config get': ['-a', '@echo', 'TASK', 'c1'],
  'task push-config list': ['-a', '@echo', 'TASK'],
  'task push-config delete': ['-a', '@echo', 'TASK', 'c1'],
}

/** Nothing here is about time: a process ends when it has ended, also on a machine that is busy with all the others. */
const patient = { timeout: 180_000 }

const rows = [...CLIENT_COMMANDS, ...operatorCommands()]
let gateway: FakeGateway

beforeAll(async () => {
  gateway = await startFakeGateway()
})
afterAll(() => gateway.close())

const env = () => ({ WAYPOST_URL: gateway.url, WAYPOST_KEY: KEY })
const message = (text: string) => ({ messageId: text, role: 'ROLE_USER' as const, parts: [{ text }] })

async function run(path: string, sample: readonly string[], more: readonly string[]): Promise<Ran> {
  const open = gateway.slow.accept(message(`open ${path} ${more.join()}`)).id
  const ended = gateway.agent.accept(message('ended')).id
  await settled(ended)
  const words: Readonly<Record<string, string>> = { TASK: ended, OPEN: open, GATEWAY: gateway.url }
  return runCli([...path.split(' '), ...sample.map((word) => words[word] ?? word), ...more], { env: env() })
}

async function settled(id: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const look = () => gateway.agent.find(id)?.status.state === 'TASK_STATE_COMPLETED' && resolve()
    gateway.agent.watch(id, look)
    look()
  })
}

test('every command has a sample here', () => {
  const known = [...Object.keys(SAMPLES), ...Object.keys(REFUSED), ...LASTING, ...ELSEWHERE].sort()
  expect(known).toEqual(rows.map(({ path }) => path).sort())
})

describe.concurrent.each(Object.entries(SAMPLES))('%s', (path, sample) => {
  test('-o json is one document on stdout', patient, async () => {
    const { code, stdout, stderr } = await run(path, sample, ['-o', 'json'])
    expect({ code, stderr }, stdout).toMatchObject({ code: 0 })
    expect(() => JSON.parse(stdout)).not.toThrow()
  })

  test('text has no control characters', patient, async () => {
    const { code, stdout, stderr } = await run(path, sample, [])
    expect({ code, stderr }, stdout).toMatchObject({ code: 0 })
    expect(stdout.length).toBeGreaterThan(0)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f]/)
  })
})

describe.concurrent.each(Object.entries(REFUSED))('%s', (path, sample) => {
  test('a refusal of the agent has the name that A2A gives it', patient, async () => {
    const { code, stdout } = await run(path, sample, ['-o', 'json'])
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'PushNotificationNotSupportedError', hint: expect.any(String) },
    })
  })
})

describe.concurrent('help', () => {
  test.each(['--help', '--version', 'help send', 'task --help', 'task push-config create --help'])(
    '%s',
    patient,
    async (words) => {
      const { code, stdout, stderr } = await runCli(words.split(' '))
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout.length).toBeGreaterThan(4)
    },
  )

  test('every noun says what it is, and every command what it does', patient, async () => {
    const { stdout } = await runCli(['--help'])
    const lines = stdout
      .split('\n')
      .flatMap((line) => /^ {2}([a-z-]+)(?: [[<].*?)? {2,}(\S.*)$/.exec(line)?.slice(1) ?? [])
    const said = Array.from({ length: lines.length / 2 }, (_, n) => lines.slice(2 * n, 2 * n + 2))
    expect(said.length).toBeGreaterThan(30)
    expect(said.filter(([word, about]) => about === word)).toEqual([])
  })

  test('a noun without a verb is a usage error that shows its verbs', async () => {
    const { code, stdout, stderr } = await runCli(['task'])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('explain')
  })
})

test('what a command needs can come from a file', async () => {
  const cwd = emptyDirectory()
  writeFileSync(join(cwd, '.env'), `A2ACLI_AGENT_CARD=@echo\nWAYPOST_URL=${gateway.url}\nWAYPOST_KEY=${KEY}\n`)
  const { code, stdout } = await runCli(['send', 'hello', 'there'], { cwd })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^Artifact: reply\nText:\nhello there\n\n/m)
})

test('audit verify walks on until the end, and fails where the chain is broken', async () => {
  const path = 'GET /v1/audit/verify'
  const hash = 'a'.repeat(64)
  gateway.once(path, 200, { ok: true, checked: 1_000, last: { sequence: 1_000, hash }, next: 1_000 })
  const whole = await runCli(['audit', 'verify', '-o', 'json', '--expect', `7:${hash}`], { env: env() })
  expect(whole.code).toBe(0)
  expect(JSON.parse(whole.stdout)).toEqual({ ok: true, checked: 1_001, last: { sequence: 1, hash: '0f' } })
  const broken = { sequence: 8, fault: 'changed', reason: 'what it says is not what was written' }
  gateway.once(path, 200, { ok: false, checked: 7, last: { sequence: 7, hash }, broken })
  const told = await runCli(['audit', 'verify'], { env: env() })
  expect(told.code).toBe(1)
  expect(told.stdout).toMatch(/broken[\s\S]*8[\s\S]*what it says is not what was written/)
  expect((await runCli(['audit', 'verify', '--expect', '7'], { env: env() })).code).toBe(2)
})

test('data export prints each line as it came, and says where it was broken off', async () => {
  const whole = await runCli(['data', 'export', '--caller', 'billing'], { env: env() })
  expect([
    whole.code,
    whole.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).kind),
  ]).toEqual([0, ['export', 'task', 'cursor', 'end']])
  gateway.once('GET /v1/export', 200, `{"kind":"cursor","after":"${TASK_AT_GATEWAY}"}\n`)
  const half = await runCli(['data', 'export', '-o', 'json', '--out', '/dev/null'], { env: env() })
  expect(half.code).toBe(3)
  expect(JSON.parse(half.stdout)).toMatchObject({ error: { hint: expect.stringContaining(TASK_AT_GATEWAY) } })
})

test('data erase wants to be meant, and goes on until nothing is left', async () => {
  const path = 'POST /v1/erase'
  gateway.once(path, 200, { dryRun: true, tasks: 12, open: 3 })
  const asked = await runCli(['data', 'erase', '--caller', 'billing'], { env: env() })
  expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('12 tasks, 3 of them open')])
  expect((await runCli(['data', 'erase', '--yes'], { env: env() })).code).toBe(2)
  expect((await runCli(['data', 'erase', '--all', '--caller', 'a', '--yes'], { env: env() })).code).toBe(2)
  gateway.once(path, 200, { done: false, tasks: 5, left: 7 })
  const done = await runCli(['data', 'erase', '--all', '--force', '--yes', '-o', 'json'], { env: env() })
  expect(JSON.parse(done.stdout)).toEqual({ erased: true, tasks: 12 })
})
