/** §7, §14 and what is left of the higher tiers: the tool's own surface, push, chat, cards, transports. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { exportJWK, FlattenedSign, generateKeyPair } from 'jose'
import { expect } from 'vitest'
import { canonicalJson } from '../../../src/platform/canonicalJson.ts'
import { startModern } from '../../wire/bindings/officialServers.ts'
import { linesOf, startCli } from '../run.ts'
import { filesBelow } from './files.ts'
import { block, type Check, cli, emptyDirectory, field, json, lines } from './scene.ts'
import { startScripted } from './scripted.ts'

const ROOT = join(import.meta.dirname, '../../..')
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
const skills = () => filesBelow(join(ROOT, 'skills')).filter((path) => basename(path) === 'SKILL.md')

export const SURFACE: Record<string, Check> = {
  async A2ACLI_CLI_001() {
    const [help, verb, flag, short, long] = await Promise.all(
      ['help', 'help send', 'send --help', '-v', '--version'].map((words) => cli(words)),
    )
    expect([help, verb, flag, short, long].map((ran) => ran?.code)).toEqual(Array(5).fill(0))
    expect(help?.stdout).toMatch(/^Usage: waypost/)
    expect(verb?.stdout).toBe(flag?.stdout)
    expect([short?.stdout, long?.stdout]).toEqual(Array(2).fill(`${manifest.version}\n`))
    expect(flag?.stdout).toContain('(default: 2s)')
    for (const command of [
      'card',
      'send',
      'task',
      'auth',
      'chat',
      'config',
      'conformance',
      'completion',
      'demo-server',
    ])
      expect(help?.stdout).toMatch(new RegExp(`^ {2}${command}\\b`, 'm'))
  },

  async A2ACLI_SKILL_001() {
    const [only, ...others] = skills()
    expect([Boolean(only), others]).toEqual([true, []])
    const text = readFileSync(only as string, 'utf8')
    expect(text).toMatch(/^---\nname: [a-z-]+\ndescription: /)
    expect(text).toContain('waypost help')
    expect(text.length).toBeLessThan(4_000)
    // It sends its reader to --help instead of listing the surface.
    const { stdout } = await cli('help send')
    const flags = new Set(stdout.match(/--[a-z0-9-]+/g))
    expect([...flags].filter((name) => text.includes(name)).length).toBeLessThan(flags.size / 2)
  },

  async A2ACLI_SKILL_002() {
    const text = readFileSync(skills()[0] as string, 'utf8')
    expect(text).not.toMatch(/\b(MUST|SHALL|REQUIRED|SHOULD)\b|A2ACLI_[A-Z_]+_\d{3}|§/)
  },

  async A2ACLI_CARD_GET_002({ agent, keep }) {
    const valid = await cli('card get --validate -o json -a', [agent.url])
    expect([valid.code, json(valid).name]).toEqual([0, 'official'])
    const broken = await keep(
      startScripted(
        () => 'silence',
        () => ({ name: 'broken', skills: 'none' }),
      ),
    )
    const refused = await cli('card get --validate -o json -a', [broken.url])
    expect([refused.code, json(refused).error.code]).toEqual([1, 'A2ACLI_ERR_CARD_INVALID'])
    expect(json(refused).error.message).toMatch(/skills.*|supportedInterfaces/)
  },

  async A2ACLI_TX_004({ agent }) {
    for (const binding of ['JSONRPC', 'HTTP+JSON']) {
      const with_ = ['--transport', binding, '-a', agent.url]
      const { task } = json(await cli('send --text hi -o json', with_))
      expect(json(await cli('task get -o json', [...with_, task.id]))).toMatchObject({ id: task.id })
      expect(lines(await cli('send --text hi --stream -o json', with_)).at(-1)).toHaveProperty('statusUpdate')
    }
  },

  async A2ACLI_TX_005({ atGateway, keep }) {
    const { ref, env } = atGateway()
    const ask = (words: string, ...more: string[]) =>
      cli(`${words} --transport GRPC -o json -a`, [ref, ...more], { env })
    const over = (words: string, ...more: string[]) => cli(`${words} -o json -a`, [ref, ...more], { env })
    const sent = await ask('send --debug --text parts')
    expect(sent.stderr).toMatch(/debug: > gRPC http\S+ SendMessage .*"tenant":"official"/)
    const { task } = json(sent)
    // The same documents as over the other bindings.
    for (const words of ['task get', 'task list', 'task push-config list'])
      expect(json(await ask(words, ...(words === 'task list' ? [] : [task.id])))).toEqual(
        json(await over(words, ...(words === 'task list' ? [] : [task.id]))),
      )
    const events = lines(await ask('send --stream --text hi'))
    expect([Object.keys(events[0])[0], events.at(-1).statusUpdate.status.state]).toEqual([
      'task',
      'TASK_STATE_COMPLETED',
    ])
    const [over1, over2] = await Promise.all([ask('task get', 'nobody'), over('task get', 'nobody')])
    expect([over1.code, json(over1).error.code, json(over1).error.message]).toEqual([
      over2.code,
      json(over2).error.code,
      json(over2).error.message,
    ])
    expect(
      json(await cli('send -o json --text x --transport GRPC --key wp_no_no -a @official', [], { env })).error.code,
    ).toBe('A2ACLI_ERR_AUTH_FAILED')
    // An agent of the official SDK that speaks nothing else.
    const only = await keep(startModern('GRPC', true))
    expect(field(await cli('card get -a', [only.url]), 'Transport')).toMatch(/^GRPC /)
    const done = await cli('send --text complete -a', [only.url])
    expect([done.code, field(done, 'State'), block(done, 'Text')]).toEqual([0, 'COMPLETED', 'made'])
    const refused = await cli('task get -o json -a', [only.url, 'nobody'])
    expect([refused.code, json(refused).error.code]).toEqual([1, 'TaskNotFoundError'])
  },

  async A2ACLI_OUT_007({ agent }) {
    const ran = await cli('send --text wired --stream --debug -o json -a', [agent.url])
    expect(lines(ran).length).toBeGreaterThan(1)
    expect(ran.stderr).toMatch(
      /debug: > POST http\S+ \(A2A-Version: 1\.0.*"method":"SendStreamingMessage".*"text":"wired"/,
    )
    expect(ran.stderr).toMatch(/debug: < 200 http\S+ after \d+ ms/)
    expect(ran.stderr).toMatch(/debug: < .*data: .*TASK_STATE_COMPLETED/)
    const unary = await cli('task get --debug -a', [agent.url, 'nobody'])
    expect(unary.stderr).toMatch(/debug: < \{.*-32001/)
  },

  async A2ACLI_CONFORM_001({ agent, atGateway, keep }) {
    const checks = json(await cli('conformance -o json -a', [agent.url]))
    expect(checks.failed, JSON.stringify(checks.checks)).toBe(0)
    expect(checks.checks.find(({ id }: { id: string }) => id === 'CORE-GET-002').outcome).toBe('passed')
    const { ref, env } = atGateway()
    const ours = await cli('conformance -a', [ref], { env })
    expect([field(ours, 'Failed'), field(ours, 'CORE-STREAM-003')?.startsWith('passed')]).toEqual(['0', true])
    const liar = await keep(startScripted(() => ({ result: { id: 'always the same' } })))
    const caught = await cli('conformance --exit-status -o json -a', [liar.url])
    expect([caught.code, json(caught).failed > 2]).toEqual([10, true])
  },

  async A2ACLI_CLI_002() {
    const [bash, zsh, fish, none] = await Promise.all(
      ['bash', 'zsh', 'fish', 'tcsh'].map((shell) => cli(`completion ${shell}`)),
    )
    expect(bash?.stdout).toMatch(/complete .* waypost[\s\S]*/)
    expect([zsh?.stdout.startsWith('#compdef waypost'), fish?.stdout.startsWith('complete -c waypost')]).toEqual([
      true,
      true,
    ])
    for (const ran of [bash, zsh, fish]) expect(ran?.stdout).toContain('push-config')
    expect(none?.code).toBe(2)
  },

  async A2ACLI_PUSH_001({ agent }) {
    const { task } = json(await cli('send --text hi -o json -a', [agent.url]))
    const push = (verb: string, ...more: string[]) =>
      cli(`task push-config ${verb} -o json -a`, [agent.url, task.id, ...more])
    const made = json(await push('create', '--url', 'https://hooks.example.test/a', '--id', 'c1', '--token', 't'))
    expect(made).toMatchObject({ id: 'c1', taskId: task.id, url: 'https://hooks.example.test/a' })
    expect(json(await push('get', 'c1'))).toMatchObject({ id: 'c1', url: made.url })
    expect(json(await push('list')).configs.map(({ id }: { id: string }) => id)).toEqual(['c1'])
    expect((await push('delete', 'c1')).code).toBe(0)
    expect(json(await push('list')).configs ?? []).toEqual([])
  },

  async A2ACLI_CARD_GET_003({ official }) {
    const agent = await official({
      extended: true,
      capabilities: { extendedAgentCard: true },
      card: { securitySchemes: { bearer: { httpAuthSecurityScheme: { scheme: 'Bearer' } } } },
      admits: ({ headers }) => headers.authorization === 'Bearer t0ken',
    })
    const read = (...more: string[]) => cli('card get --extended -o json -a', [agent.url, ...more])
    expect(json(await read('--bearer', 't0ken')).name).toBe('official, extended')
    const [wrong, other] = await Promise.all([read('--bearer', 'wrong'), read()])
    expect([wrong.code, json(wrong).error.code]).toEqual([4, 'A2ACLI_ERR_AUTH_FAILED'])
    expect([other.code, json(other).error.code]).toEqual([4, 'A2ACLI_ERR_CREDENTIALS_MISSING'])
  },

  async A2ACLI_CARD_GET_004({ agent, official, world }) {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const sign = async (card: Record<string, unknown>) => {
      const signing = new FlattenedSign(Buffer.from(canonicalJson(card)))
      const { protected: header, signature } = await signing
        .setProtectedHeader({ alg: 'ES256', kid: 'own', typ: 'JOSE' })
        .sign(privateKey)
      return { ...card, signatures: [{ protected: header, signature }] }
    }
    const signed = await official({ serve: sign })
    const forged = await official({
      serve: async (card) => ({ ...(await sign(card)), description: 'changed afterwards' }),
    })
    const cwd = emptyDirectory()
    const { writeFileSync } = await import('node:fs')
    writeFileSync(
      join(cwd, 'trusted.json'),
      JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'own', alg: 'ES256' }] }),
    )
    const outcome = async (url: string, ...more: string[]) => {
      const ran = await cli('card get -a', [url, ...more], { cwd })
      expect(ran.code).toBe(0)
      return field(ran, 'Signature')
    }
    expect(await outcome(agent.url)).toBe('absent')
    expect(await outcome(signed.url, '--trust', 'trusted.json')).toMatch(/^verified/)
    expect(await outcome(signed.url)).toMatch(/^unverifiable/)
    expect(await outcome(forged.url, '--trust', 'trusted.json')).toMatch(/^unverifiable/)
    // Our own gateway signs its cards, with keys at its own origin.
    const env = { WAYPOST_URL: world.gateway.url, WAYPOST_KEY: world.gateway.adminKey }
    expect(field(await cli('card get -a @official', [], { env }), 'Signature')).toMatch(/^verified/)
  },

  async A2ACLI_CARD_GET_005({ atGateway }) {
    const { ref, env } = atGateway()
    expect(json(await cli('card get -o json -a', [ref], { env })).name).toBe('official')
    const { task } = json(await cli('send --text hi -o json -a', [ref], { env }))
    expect(json(await cli('task get -o json -a', [ref, task.id], { env })).id).toBe(task.id)
    const unknown = await cli('send --text hi -o json -a @offical', [], { env })
    expect([unknown.code, json(unknown).error.code]).toEqual([3, 'A2ACLI_ERR_CARD_NOT_FOUND'])
  },

  async A2ACLI_PUSH_002({ agent, official, atGateway, world }) {
    const { task } = json(await cli('send --text wait --async -o json -a', [agent.url]))
    const child = startCli(['webhook', 'listen', '-o', 'json', '--task', task.id, '-a', agent.url])
    const log = linesOf(child.stdout)
    await linesOf(child.stderr).next((line) => line.includes(task.id))
    agent.finish(task.id)
    expect(JSON.parse(await log.next((line) => line.includes('COMPLETED')))).toMatchObject({ signature: 'token' })
    child.kill('SIGINT')
    await once(child, 'close')
    // From our gateway: signed, and checked.
    const behind = await official({})
    await world.register({ name: 'pushing', connector: { kind: 'a2a', url: behind.url } })
    const { env } = atGateway()
    const working = world.next('task.recorded', ({ state }) => state === 'TASK_STATE_WORKING')
    const held = json(await cli('send --text wait --async -o json -a @pushing', [], { env })).task
    await working
    const listening = startCli(['webhook', 'listen', '-o', 'json', '--task', held.id], { env })
    const heard = linesOf(listening.stdout)
    await linesOf(listening.stderr).next((line) => line.includes(held.id))
    behind.finish(behind.held()[0] as string)
    expect(JSON.parse(await heard.next((line) => line.includes('COMPLETED')))).toMatchObject({ signature: 'verified' })
    listening.kill('SIGINT')
    await once(listening, 'close')
  },

  async A2ACLI_CHAT_001({ official }) {
    const agent = await official({})
    const ran = await cli('chat -a', [agent.url], { input: 'input\nblue\nmessage\nhello\n' })
    expect(ran.code).toBe(0)
    const sent = agent.calls().map(({ params }) => params.message)
    const [first, answer, ...later] = sent
    const task = field(ran, 'Task')
    const context = field(ran, 'Context')
    expect([first?.taskId, first?.contextId]).toEqual([undefined, undefined])
    // The answer belongs to the task that asked; what follows starts anew in the same context.
    expect([answer?.taskId, answer?.contextId]).toEqual([task, context])
    expect(later.map(({ taskId, contextId }) => [taskId, contextId])).toEqual(Array(2).fill([undefined, context]))
    expect(block(ran, 'Message')).toBe('which one?')
    expect(ran.stderr).toContain(`--context-id ${context}`)
  },

  async A2ACLI_DEMO_SERVER_001() {
    const child = startCli(['demo-server', '--port', '0', '--no-register', '--input-required', '-o', 'json'])
    const { card } = JSON.parse(await linesOf(child.stdout).next())
    const checked = json(await cli('conformance -o json -a', [card]))
    expect(checked.failed, JSON.stringify(checked.checks)).toBe(0)
    const asked = await cli('send --text hello -a', [card])
    expect(field(asked, 'State')).toBe('INPUT_REQUIRED')
    const done = await cli('send --text yes -a', [card, '--task-id', field(asked, 'Task') as string])
    expect([field(done, 'State'), block(done, 'Text')]).toEqual(['COMPLETED', 'yes'])
    child.kill('SIGTERM')
    expect((await once(child, 'close'))[0]).toBe(0)
  },
}

