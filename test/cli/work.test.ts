/** `waypost work` as users run it: commands of shell, Node and Python as agents of a whole gateway. */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { stateOf, textOf } from '../e2e/mailboxWorld.ts'
import { withKey } from '../e2e/peers/client.ts'
import { modern } from '../e2e/peers/modern.ts'
import type { Log } from '../support/log.ts'
import { ADMIN_KEY, aReplica } from '../support/replicas.ts'
import { aClient, aMessage, aWorld, type Client, type World } from '../support/world.ts'
import { emptyDirectory, linesOf, runCli, startCli } from './run.ts'

const now = { returnImmediately: true }
const home = emptyDirectory()
let world: World
const children: ChildProcess[] = []

beforeAll(async () => {
  world = await aWorld({
    env: { WAYPOST_BLOCK_SECONDS: '20' },
    limits: { cancelGraceMs: 20_000 },
  })
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'close')
  }
})
afterAll(() => world?.stop())

const env = () => ({ WAYPOST_URL: world.gateway.url, XDG_CONFIG_HOME: home })
let made = 0

interface Runner {
  readonly name: string
  readonly client: Client
  readonly child: ChildProcess
  readonly stdout: Log<string>
  readonly stderr: Log<string>
  readonly cwd: string
  /** Tells it to stop; its exit code. */
  stop(): Promise<number | null>
}

interface RunnerOptions {
  readonly name?: string
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Ready: it is registered, and asks for work. */
async function aRunner(command: readonly string[], options: RunnerOptions = {}): Promise<Runner> {
  const { name = `runner${++made}`, flags = [], cwd = emptyDirectory() } = options
  const child = startCli(['work', name, ...flags, '--', ...command], { cwd, env: { ...env(), ...options.env } })
  children.push(child)
  const stderr = linesOf(child.stderr)
  const stdout = linesOf(child.stdout)
  await stderr.next((line) => line.startsWith('working as'))
  return {
    ...{ name, child, cwd, stderr, stdout },
    client: world.client(name),
    async stop() {
      const closed = once(child, 'close') as Promise<[number | null]>
      child.kill('SIGTERM')
      return (await closed)[0]
    },
  }
}

const sh = (script: string) => ['sh', '-c', script]
const node = (script: string) => ['node', '-e', script]
const reason = (task: { status: { message?: { parts: readonly { text?: string | undefined }[] } | undefined } }) =>
  task.status.message?.parts[0]?.text

test('a command is an agent: registered, addressed, answered; its token is kept for the next time', async () => {
  const { stdout, client, stop, name } = await aRunner(['tr', 'a-z', 'A-Z'])
  expect(stdout.entries).toEqual([
    `Agent: ${name}`,
    `Address: ${world.gateway.url}/agents/${name}`,
    `Send: waypost send -a @${name} --text "hello"`,
  ])
  const task = await client.send('hello')
  expect([stateOf(task), textOf(task)]).toEqual(['TASK_STATE_COMPLETED', 'HELLO'])
  expect(await stop()).toBe(0)
  const again = await aRunner(['cat'], { name })
  expect(textOf(await again.client.send('as it is'))).toBe('as it is')
})

test.for([
  ['exit 0', 'TASK_STATE_COMPLETED', undefined],
  ['echo why >&2; echo because >&2; exit 3', 'TASK_STATE_FAILED', 'why\nbecause'],
  ['exit 3', 'TASK_STATE_FAILED', 'exit code 3'],
  ['echo "not mine" >&2; exit 64', 'TASK_STATE_REJECTED', 'not mine'],
] as const)('%s: %s', async ([script, state, why]) => {
  const { client } = await aRunner(sh(script))
  const task = await client.send('x')
  expect([stateOf(task), reason(task)]).toEqual([state, why])
})

test('exit code 75, and a death by a signal, are tried again; the attempt is told', async () => {
  const script = 'case $WAYPOST_ATTEMPT in 1) exit 75 ;; 2) kill -KILL $$ ;; *) echo "attempt $WAYPOST_ATTEMPT" ;; esac'
  const { client, name } = await aRunner(sh(script))
  await fetch(`${world.gateway.url}/v1/agents/${name}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${world.gateway.adminKey}` },
    body: JSON.stringify({ backoff: { firstMs: 100, longestMs: 100 } }),
  })
  const task = await client.send('x')
  expect([stateOf(task), textOf(task)]).toEqual(['TASK_STATE_COMPLETED', 'attempt 3\n'])
})

