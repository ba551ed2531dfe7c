/** The blocks of docs/channels.md as they stand, run against a gateway; and the command line's verbs that it names. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { linesOf, runCli, startCli } from '../cli/run.ts'
import { aWorld, type World } from '../support/world.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/channels.md'), 'utf8')
const block = (name: string): string => {
  const found = new RegExp(`\`\`\`${name}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/channels.md has no ${name}`)
  return found
}
const missing = ['curl', 'jq'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined)

let world: World
beforeAll(async () => {
  world = await aWorld({ env: { WAYPOST_DEMO_ROOMS: 'on' } })
})
afterAll(() => world?.stop())

/** What a shell says that runs these lines. */
async function said(...scripts: readonly string[]): Promise<string[]> {
  const child = spawn('sh', ['-c', scripts.join('\n')], {
    env: { PATH: process.env.PATH ?? '', GW: world.gateway.url },
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect([code, err]).toEqual([0, ''])
  return out.trim().split('\n')
}

test('the shell blocks do what the page says', async ({ skip }) => {
  skip(missing.length > 0 && !process.env.CI, `${missing.join(', ')} is not installed`)
  const lines = await said(block('sh'), block('sh rooms'), block('sh directory'))
  expect(lines).toEqual([
    '["bob","TASK_STATE_COMPLETED","done"]',
    '[["bob","me"]]',
    'ann: hello',
    'bob',
    'TASK_STATE_WORKING',
  ])
}, 60_000)

test('the verbs of the command line do as well', async () => {
  const env = { WAYPOST_URL: world.gateway.url, WAYPOST_KEY: world.gateway.adminKey }
  const cli = async (...words: string[]) => {
    const { code, stdout, stderr } = await runCli([...words, '-o', 'json'], { env })
    expect([code, stderr], stdout).toEqual([0, ''])
    return JSON.parse(stdout)
  }
  await world.register({ name: 'carl' })
  await world.register({ name: 'dora' })
  expect(await cli('channel', 'create', 'news', '--members', 'carl')).toMatchObject({
    name: 'news',
    members: 1,
    collect: 'none',
  })
  const sent = await cli('channel', 'post', 'news', 'first')
  expect(sent.task.status.state).toBe('TASK_STATE_COMPLETED')
  expect((await cli('send', '-a', `#news@${new URL(world.gateway.url).host}`, 'second')).task.status.state).toBe(
    'TASK_STATE_COMPLETED',
  )
  expect(await cli('channel', 'join', 'news', 'dora', '--from', 'last:1')).toMatchObject({
    member: 'dora',
    replayed: 1,
  })
  expect((await cli('channel', 'show', '#news')).roster.map(({ agent }: { agent: string }) => agent)).toEqual([
    'carl',
    'dora',
  ])
  expect(await cli('channel', 'leave', 'news', 'dora')).toMatchObject({ left: true })
  expect((await cli('channel', 'list')).items.map(({ name }: { name: string }) => name)).toContain('news')
  expect((await cli('call', '@carl', 'a minute?', '--ring', '5', '--async')).task.status.state).toBe(
    'TASK_STATE_SUBMITTED',
  )
  expect(await cli('channel', 'remove', 'news', '--yes')).toMatchObject({ removed: true })
  const elsewhere = await runCli(['send', '-a', '#news@other.example', 'x'], { env })
  expect([elsewhere.code !== 0, elsewhere.stderr]).toEqual([true, expect.stringContaining('another gateway')])
}, 120_000)

test('rooms by the command line: opened, entered, spoken in, read, and followed', async () => {
  const env = { WAYPOST_URL: world.gateway.url, WAYPOST_KEY: world.gateway.adminKey }
  const cli = async (...words: string[]) => {
    const { code, stdout, stderr } = await runCli([...words, '-o', 'json'], { env })
    expect([code, stderr], stdout).toEqual([0, ''])
    return JSON.parse(stdout)
  }
  const { roomId } = await cli('room', 'create', 'hall', '--description', 'for all')
  expect((await cli('room', 'list')).items.find((one: { roomId: string }) => one.roomId === roomId)).toMatchObject({
    name: 'hall',
    description: 'for all',
  })
  expect(await cli('room', 'join', roomId)).toMatchObject({ roomId, agentName: 'operator' })
  expect((await cli('room', 'members', roomId)).participants).toEqual([{ agentName: 'operator', agent: false }])
  for (const text of ['one', 'two', 'three'])
    expect(await cli('room', 'post', roomId, text)).toMatchObject({ content: text })
  const contents = ({ messages }: { messages: { content: string }[] }) => messages.map(({ content }) => content)
  expect(contents(await cli('room', 'read', roomId, '--after', '1'))).toEqual(['two', 'three'])
  expect(contents(await cli('room', 'tail', roomId, '--lines', '1'))).toEqual(['three'])
  const following = startCli(['room', 'tail', roomId, '--lines', '1', '--follow', '-o', 'json'], { env })
  const lines = linesOf(following.stdout)
  expect(JSON.parse(await lines.next(() => true, 60_000))).toMatchObject({ id: 3, content: 'three' })
  await cli('room', 'post', roomId, 'four')
  const four = await lines.next((line) => line.includes('four'), 60_000)
  expect(JSON.parse(four)).toMatchObject({ id: 4, content: 'four', sender: 'operator', verified: true })
  const left = once(following, 'close')
  following.kill('SIGINT')
  await left
  expect(await cli('room', 'clear', roomId, '--yes')).toMatchObject({ cleared: true })
  expect(contents(await cli('room', 'tail', roomId))).toEqual([])
  expect((await runCli(['room', 'read', 'no-such-room'], { env })).code).not.toBe(0)
}, 120_000)