/** The baseline defaults of §6.5: shipped, and overridable by a flag. */
export const DEFAULTS: Record<string, Check> = {
  async 'Transport: server preference order'({ agent }) {
    expect(field(await cli('card get -a', [agent.url]), 'Transport')).toContain('JSONRPC')
    expect(field(await cli('card get --transport HTTP+JSON -a', [agent.url]), 'Transport')).toContain('HTTP+JSON')
  },
  async 'Task completion: wait'({ agent }) {
    expect(field(await cli('send --text hi -a', [agent.url]), 'State')).toBe('COMPLETED')
    const left = await cli('send --async --text wait -a', [agent.url])
    expect(field(left, 'State')).toMatch(/SUBMITTED|WORKING/)
    agent.finish(field(left, 'Task') as string)
    const env = { A2ACLI_ASYNC: '1' }
    expect(field(await cli('send --wait --text hi -a', [agent.url], { env }), 'State')).toBe('COMPLETED')
  },
  async 'Output: human-readable text'({ agent }) {
    expect(field(await cli('card get -a', [agent.url]), 'Name')).toBe('official')
    expect(json(await cli('card get --output json -a', [agent.url])).name).toBe('official')
  },
  async 'Detail level: concise'({ agent }) {
    expect(field(await cli('send --text hi -a', [agent.url]), 'History')).toBeUndefined()
    expect(field(await cli('send --text hi --verbose -a', [agent.url]), 'History')).toBe('USER')
  },
  async 'Protocol version: highest mutually supported, never below 1.0'({ official }) {
    const agent = await official({})
    await cli('send --text hi -a', [agent.url])
    await cli('send --text hi --a2a-version 1.1 -a', [agent.url])
    expect(agent.calls().map(({ headers }) => headers['a2a-version'])).toEqual(['1.0', '1.1'])
  },
  async 'Transport security: TLS verification on'({ official }) {
    const { TEST_CERTIFICATE, TEST_KEY } = await import('../../support/certificate.ts')
    const agent = await official({ tls: { key: TEST_KEY, cert: TEST_CERTIFICATE } })
    expect((await cli('send --text hi -a', [agent.url])).code).toBe(3)
    const open = await cli('send --text hi --insecure -a', [agent.url])
    expect([open.code, open.stderr.includes('WARNING')]).toEqual([0, true])
  },
}