test('an unmodified SDK client sees progress and pieces as they come', async () => {
  // Each step waits for the one before to have been seen, by a file that the test makes.
  const script = `
    echo "looking" >&2; while [ ! -e seen1 ]; do sleep 0.02; done
    printf "one "; while [ ! -e seen2 ]; do sleep 0.02; done
    printf "two"`
  const { name, cwd } = await aRunner(sh(script))
  const peer = await modern('JSONRPC', '1.0').connect(
    `${world.gateway.url}/agents/${name}/`,
    withKey(world.gateway.adminKey),
  )
  const seen: string[] = []
  for await (const { glance } of peer.stream('go')) {
    seen.push(glance)
    if (seen.filter((one) => one === 'WORKING').length === 2) writeFileSync(join(cwd, 'seen1'), '')
    if (glance === 'one ') writeFileSync(join(cwd, 'seen2'), '')
  }
  expect(seen).toEqual(['task SUBMITTED', 'WORKING', 'WORKING', 'one ', '+two', '+', 'COMPLETED'])
})

describe('what reaches the command', () => {
  const facts = 'env | sort; echo; cat; echo; ls "$WAYPOST_WORK_DIR" "$WAYPOST_WORK_DIR/in"'

  test('the facts of its task, the message, the files; none of our secrets', async () => {
    const { client, name } = await aRunner(sh(facts), { env: { OTHER: 'mine', WAYPOST_KEY: 'wp_secret_key' } })
    const parts = [{ text: 'the text' }, { raw: 'AQID', filename: '../../etc/pass wd;', mediaType: 'a/b' }]
    const task = await client.send('', { message: { parts } })
    const text = textOf(task)
    expect(text).toContain(`WAYPOST_TASK_ID=${task.id}\n`)
    expect(text).toContain(`WAYPOST_CONTEXT_ID=${task.contextId}\n`)
    expect(text).toContain(`WAYPOST_AGENT=${name}\n`)
    expect(text).toContain('WAYPOST_FROM=operator\n')
    expect(text).toContain('WAYPOST_ATTEMPT=1\n')
    expect(text).toContain('OTHER=mine\n')
    expect(text).toContain('\nthe text\n')
    expect(text).toContain('pass wd_')
    expect(text).not.toContain('wp_')
  })

  test('--sandbox-env: only what is listed', async () => {
    const { client } = await aRunner(['/usr/bin/env'], {
      flags: ['--sandbox-env', 'ONE,MISSING'],
      env: { ONE: '1', TWO: '2' },
    })
    const names = textOf(await client.send('x'))
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0] as string)
    expect(names.filter((one) => !one.startsWith('WAYPOST_'))).toEqual(['ONE'])
  })

  test('--cwd; and files in out/ are artifacts', async () => {
    const cwd = emptyDirectory()
    mkdirSync(join(cwd, 'there'))
    const script = 'pwd; printf "%s" "a,b" > "$WAYPOST_WORK_DIR/out/table.csv"'
    const { client } = await aRunner(sh(script), { flags: ['--cwd', 'there'], cwd })
    const { artifacts = [] } = await client.send('x')
    expect(artifacts[0]?.parts[0]?.text?.trim().endsWith('/there')).toBe(true)
    expect(artifacts[1]).toEqual({
      artifactId: 'table.csv',
      name: 'table.csv',
      parts: [{ raw: 'YSxi', filename: 'table.csv', mediaType: 'text/csv' }],
    })
  })
})

test('10 MB of output, and bytes that are no text', async () => {
  const { client } = await aRunner(node("process.stdout.write('0123456789'.repeat(1_000_000) + 'é')"))
  const task = await client.send('x')
  expect(stateOf(task)).toBe('TASK_STATE_COMPLETED')
  const text = (task.artifacts?.[0]?.parts ?? []).map((part) => part.text ?? '').join('')
  expect([text.length, text.slice(-3)]).toEqual([10_000_001, '89é'])

  const bytes = await aRunner(node('process.stdout.write(Buffer.from([104, 105, 0, 255]))'))
  expect((await bytes.client.send('x')).artifacts?.[0]?.parts).toEqual([
    { raw: 'aGkA/w==', mediaType: 'application/octet-stream' },
  ])
})

