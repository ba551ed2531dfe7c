/** Errors and their hints, credentials and where they go, parts, waiting, streams, and the two commands that last. */
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { REASONS } from '../../src/a2a/errors.ts'
import { distance, sameServer } from '../../src/cli/agentRef.ts'
import { CATALOGUE } from '../../src/cli/catalogue.ts'
import { SHEETS } from '../../src/cli/commands/cheat.ts'
import { masked } from '../../src/cli/commands/config.ts'
import { CLIENT_COMMANDS } from '../../src/cli/commandTree.ts'
import { durationMs, spanText } from '../../src/cli/durations.ts'
import { operatorCommands } from '../../src/cli/operatorTree.ts'
import { type FakeGateway, KEY, startFakeGateway } from './fakeGateway.ts'
import { emptyDirectory, linesOf, runCli, startCli } from './run.ts'

let gateway: FakeGateway
beforeAll(async () => {
  gateway = await startFakeGateway()
})
afterAll(() => gateway.close())
const env = () => ({ WAYPOST_URL: gateway.url, WAYPOST_KEY: KEY })
const nobody = { WAYPOST_URL: 'http://127.0.0.1:9', WAYPOST_KEY: KEY }

/** Every command that a hint, an example or a sheet names must exist. */
const paths = [...CLIENT_COMMANDS, ...operatorCommands()].map(({ path }) => path)
const exists = (words: string) =>
  /^help( |$)/.test(words) || paths.some((path) => `${words} `.startsWith(`${path} `) || path.startsWith(`${words} `))
const commandsIn = (text: string) =>
  [...text.matchAll(/waypost ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)/g)].map(([, words]) => words as string)

test('every code that the program uses has a page', () => {
  const sources = readdirSync(join(import.meta.dirname, '../../src'), { recursive: true, encoding: 'utf8' })
  const codes = sources
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => [
      ...readFileSync(join(import.meta.dirname, '../../src', path), 'utf8').matchAll(/'(WAYPOST_ERR_[A-Z_]*[A-Z])'/g),
    ])
  const ours = Object.entries(REASONS).flatMap(([reason, row]) =>
    'domain' in row && reason !== 'UNAUTHENTICATED' ? [`WAYPOST_ERR_${reason}`] : [],
  )
  for (const code of [...codes.map(([, name]) => name as string), ...ours])
    expect(Object.keys(CATALOGUE)).toContain(code)
})

