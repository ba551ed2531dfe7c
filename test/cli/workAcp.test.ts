/** `waypost work --mode acp`: a scripted agent of the Agent Client Protocol as an agent of a whole gateway. */
import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { stateOf, textOf } from '../e2e/mailboxWorld.ts'
import { makeKey } from '../e2e/surfaces.ts'
import { aWorld, type World } from '../support/world.ts'
import { emptyDirectory, linesOf, startCli } from './run.ts'

/** What it is told decides what it does; it holds the client to the protocol: whatever is not as it should be ends it. */
const AGENT = `
  import assert from 'node:assert/strict'
  import { createInterface } from 'node:readline'
  const send = (line) => console.log(JSON.stringify({ jsonrpc: '2.0', ...line }))
  const update = (sessionId, update) => send({ method: 'session/update', params: { sessionId, update } })
  const say = (sessionId, text) =>
    update(sessionId, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } })
  let sessions = 0
  const turns = new Map()
  const waiting = new Map()
  const DOES = {
    initialize: ({ protocolVersion }) => (assert.equal(protocolVersion, 1), { protocolVersion, agentCapabilities: {} }),
    'session/new': ({ cwd, mcpServers }) => (assert.ok(cwd.startsWith('/')), assert.deepEqual(mcpServers, []), { sessionId: 's' + ++sessions }),
    async 'session/prompt'({ sessionId, prompt: [{ type, text }] }) {
      assert.equal(type, 'text')
      turns.set(sessionId, (turns.get(sessionId) ?? 0) + 1)
      if (text === 'crash') process.exit(1)
      if (text === 'refuse') return { stopReason: 'refusal' }
      if (text === 'long') return { stopReason: 'max_tokens' }
      if (text === 'wait') return new Promise((resolve) => waiting.set(sessionId, resolve)).then(() => ({ stopReason: 'cancelled' }))
      if (text === 'edit') {
        send({ id: 'p1', method: 'session/request_permission', params: { sessionId, toolCall: { toolCallId: 't', title: 'edit it', kind: 'edit' },
          options: [{ optionId: 'y', name: 'Yes', kind: 'allow_once' }, { optionId: 'n', name: 'No', kind: 'reject_once' }] } })
        const { outcome } = await new Promise((resolve) => waiting.set('p1', resolve))
        say(sessionId, outcome.outcome + ' ' + outcome.optionId)
        return { stopReason: 'end_turn' }
      }
      if (text === 'read') {
        send({ id: 'r1', method: 'fs/read_text_file', params: { sessionId, path: '/etc/passwd' } })
        say(sessionId, 'refused ' + (await new Promise((resolve) => waiting.set('r1', resolve))))
        return { stopReason: 'end_turn' }
      }
      update(sessionId, { sessionUpdate: 'tool_call', toolCallId: 't', title: 'looking around', kind: 'read' })
      update(sessionId, { sessionUpdate: 'of a later version' })
      say(sessionId, sessionId + ' ')
      say(sessionId, 'turn ' + turns.get(sessionId))
      return { stopReason: 'end_turn' }
    },
  }
  createInterface({ input: process.stdin }).on('line', async (line) => {
    const { id, method, params, result, error } = JSON.parse(line)
    if (method === 'session/cancel') return waiting.get(params.sessionId)?.()
    if (!method) return waiting.get(id)?.(result ?? error.code)
    send({ id, result: await DOES[method](params) })
  })`

let world: World
const home = emptyDirectory()
const cwd = emptyDirectory()
const children: ChildProcess[] = []

beforeAll(async () => {
  world = await aWorld({ env: { WAYPOST_BLOCK_SECONDS: '20' }, limits: { cancelGraceMs: 20_000 } })
  writeFileSync(join(cwd, 'agent.mjs'), AGENT)
  expect(spawnSync(process.execPath, ['--check', join(cwd, 'agent.mjs')]).status).toBe(0)
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGTERM')
    await once(child, 'close')
  }
})
afterAll(() => world?.stop())

async function aCoder(name: string, flags: readonly string[] = []) {
  const args = ['work', name, '--mode', 'acp', ...flags, '--', process.execPath, 'agent.mjs']
  const child = startCli(args, { cwd, env: { WAYPOST_URL: world.gateway.url, XDG_CONFIG_HOME: home } })
  children.push(child)
  const stderr = linesOf(child.stderr)
  await stderr.next((line) => line.startsWith('working as'))
  return { client: world.client(name), stderr }
}