test('more output, or more time, than it may have: ended, and failed with that reason', async () => {
  const loud = await aRunner(sh('yes'), { flags: ['--max-output', '1'] })
  const task = await loud.client.send('x')
  expect([stateOf(task), reason(task)]).toEqual(['TASK_STATE_FAILED', 'more than 1048576 bytes of output'])
  const slow = await aRunner(sh('sleep 600'), { flags: ['--task-timeout', '100ms'] })
  const late = await slow.client.send('x')
  expect([stateOf(late), reason(late)]).toEqual(['TASK_STATE_FAILED', 'not done after 0.1 s'])
})

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

test('a cancel is SIGTERM, then SIGKILL for what does not hear it; its children go with it', async () => {
  const deaf = `trap "echo no >&2" TERM; sleep 600 & echo "pids $$ $!" >&2; while :; do sleep 0.05; done`
  const { client, stderr } = await aRunner(sh(deaf), { flags: ['--grace', '300ms'] })
  const sent = await client.send('x', { configuration: now })
  const pids = (await stderr.next((line) => line.includes('pids')))
    .split('pids ')[1]
    ?.split(' ')
    .map(Number) as number[]
  expect(pids.map(isAlive)).toEqual([true, true])
  await client.rpc('CancelTask', { id: sent.id })
  await expect.poll(async () => stateOf(await client.get(sent.id)), { timeout: 20_000 }).toBe('TASK_STATE_CANCELED')
  expect(stderr.entries.some((line) => line.endsWith('no'))).toBe(true)
  await expect.poll(() => pids.map(isAlive)).toEqual([false, false])
})

test('what the sender says meanwhile is one more run', async () => {
  const script = 'while [ ! -e go ]; do sleep 0.02; done; tr a-z A-Z'
  const { client, stderr, cwd } = await aRunner(sh(script))
  const sent = await client.send('first', { configuration: now })
  await stderr.next((line) => line.includes('begun'))
  const message = aMessage('second', { taskId: sent.id, contextId: sent.contextId })
  await client.rpc('SendMessage', { message, configuration: now })
  writeFileSync(join(cwd, 'go'), '')
  await expect.poll(async () => stateOf(await client.get(sent.id)), { timeout: 20_000 }).toBe('TASK_STATE_COMPLETED')
  expect(textOf(await client.get(sent.id))).toBe('FIRST|SECOND')
})

test('--concurrency: as many processes at once', async () => {
  const script = 'touch here.$WAYPOST_TASK_ID; while [ "$(ls here.* | wc -l)" -lt 3 ]; do sleep 0.02; done; echo ok'
  const { client } = await aRunner(sh(script), { flags: ['--concurrency', '3'] })
  const tasks = await Promise.all([1, 2, 3].map((n) => client.send(`${n}`)))
  expect(tasks.map(textOf)).toEqual(['ok\n', 'ok\n', 'ok\n'])
})

test('the runner killed in the middle: what it held is taken up by the next one, the same attempt', async () => {
  const name = `killed${++made}`
  const cwd = emptyDirectory()
  const script = 'echo "$WAYPOST_ATTEMPT" >> attempts; while [ ! -e go ]; do sleep 0.02; done; cat'
  const first = await aRunner(sh(script), { name, cwd })
  const sent = await first.client.send('kept', { configuration: now })
  await first.stderr.next((line) => line.includes('begun'))
  await expect.poll(() => readFileSync(join(cwd, 'attempts'), 'utf8')).toBe('1\n')
  first.child.kill('SIGKILL')
  await once(first.child, 'close')
  const second = await aRunner(sh(script), { name, cwd })
  await second.stderr.next((line) => line.includes('taken up again'))
  writeFileSync(join(cwd, 'go'), '')
  await expect
    .poll(async () => stateOf(await second.client.get(sent.id)), { timeout: 20_000 })
    .toBe('TASK_STATE_COMPLETED')
  expect(textOf(await second.client.get(sent.id))).toBe('kept')
  expect(readFileSync(join(cwd, 'attempts'), 'utf8')).toBe('1\n1\n')
})