describe('what is said names commands that exist', () => {
  test.each(Object.entries(CATALOGUE))('%s', (_, page) => {
    for (const words of [...commandsIn(page.example), ...commandsIn(page.fix)]) expect(exists(words), words).toBe(true)
    expect([page.cause, page.effect, page.fix, page.example].every((text) => text.length > 3)).toBe(true)
  })
  test.each(Object.entries(SHEETS))('cheat %s', (_, sheet) => {
    for (const [command] of sheet) expect(exists(command.replace(/ [-A-Zh@"].*$/, '')), command).toBe(true)
  })
})

const FAILURES: readonly (readonly [string, readonly string[], number, string])[] = [
  ['an unknown command', ['snd'], 2, 'A2ACLI_ERR_USAGE'],
  ['an unknown option', ['send', '--txt', 'x'], 2, 'A2ACLI_ERR_USAGE'],
  ['nothing to send', ['send', '-a', '@echo'], 2, 'A2ACLI_ERR_USAGE'],
  ['no agent', ['send', 'hello'], 2, 'A2ACLI_ERR_USAGE'],
  [
    'a media type before its part',
    ['send', '-a', '@echo', '--media-type', 'text/plain', '--text', 'x'],
    2,
    'A2ACLI_ERR_USAGE',
  ],
  ['a bad duration', ['task', 'get', 'x', '-a', '@echo', '--wait', '--timeout', 'soon'], 2, 'A2ACLI_ERR_USAGE'],
  ['a destructive verb without --yes', ['agent', 'remove', 'echo'], 2, 'A2ACLI_ERR_USAGE'],
  ['an unknown agent', ['send', '-a', '@ecko', '--text', 'x'], 3, 'A2ACLI_ERR_CARD_NOT_FOUND'],
  ['nothing at a URL', ['card', 'get', '-a', 'GATEWAY/nothing'], 3, 'A2ACLI_ERR_CARD_NOT_FOUND'],
  ['an unknown agent of an operator', ['agent', 'show', 'nobody'], 1, 'WAYPOST_ERR_NOT_FOUND'],
  ['an unknown task', ['task', 'get', '-a', '@echo', 'none'], 1, 'TaskNotFoundError'],
  ['a task of nobody', ['task', 'get', 'none'], 1, 'WAYPOST_ERR_NOT_FOUND'],
  ['a wrong key', ['agent', 'list', '--key', 'wp_other_0'], 4, 'A2ACLI_ERR_AUTH_FAILED'],
  ['an unknown code', ['explain', 'QUEUE_FUL'], 2, 'A2ACLI_ERR_USAGE'],
]

describe.concurrent('failures', () => {
  test.each(FAILURES)('%s', async (_, words, code, name) => {
    const args = words.map((word) => word.replace('GATEWAY', gateway.url))
    const [json, text] = await Promise.all([
      runCli([...args, '-o', 'json'], { env: env() }),
      runCli(args, { env: env() }),
    ])
    const { error } = JSON.parse(json.stdout)
    expect({ code: json.code, error }).toMatchObject({ code, error: { code: name } })
    expect(text).toMatchObject({ code, stdout: '' })
    expect(text.stderr).toMatch(new RegExp(`^Error: ${name}: .+\nHint: .+`))
    for (const named of commandsIn(error.hint)) expect(exists(named), named).toBe(true)
  })

  test('nobody at home', async () => {
    const { code, stderr } = await runCli(['agent', 'list'], { env: nobody })
    expect(code).toBe(3)
    expect(stderr).toContain('waypost serve')
  })

  test('no key', async () => {
    const { code, stderr } = await runCli(['key', 'list'], { env: { WAYPOST_URL: gateway.url } })
    expect(code).toBe(4)
    expect(stderr).toMatch(/A2ACLI_ERR_CREDENTIALS_MISSING[\s\S]*admin\.key/)
  })

  test('following a task that does not end is exit code 5', async () => {
    const args = ['send', '-a', '@slow', 'x', '--stream', '--timeout', '400ms', '-o', 'json']
    const { code, stdout } = await runCli(args, { env: env() })
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(code).toBe(5)
    expect(lines.at(-1).error).toMatchObject({
      code: 'A2ACLI_ERR_TIMEOUT',
      hint: expect.stringContaining(lines[0].task.id),
    })
  })

  test('waiting for a task that does not end is exit code 5', async () => {
    const task = gateway.slow.accept({ messageId: 'never', role: 'ROLE_USER', parts: [{ text: 'x' }] })
    // Polling only: subscribing would let the slow agent go on.
    const card = join(emptyDirectory(), 'card.json')
    const plain = { ...gateway.agent.card(`${gateway.url}/agents/slow`), capabilities: {} }
    writeFileSync(card, JSON.stringify(plain))
    const { code, stdout } = await runCli(
      ['task', 'get', task.id, '--wait', '-a', card, '--timeout', '300ms', '-o', 'json'],
      { env: env() },
    )
    expect(code).toBe(5)
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'A2ACLI_ERR_TIMEOUT',
      hint: expect.stringContaining(task.id),
    })
  })
})

describe('credentials', () => {
  test('the key in the data directory is found and goes to the gateway', async () => {
    const cwd = emptyDirectory()
    mkdirSync(join(cwd, '.waypost'))
    writeFileSync(join(cwd, '.waypost', 'admin.key'), `${KEY}\n`, { mode: 0o600 })
    const { code } = await runCli(['send', '-a', '@echo', 'x'], { cwd, env: { WAYPOST_URL: gateway.url } })
    expect(code).toBe(0)
    expect(gateway.asked.filter(({ what }) => what === 'POST /agents/echo').at(-1)?.authorization).toBe(`Bearer ${KEY}`)
  })

  test('the gateway key goes to no other server', async () => {
    const other = await startFakeGateway()
    try {
      const { code } = await runCli(['send', '-a', `${other.url}/agents/echo/`, 'x'], { env: env() })
      expect(code).toBe(0)
      expect(other.asked.every(({ authorization }) => authorization === undefined)).toBe(true)
    } finally {
      await other.close()
    }
  })

  test('an agent of the catalogue is reached where the gateway is reached, whatever its card says', async () => {
    const card = gateway.agent.card('http://elsewhere.example.test/prefix/agents/echo/')
    gateway.once('GET /agents/echo/.well-known/agent-card.json', 200, card)
    const { code, stdout } = await runCli(['send', '-a', '@echo', 'x'], { env: env() })
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('COMPLETED') })
  })

  test('--debug does not show them', async () => {
    const { stderr } = await runCli(['send', '-a', '@echo', 'x', '--debug', '--svc-param', 'x-secret:hush'], {
      env: env(),
    })
    expect(stderr).toContain('authorization: ****')
    expect(stderr).not.toContain(KEY)
    expect(stderr).not.toContain('hush')
  })

  test.each([
    ['postgres://me:pa%40ss@db/x?password=y', 'postgres://me:****@db/x?****'],
    ['postgres://me@db/x', 'postgres://me:****@db/x'],
    ['wp_a_b', '****'],
  ])('%s is shown as %s', (value, shown) => {
    expect(masked(value, true)).toBe(shown)
  })
})