const code = async (words: string, more: readonly string[] = [], env = {}) => {
  const ran = await cli(words, more, { env })
  return json(ran).error.code as string
}

/** Appendix D: each code is told by something that a user can do. */
export const ERROR_CODES: Record<string, Check> = {
  A2ACLI_ERR_USAGE: async () => expect(await code('send -o json')).toBe('A2ACLI_ERR_USAGE'),
  A2ACLI_ERR_CARD_NOT_FOUND: async ({ agent }) =>
    expect(await code('card get -o json -a', [`${agent.url}no/card/`])).toBe('A2ACLI_ERR_CARD_NOT_FOUND'),
  async A2ACLI_ERR_CARD_INVALID({ keep }) {
    const odd = await keep(
      startScripted(
        () => 'silence',
        () => 'no JSON',
      ),
    )
    expect(await code('card get -o json -a', [odd.url])).toBe('A2ACLI_ERR_CARD_INVALID')
  },
  A2ACLI_ERR_UNREACHABLE: async () =>
    expect(await code('card get -o json -a http://127.0.0.1:9')).toBe('A2ACLI_ERR_UNREACHABLE'),
  async A2ACLI_ERR_CREDENTIALS_MISSING({ official }) {
    const closed = await official({ admits: () => false })
    expect(await code('send --text hi -o json -a', [closed.url])).toBe('A2ACLI_ERR_CREDENTIALS_MISSING')
  },
  async A2ACLI_ERR_AUTH_FAILED({ official }) {
    const closed = await official({ admits: () => false })
    expect(await code('send --text hi --bearer wrong -o json -a', [closed.url])).toBe('A2ACLI_ERR_AUTH_FAILED')
  },
  async A2ACLI_ERR_TIMEOUT({ keep }) {
    const mute = await keep(startScripted(() => 'silence'))
    expect(await code('send --text hi --timeout 100ms -o json -a', [mute.url])).toBe('A2ACLI_ERR_TIMEOUT')
  },
  async A2ACLI_ERR_INTERNAL({ agent }) {
    // A token store that is no file: nothing that the program expects.
    const cwd = emptyDirectory()
    const { mkdirSync } = await import('node:fs')
    mkdirSync(join(cwd, '.config/a2a-cli/tokens.json'), { recursive: true })
    const ran = await cli('send --text hi -o json -a', [agent.url], { cwd })
    expect([ran.code, json(ran).error.code]).toEqual([1, 'A2ACLI_ERR_INTERNAL'])
  },
}