test('told to stop it lets the work in hand end; with --stop-after 0s it gives it back', async () => {
  const patient = await aRunner(sh('while [ ! -e go ]; do sleep 0.02; done; cat'))
  const sent = await patient.client.send('x', { configuration: now })
  await patient.stderr.next((line) => line.includes('begun'))
  const stopped = patient.stop()
  writeFileSync(join(patient.cwd, 'go'), '')
  expect(await stopped).toBe(0)
  expect(stateOf(await patient.client.get(sent.id))).toBe('TASK_STATE_COMPLETED')

  const hasty = await aRunner(sh('sleep 600'), { flags: ['--stop-after', '0s'] })
  const held = await hasty.client.send('x', { configuration: now })
  await hasty.stderr.next((line) => line.includes('begun'))
  expect(await hasty.stop()).toBe(0)
  const next = await aRunner(sh('echo $WAYPOST_ATTEMPT'), { name: hasty.name })
  await expect.poll(async () => textOf(await next.client.get(held.id)), { timeout: 20_000 }).toBe('1\n')
})

test('the gateway killed in the middle: the work goes on, and is settled with the next one', async () => {
  const gateway = await aReplica({ cards: {} })
  try {
    await gateway.start()
    const script = 'echo once >> runs; echo "half way" >&2; while [ ! -e go ]; do sleep 0.02; done; tr a-z A-Z'
    const { name, cwd, stderr } = await aRunner(sh(script), { env: { WAYPOST_URL: gateway.url } })
    const client = aClient(`${gateway.url}/agents/${name}`, ADMIN_KEY)
    const sent = await client.send('kept', { configuration: now })
    await stderr.next((line) => line.includes('half way'))
    await gateway.kill('SIGKILL')
    // It ends while nobody is there to be told.
    writeFileSync(join(cwd, 'go'), '')
    await stderr.next((line) => /no answer/.test(line), 20_000)
    await gateway.start()
    await stderr.next((line) => /done, after/.test(line), 25_000)
    const ended = await client.get(sent.id)
    expect([stateOf(ended), textOf(ended).replaceAll('|', '')]).toEqual(['TASK_STATE_COMPLETED', 'KEPT'])
    expect(readFileSync(join(cwd, 'runs'), 'utf8')).toBe('once\n')
  } finally {
    await gateway.remove()
  }
}, 90_000)

test('several started at once for the first time share one agent, and each its work', async () => {
  const cwd = emptyDirectory()
  const name = `shared${++made}`
  const runners = await Promise.all([1, 2, 3].map(() => aRunner(['cat'], { name, cwd })))
  const workers = runners.map(({ stderr }) => stderr.entries.find((line) => line.startsWith('working as')))
  expect(new Set(workers).size).toBe(3)
  expect(textOf(await world.client(name).send('x'))).toBe('x')
})