describe('send', () => {
  test('parts keep their order and their media types', async () => {
    const cwd = emptyDirectory()
    writeFileSync(join(cwd, 'a.bin'), Buffer.from([1, 2, 3]))
    const args = [
      'send',
      '-a',
      '@echo',
      '--file',
      'a.bin',
      '--media-type',
      'application/x-a',
      '--text',
      'one',
      '--data',
      '-',
      '--file',
      'https://f.example.test/b.pdf',
    ]
    const { code } = await runCli(args, { cwd, env: env(), input: '{"n":1}' })
    expect(code).toBe(0)
    const sent = gateway.asked.filter(({ what }) => what === 'POST /agents/echo').at(-1)?.body as {
      params: { message: { parts: unknown } }
    }
    expect(sent.params.message.parts).toEqual([
      { raw: 'AQID', filename: 'a.bin', mediaType: 'application/x-a' },
      { text: 'one' },
      { data: { n: 1 } },
      { url: 'https://f.example.test/b.pdf', filename: 'b.pdf', mediaType: 'application/pdf' },
    ])
  })

  test('--stream -o json is one event a line, the last one ends the task', async () => {
    const { stdout } = await runCli(['send', '-a', '@echo', 'x', '--stream', '-o', 'json'], { env: env() })
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(Object.keys(events[0])).toEqual(['task'])
    expect(events.at(-1).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED')
  })

  test('what an agent says cannot move the cursor', async () => {
    const { stdout } = await runCli(['send', '-a', '@echo', '--text', 'a\u001b[2Jb'], { env: env() })
    expect(stdout).toContain('a\\u001b[2Jb')
  })
})

describe('commands that last', () => {
  test('demo-server registers, calls in, serves a card, and stops when told', async () => {
    const before = gateway.asked.length
    const child = startCli(['demo-server', '--port', '0', '--name', 'Echo'], { env: env() })
    const line = await linesOf(child.stdout).next((text) => text.startsWith('Registered'))
    expect(line).toContain('@echo at http://gw/agents/echo')
    expect(gateway.asked.slice(before).map(({ what }) => what)).toEqual([
      'POST /v1/agents',
      'POST /v1/agents/echo/probe',
    ])
    expect(gateway.asked[before]?.body).toMatchObject({ name: 'echo', connector: { kind: 'a2a' } })
    child.kill('SIGTERM')
    expect((await once(child, 'close'))[0]).toBe(0)
  })

  test('an agent that comes from a file is looked at instead of changed', async () => {
    gateway.once('POST /v1/agents', 409, { code: 'CONFLICT', detail: 'echo comes from a file' })
    gateway.once('GET /v1/agents/echo', 200, {
      name: 'echo',
      connector: { kind: 'a2a', url: 'http://127.0.0.1:9173/' },
    })
    const child = startCli(['demo-server', '--port', '9173', '--register'], { env: env() })
    await linesOf(child.stdout).next((text) => text.startsWith('Registered'))
    expect(gateway.asked.at(-1)?.what).toBe('POST /v1/agents/echo/probe')
    child.kill('SIGTERM')
    await once(child, 'close')
  })

  test('webhook listen verifies signatures', async () => {
    const child = startCli(['webhook', 'listen', '-o', 'json'], { env: env() })
    const lines = linesOf(child.stdout)
    const { url, secret } = JSON.parse(await lines.next())
    const now = new Date()
    const body = JSON.stringify({
      statusUpdate: { taskId: 't', contextId: 'c', status: { state: 'TASK_STATE_WORKING' } },
    })
    const post = async (id: string, text: string, signed = body, at = now) => {
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-seq': '2',
        'webhook-signature': `v1,AAAA ${new Webhook(secret).sign(id, at, signed)}`,
      }
      const { status } = await fetch(url, { method: 'POST', headers, body: text })
      return { ...JSON.parse(await lines.next((line) => line.includes(id))), status }
    }
    expect(await post('evt_1', body)).toMatchObject({ sequence: '2', signature: 'verified', status: 200 })
    expect(await post('evt_2', body, `${body} `)).toMatchObject({ signature: 'wrong' })
    expect(await post('evt_3', body, body, new Date(now.getTime() - 600_000))).toMatchObject({ signature: 'wrong' })
    child.kill('SIGINT')
    await once(child, 'close')
  })
})

test('durations', () => {
  expect(['500ms', '2s', '1m30s', '24h', '30'].map((text) => durationMs(text, 'x'))).toEqual([
    500, 2_000, 90_000, 86_400_000, 30_000,
  ])
  expect([0, 59_000, 192_000, 86_340_000, 90_000_000].map(spanText)).toEqual([
    '0 s',
    '59 s',
    '3m12s',
    '23h59m',
    '1d01h',
  ])
})

test('near names and same servers', () => {
  expect([distance('invoices', 'invoice'), distance('echo', 'ecko'), distance('', 'abc')]).toEqual([1, 1, 3])
  expect(sameServer('http://localhost:1/x', 'http://127.0.0.1:1')).toBe(true)
  expect(sameServer('http://localhost:1', 'http://localhost:2')).toBe(false)
  expect(sameServer('http://a.test:1', 'http://127.0.0.1:1')).toBe(false)
})

test('the shim is executable and finds its own directory', () => {
  const shim = join(import.meta.dirname, '../../waypost')
  expect(existsSync(shim)).toBe(true)
  expect(readFileSync(shim, 'utf8')).toMatch(/^#!\/bin\/sh\n/)
})