test('a session for each conversation, a turn for each message; tool calls are progress', async () => {
  const { client, stderr } = await aCoder('coder1')
  const first = await client.send('hello')
  expect([stateOf(first), textOf(first)]).toEqual(['TASK_STATE_COMPLETED', 's1 turn 1'])
  expect(JSON.stringify(first.history)).toContain('looking around')
  await stderr.next((line) => line.includes('looking around'))
  expect(textOf(await client.send('again', { message: { contextId: first.contextId } }))).toBe('s1 turn 2')
  expect(textOf(await client.send('other'))).toBe('s2 turn 1')
  // Two callers that both write `chat` are not in one conversation.
  const { key } = await makeKey(world, { caller: 'stranger' })
  const chat = { message: { contextId: 'chat' } }
  expect(textOf(await client.send('hello', chat))).toBe('s3 turn 1')
  expect(textOf(await world.client('coder1', key).send('hello', chat))).toBe('s4 turn 1')
  expect(textOf(await client.send('again', chat))).toBe('s3 turn 2')
})

test('how a turn ends is how the task ends', async () => {
  const { client } = await aCoder('coder2')
  expect(stateOf(await client.send('refuse'))).toBe('TASK_STATE_REJECTED')
  const long = await client.send('long')
  expect([stateOf(long), long.status.message?.parts[0]?.text]).toEqual(['TASK_STATE_FAILED', 'it ran out of tokens'])
  const sent = await client.send('wait', { configuration: { returnImmediately: true } })
  await expect.poll(async () => stateOf(await client.get(sent.id))).toBe('TASK_STATE_WORKING')
  await client.rpc('CancelTask', { id: sent.id })
  await expect.poll(async () => stateOf(await client.get(sent.id)), { timeout: 20_000 }).toBe('TASK_STATE_CANCELED')
  // The agent has heard of it, and is there for the next.
  expect(textOf(await client.send('hello'))).toBe('s4 turn 1')
})

test('it may do what is listed, and no more; what is not offered is refused', async () => {
  const { client } = await aCoder('coder3')
  expect(textOf(await client.send('edit'))).toBe('selected n')
  expect(textOf(await client.send('read'))).toBe('refused -32601')
  const permitted = await aCoder('coder4', ['--permit', 'read,edit'])
  expect(textOf(await permitted.client.send('edit'))).toBe('selected y')
})

test('what it asks leave for can be left to the sender: the turn waits for the answer', async () => {
  const { client } = await aCoder('coder6', ['--permit', 'read', '--permissions', 'ask'])
  const asked = await client.send('edit')
  expect(stateOf(asked)).toBe('TASK_STATE_INPUT_REQUIRED')
  const { parts = [] } = asked.status.message ?? {}
  expect(parts[0]?.text).toBe('May it: edit it?\ny: Yes\nn: No')
  expect(parts.find(({ mediaType }) => mediaType === 'application/schema+json')?.data).toMatchObject({
    properties: { option: { enum: ['y', 'n'] } },
  })
  const reply = (text: string) => client.send(text, { message: { taskId: asked.id } })
  expect((await reply('perhaps')).status.message?.parts[0]?.text).toContain('none of the options')
  const done = await reply('yes')
  expect([stateOf(done), textOf(done)]).toEqual(['TASK_STATE_COMPLETED', 'selected y'])
  // The same agent, the same session: it has not begun anew.
  expect(textOf(await client.send('hello', { message: { contextId: asked.contextId } }))).toBe('s1 turn 2')
  const refused = await client.send('edit')
  const message = { messageId: 'a-no', role: 'ROLE_USER', taskId: refused.id, parts: [{ data: { option: 'n' } }] }
  expect(textOf((await client.rpc('SendMessage', { message })).result.task)).toBe('selected n')
})

test('a question whose agent has ended is not answered by another', async () => {
  const { client } = await aCoder('coder7', ['--permissions', 'ask'])
  const asked = await client.send('edit')
  await client.send('crash', { configuration: { returnImmediately: true } })
  await expect.poll(async () => textOf(await client.send('hello'))).toContain('turn')
  const ended = await client.send('yes', { message: { taskId: asked.id } })
  expect(stateOf(ended)).toBe('TASK_STATE_FAILED')
  expect(ended.status.message?.parts[0]?.text).toContain('OUTCOME_UNKNOWN')
})

test('when it ends in the middle, the task waits for the next attempt, with a new process', async () => {
  const { client, stderr } = await aCoder('coder5')
  const sent = await client.send('crash', { configuration: { returnImmediately: true } })
  await stderr.next((line) => line.includes('not done: the program ended: exit code 1'))
  await expect.poll(async () => stateOf(await client.get(sent.id))).toBe('TASK_STATE_WORKING')
  expect(textOf(await client.send('hello'))).toBe('s1 turn 1')
})