describe('--mode lines', () => {
  const LINES = `
    const say = (line) => console.log(JSON.stringify(line))
    require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { type, id, text, attempt, task } = JSON.parse(line)
      if (type === 'cancel') return say({ type: 'release', id })
      if (type === 'message') return say({ type: 'done', id, text: 'heard ' + text })
      if (text === 'ask') return say({ type: 'ask', id, text: 'how many?' })
      if (text === 'listen') return say({ type: 'update', id, text: 'listening' })
      if (text === 'crash' && attempt === 1) process.exit(1)
      if (text === 'no') return say({ type: 'reject', id, text: 'no' })
      if (text === 'bad') return say({ type: 'fail', id, text: 'bad' })
      console.log('this is no JSON')
      say({ type: 'artifact', id, text: 'one ' })
      say({ type: 'artifact', id, text: 'two ' })
      say({ type: 'done', id, artifacts: [{ artifactId: 'pid', text: process.pid + ' ' + attempt }] })
    })`

  test('one process for all; it asks, refuses, hears; when it crashes the task is tried again with the next', async () => {
    const { client, stderr } = await aRunner(node(LINES), { flags: ['--mode', 'lines', '--concurrency', '2'] })
    const tasks = [await client.send('a'), await client.send('b')]
    const pids = tasks.map((task) => textOf(task).split('|').at(-1))
    expect(textOf(tasks[0] as never)).toMatch(/^one \|two \|\|\d+ 1$/)
    expect(pids[0]).toBe(pids[1])
    await stderr.next((line) => line.includes('not understood: this is no JSON'))
    expect(stateOf(await client.send('ask'))).toBe('TASK_STATE_INPUT_REQUIRED')
    expect(stateOf(await client.send('no'))).toBe('TASK_STATE_REJECTED')
    expect(reason(await client.send('bad'))).toBe('bad')
    const listening = await client.send('listen', { configuration: now })
    await stderr.next((line) => line.includes(`${listening.id}  begun`))
    const message = aMessage('you', { taskId: listening.id, contextId: listening.contextId })
    await client.rpc('SendMessage', { message, configuration: now })
    await expect.poll(async () => textOf(await client.get(listening.id)), { timeout: 20_000 }).toBe('heard you')
    const crashed = await client.send('crash')
    expect(textOf(crashed)).toMatch(/ 2$/)
  })

  test('a cancel is a line; who does not hear it is ended', async () => {
    const { client, stderr } = await aRunner(node(LINES), { flags: ['--mode', 'lines'] })
    const sent = await client.send('listen', { configuration: now })
    await stderr.next((line) => line.includes('begun'))
    await client.rpc('CancelTask', { id: sent.id })
    await expect.poll(async () => stateOf(await client.get(sent.id)), { timeout: 20_000 }).toBe('TASK_STATE_CANCELED')
    const deaf = await aRunner(sh('echo "pids $$" >&2; while read line; do :; done; sleep 600'), {
      flags: ['--mode', 'lines', '--grace', '200ms'],
    })
    const held = await deaf.client.send('x', { configuration: now })
    const pid = Number((await deaf.stderr.next((line) => line.includes('pids'))).split('pids ')[1])
    await deaf.client.rpc('CancelTask', { id: held.id })
    await expect
      .poll(async () => stateOf(await deaf.client.get(held.id)), { timeout: 20_000 })
      .toBe('TASK_STATE_CANCELED')
    await expect.poll(() => isAlive(pid)).toBe(false)
  })
})

describe('mistakes are told before anything is taken', () => {
  test.for([
    [['work', 'x'], 2, 'which command does the work?'],
    [['work', 'x', '--', 'no-such-program'], 2, 'there is no program no-such-program'],
    [['work', '...', '--', 'cat'], 2, 'cannot be an agent'],
    [['work', 'x', '--concurrency', '0', '--', 'cat'], 2, 'is not a number from 1 to 64'],
    [['work', 'x', '--mode', 'pipes', '--', 'cat'], 2, 'there is no mode pipes'],
    [['work', 'x', '--gateway', 'http://127.0.0.1:9', '--', 'cat'], 3, 'no gateway answers'],
  ] as const)('%s', async ([args, code, words]) => {
    const ran = await runCli(args, { env: { ...env() } })
    expect([ran.code, ran.stderr]).toEqual([code, expect.stringContaining(words)])
  })

  test('an agent whose token is elsewhere; a token that is not its', async () => {
    const name = `foreign${++made}`
    const body = JSON.stringify({ name })
    await fetch(`${world.gateway.url}/v1/agents`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const unknown = await runCli(['work', name, '--', 'cat'], { env: env() })
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('WAYPOST_ERR_AGENT_TOKEN')])
    const wrong = await runCli(['work', name, '--', 'cat'], { env: { ...env(), WAYPOST_TOKEN: 'wp_no_such' } })
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('WAYPOST_ERR_AGENT_TOKEN')])
    expect(wrong.stderr).not.toContain('wp_no_such')
  })
})

test('Python and a compiled program do it too', async () => {
  const python = await aRunner(['python3', '-c', 'import sys; print(sys.stdin.read()[::-1], end="")'])
  expect(textOf(await python.client.send('abc'))).toBe('cba')
  const sum = execFileSync('cksum', { input: 'abc' }).toString()
  const compiled = await aRunner(['cksum'])
  expect(textOf(await compiled.client.send('abc'))).toBe(sum)
})
