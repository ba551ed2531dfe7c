/** §9 and §11: polling, output, exit codes. */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { linesOf, startCli } from '../run.ts'
import { block, type Check, cli, emptyDirectory, field, json, lines, type Ran } from './scene.ts'
import { aTask, startScripted } from './scripted.ts'

const working = { task: aTask('WORKING') }
const streaming = { capabilities: { streaming: true } }

/** Only fields, and blocks that are closed. Answers the labels. */
function grammarOf({ stdout }: Ran): string[] {
  const labels: string[] = []
  const rows = stdout.split('\n')
  expect(rows.pop()).toBe('')
  for (let at = 0; at < rows.length; at++) {
    const [, label, , value] = /^([^:]+):( (.*))?$/.exec(rows[at] as string) ?? []
    expect(label, `line ${at + 1} of\n${stdout}`).toBeDefined()
    labels.push(label as string)
    if (value !== undefined) continue
    const end = rows.indexOf('', at)
    expect(end, `the block ${label} is not closed in\n${stdout}`).toBeGreaterThan(at)
    at = end
  }
  return labels
}

export const WAITING: Record<string, Check> = {
  async A2ACLI_TASK_POLL_001({ official }) {
    const agent = await official({ capabilities: { streaming: false } })
    const { task } = json(await cli('send --async --text wait -o json -a', [agent.url]))
    expect(field(await cli('task get -a', [agent.url, task.id]), 'State')).toMatch(/SUBMITTED|WORKING/)
    const waiting = cli('task get --wait --poll-interval 50ms -o json -a', [agent.url, task.id])
    await agent.seen.count(4, ({ operation }) => operation === 'GetTask')
    agent.finish(task.id)
    expect(json(await waiting).status.state).toBe('TASK_STATE_COMPLETED')
  },

  async A2ACLI_TASK_POLL_002({ keep }) {
    const agent = await keep(startScripted(() => ({ result: aTask('WORKING') })))
    const [late, text] = await Promise.all([
      cli('task get --wait --poll-interval 100ms --timeout 1500ms -o json -a', [agent.url, 'task-1']),
      cli('task get --wait --poll-interval 30s --timeout 300ms -a', [agent.url, 'task-2']),
    ])
    expect([late.code, json(late).error.code, text.code]).toEqual([5, 'A2ACLI_ERR_TIMEOUT', 5])
    // Two questions at once, then 100 ms, 150 ms, 225 ms, … apart: without backoff it would be a dozen.
    const asked = agent.asked.filter(({ params }) => params.id === 'task-1').length
    expect(asked).toBeGreaterThanOrEqual(3)
    expect(asked).toBeLessThanOrEqual(9)
    expect(agent.asked.filter(({ params }) => params.id === 'task-2').length).toBeLessThanOrEqual(2)
    const sender = await keep(
      startScripted(({ method }) => ({ result: method === 'SendMessage' ? working : working.task })),
    )
    const child = startCli(['send', '--text', 'x', '-a', sender.url])
    const told = await linesOf(child.stderr).next((line) => line.includes('task-1'))
    child.kill('SIGINT')
    expect((await once(child, 'close'))[0]).toBe(130)
    expect(told).toContain(`task get --wait -a ${sender.url} task-1`)
    const mute = await keep(startScripted(() => 'silence'))
    const silent = await cli('send --timeout 300ms --text x -o json -a', [mute.url])
    expect([silent.code, json(silent).error.code]).toEqual([5, 'A2ACLI_ERR_TIMEOUT'])
  },

  async A2ACLI_TASK_POLL_003({ official, keep }) {
    const agent = await official({ capabilities: { streaming: false } })
    const [input, auth] = await Promise.all([
      cli('send --text input -a', [agent.url]),
      cli('send --text auth -a', [agent.url]),
    ])
    expect([input, auth].map((ran) => [ran.code, field(ran, 'State')])).toEqual([
      [0, 'INPUT_REQUIRED'],
      [0, 'AUTH_REQUIRED'],
    ])
    agent.finish(field(auth, 'Task') as string)
    const unsure = await keep(
      startScripted(({ before }) => ({ result: aTask(before < 2 ? 'UNSPECIFIED' : 'COMPLETED') })),
    )
    const waited = await cli('task get --wait --poll-interval 20ms -a', [unsure.url, 'task-1'])
    expect([field(waited, 'State'), unsure.asked.length]).toEqual(['COMPLETED', 3])
    const forever = await keep(startScripted(() => ({ result: aTask('UNSPECIFIED') })))
    const [once1, late] = await Promise.all([
      cli('task get -a', [forever.url, 'task-1']),
      cli('task get --wait --poll-interval 50ms --timeout 300ms -a', [forever.url, 'task-1']),
    ])
    expect([field(once1, 'State'), late.code]).toEqual(['UNSPECIFIED', 5])
  },

  async A2ACLI_TASK_POLL_004({ keep }) {
    const agent = await keep(
      startScripted(({ method, before }) => {
        if (method === 'SendMessage') return { result: working }
        if (method === 'SubscribeToTask') return { frames: [{ result: working }], after: 'cut' }
        return { result: aTask(before < 2 ? 'WORKING' : 'COMPLETED') }
      }, streaming),
    )
    const sent = await cli('send --text x --poll-interval 20ms -a', [agent.url])
    expect([sent.code, field(sent, 'State')]).toEqual([0, 'COMPLETED'])
    expect(new Set(agent.asked.map(({ method }) => method))).toEqual(
      new Set(['SendMessage', 'SubscribeToTask', 'GetTask']),
    )
  },

  async A2ACLI_OUT_001({ official }) {
    const agent = await official({})
    const first = json(await cli('send --text hi -o json -a', [agent.url]))
    const ids = [first.task.id, first.task.contextId, 'COMPLETED']
    const verbs = ['task get', 'task download --overwrite --out out', 'task push-config list']
    for (const ran of await Promise.all(verbs.map((verb) => cli(`${verb} -a`, [agent.url, first.task.id])))) {
      expect(ran.code).toBe(0)
      expect(['Task', 'Context', 'State'].map((label) => field(ran, label))).toEqual(ids)
    }
    const stream = await cli('send --text hi --stream -a', [agent.url])
    const tail = stream.stdout.trimEnd().split('\n')
    expect(tail.findLastIndex((line) => /^Task: /.test(line))).toBeGreaterThan(
      tail.findLastIndex((line) => /^Artifact/.test(line)),
    )
    for (const more of [[], ['--stream'], ['--debug'], ['--verbose'], ['--debug', '--stream']]) {
      const ran = await cli('send --text hi -o json -a', [agent.url, ...more])
      const told = more.includes('--stream') ? lines(ran) : [json(ran)]
      const last = told.at(-1)
      expect((last.task ?? last.statusUpdate).contextId).toBeTruthy()
      expect(last.task?.id ?? last.statusUpdate.taskId).toBeTruthy()
      expect((last.task ?? last.statusUpdate).status.state).toBe('TASK_STATE_COMPLETED')
      if (more.includes('--debug')) expect(ran.stderr).toContain('debug: ')
    }
  },

  async A2ACLI_OUT_002({ agent }) {
    const env = { A2ACLI_STREAM: '1', A2ACLI_OUTPUT: 'json' }
    const { task } = json(await cli('send --text parts -a', [agent.url], { env }))
    expect(task.status.state).toBe('TASK_STATE_COMPLETED')
    const listed = json(await cli('task list -o json -a', [agent.url]))
    expect(Array.isArray(listed.tasks)).toBe(true)
    const shapes = await Promise.all([
      cli('task get -o json -a', [agent.url, task.id]),
      cli('card get -o json -a', [agent.url]),
      cli('send --text message -o json -a', [agent.url]),
    ])
    expect(shapes.map(json)).toMatchObject([{ id: task.id }, { name: 'official' }, { message: { role: 'ROLE_AGENT' } }])
    const open = json(await cli('send --async --text wait -o json -a', [agent.url])).task
    const subscribed = cli('task subscribe -o json -a', [agent.url, open.id])
    await agent.seen.next(({ operation, params }) => operation === 'SubscribeToTask' && params.id === open.id)
    agent.finish(open.id)
    expect(json(await subscribed)).toMatchObject({ id: open.id, status: { state: 'TASK_STATE_COMPLETED' } })
  },

  async A2ACLI_OUT_003({ agent, keep }) {
    const child = startCli(['send', '--text', 'wait', '--stream', '-o', 'json', '-a', agent.url])
    const log = linesOf(child.stdout)
    // It is there while the task still runs: flushed as it came.
    const { task } = JSON.parse(await log.next((line) => line.includes('"task"')))
    agent.finish(task.id)
    await once(child, 'close')
    expect(log.entries.map((line) => JSON.parse(line)).at(-1).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED')
    const failing = await keep(
      startScripted(
        () => ({ frames: [{ result: working }, { error: { code: -32603, message: 'broke' } }], after: 'end' }),
        streaming,
      ),
    )
    const broken = await cli('send --text x --stream -o json -a', [failing.url])
    expect(lines(broken)).toMatchObject([{ task: { id: 'task-1' } }, { error: { code: 'InternalError' } }])
    expect(broken.code).toBe(1)
    const shapes = await Promise.all(
      ['task get', 'task list', 'card get'].map((verb) =>
        cli(`${verb} --stream -o json -a`, [agent.url, ...(verb === 'task get' ? [task.id] : [])]),
      ),
    )
    for (const ran of shapes) for (const line of ran.stdout.trimEnd().split('\n')) JSON.parse(line)
    expect(lines(shapes[1] as Ran)[0].id).toBeTruthy()
  },

  async A2ACLI_OUT_004({ official }) {
    const agent = await official({})
    const verbs = ['task get', 'task cancel', 'task subscribe']
    const told = await Promise.all(
      verbs.flatMap((verb) =>
        ['JSONRPC', 'HTTP+JSON'].map(async (binding) => {
          const ran = await cli(`${verb} -o json --transport ${binding} -a`, [agent.url, 'nobody'])
          const { code, hint, message } = json(ran).error
          expect(Object.keys(json(ran).error)).toEqual(['code', 'message', 'hint', 'a2aCode'])
          return { exit: ran.code, code, hint: Boolean(hint), message: Boolean(message) }
        }),
      ),
    )
    expect(told).toEqual(Array(6).fill({ exit: 1, code: 'TaskNotFoundError', hint: true, message: true }))
    const local = await Promise.all([
      cli('send -o json --no-such-flag'),
      cli('card get -o json -a http://127.0.0.1:9'),
      cli('card get -o json -a ./none.json'),
    ])
    expect(local.map((ran) => json(ran).error.code)).toEqual([
      'A2ACLI_ERR_USAGE',
      'A2ACLI_ERR_UNREACHABLE',
      'A2ACLI_ERR_CARD_NOT_FOUND',
    ])
    expect(local.every((ran) => json(ran).error.hint)).toBe(true)
    const text = await cli('task get -a', [agent.url, 'nobody'])
    expect([text.stdout, /^Error: TaskNotFoundError: /.test(text.stderr)]).toEqual(['', true])
  },

  async A2ACLI_OUT_005({ agent }) {
    const { task } = json(await cli('send --text parts -o json -a', [agent.url]))
    const rans = await Promise.all([
      cli('send --text parts -a', [agent.url]),
      cli('send --text parts --stream --color always -a', [agent.url]),
      cli('send --text input -a', [agent.url]),
      cli('send --text message -a', [agent.url]),
      cli('task get --history 3 -a', [agent.url, task.id]),
      cli('card get -a', [agent.url]),
      cli('config show'),
    ])
    const labels = rans.map(grammarOf)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is about them
    for (const { stdout } of rans) expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/)
    expect(labels[0]?.slice(0, 5)).toEqual(['Task', 'Context', 'State', 'Message', 'Artifact'])
    expect(grammarOf(await cli('send --text parts -a', [agent.url]))).toEqual(labels[0])
    // The interactive mode without a terminal: the same text, and it ends with its input.
    const chat = await cli('chat -a', [agent.url], { input: 'hello\n' })
    expect([chat.code, grammarOf(chat)[0]]).toEqual([0, 'Task'])
  },

  async A2ACLI_OUT_006({ agent }) {
    const [text, whole] = await Promise.all([
      cli('send --async --text wait -a', [agent.url]),
      cli('send --async --text wait -o json -a', [agent.url]),
    ])
    const { task } = json(whole)
    expect([task.id, task.contextId, field(text, 'Task'), field(text, 'Context')].every(Boolean)).toBe(true)
    expect(field(text, 'Resume')).toContain('task get --wait')
    for (const id of [task.id, field(text, 'Task') as string]) {
      agent.finish(id)
      expect(json(await cli('task get --wait --poll-interval 50ms -o json -a', [agent.url, id])).id).toBe(id)
    }
  },

  async A2ACLI_EXIT_001({ agent, keep }) {
    const stuck = await keep(startScripted(() => ({ result: aTask('WORKING') })))
    const rows: readonly (readonly [Promise<Ran>, number, RegExp])[] = [
      [cli('task get -o json -a', [agent.url, 'nobody']), 1, /^TaskNotFoundError$/],
      [cli('task get -o json -a', [agent.url]), 2, /^A2ACLI_ERR_USAGE$/],
      [cli('send -o json --text x -a http://127.0.0.1:9'), 3, /^A2ACLI_ERR_UNREACHABLE$/],
      [cli('send -o json --text x -a', [`${agent.url}nothing/here`]), 3, /^A2ACLI_ERR_CARD_NOT_FOUND$/],
      [cli('task get --wait --timeout 100ms -o json -a', [stuck.url, 'task-1']), 5, /^A2ACLI_ERR_TIMEOUT$/],
    ]
    for (const [running, code, name] of rows) {
      const ran = await running
      expect([ran.code, name.test(json(ran).error.code)], ran.stdout).toEqual([code, true])
    }
    expect((await cli('send --text hi -a', [agent.url])).code).toBe(0)
  },

  async A2ACLI_EXIT_002({ agent }) {
    const told = await Promise.all(
      ['fail', 'reject', 'input', 'auth'].map(async (text) => {
        const ran = await cli('send -a', [agent.url, '--text', text])
        agent.finish(field(ran, 'Task') as string)
        const state = field(ran, 'State') as string
        return [ran.code, state, ran.stderr.includes(state)]
      }),
    )
    expect(told).toEqual(['FAILED', 'REJECTED', 'INPUT_REQUIRED', 'AUTH_REQUIRED'].map((state) => [0, state, true]))
  },

  async A2ACLI_TASK_SUBSCRIBE_001({ agent }) {
    const { task } = json(await cli('send --async --text wait -o json -a', [agent.url]))
    const child = startCli(['task', 'subscribe', '--stream', '-o', 'json', '-a', agent.url, task.id])
    const log = linesOf(child.stdout)
    expect(JSON.parse(await log.next()).task.id).toBe(task.id)
    agent.finish(task.id)
    expect((await once(child, 'close'))[0]).toBe(0)
    expect(JSON.parse(log.entries.at(-1) as string).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED')
  },

  async A2ACLI_TASK_SUBSCRIBE_002({ keep, atGateway, world }) {
    const update = (state: string) => ({
      statusUpdate: { taskId: 'task-1', contextId: 'context-1', status: aTask(state).status },
    })
    const agent = await keep(
      startScripted(
        ({ before }) =>
          before === 0
            ? { frames: [{ result: { task: aTask('SUBMITTED') } }, { result: update('WORKING') }], after: 'cut' }
            : { frames: [{ result: working }, { result: update('COMPLETED') }], after: 'end' },
        streaming,
      ),
    )
    const ran = await cli('task subscribe --stream -o json -a', [agent.url, 'task-1'])
    expect(lines(ran).at(-1)).toMatchObject(update('COMPLETED'))
    expect(agent.asked.map(({ method }) => method)).toEqual(['SubscribeToTask', 'SubscribeToTask'])
    // Where the server numbers its events, from a position: our gateway does.
    const { ref, env } = atGateway()
    const finished = world.next('task.finished')
    const { task } = json(await cli('send --text hi --async -o json -a', [ref], { env }))
    await finished
    const rest = await cli('task subscribe --stream -o json --last-event-id 1 -a', [ref, task.id], { env })
    expect(Object.keys(lines(rest)[0])).toEqual(['statusUpdate'])
  },

  async A2ACLI_TASK_LIST_001({ agent }) {
    const { contextId } = json(await cli('send --text one -o json -a', [agent.url])).task
    for (const text of ['two', 'input']) await cli('send -a', [agent.url, '--context-id', contextId, '--text', text])
    const page = (...more: string[]) => cli('task list -o json -a', [agent.url, '--context-id', contextId, ...more])
    const [all, first, asking] = await Promise.all([page(), page('--limit', '2'), page('--state', 'input-required')])
    expect([json(all).tasks.length, json(first).tasks.length, json(asking).tasks.length]).toEqual([3, 2, 1])
    const second = json(await page('--limit', '2', '--page-token', json(first).nextPageToken))
    expect([second.tasks.length, second.nextPageToken]).toEqual([1, ''])
    const text = await cli('task list -a', [agent.url, '--context-id', contextId, '--limit', '2'])
    expect([field(text, 'Task'), field(text, 'State'), field(text, 'Next page')].every(Boolean)).toBe(true)
    expect((await page('--state', 'no-such-state')).code).toBe(2)
  },

  async A2ACLI_DOWNLOAD_001({ agent }) {
    const cwd = emptyDirectory()
    const { task } = json(await cli('send --text parts -o json -a', [agent.url]))
    const ran = await cli('task download --out made -a', [agent.url, task.id], { cwd })
    expect(ran.stdout.match(/^Saved: .*$/gm)).toEqual([
      'Saved: made/result-1.txt',
      'Saved: made/result-2.json',
      'Saved: made/out.pdf',
    ])
    const { readFileSync } = await import('node:fs')
    expect(readFileSync(join(cwd, 'made/out.pdf'), 'utf8')).toBe('%PDF-1')
    writeFileSync(join(cwd, 'made/out.pdf'), 'mine')
    const again = await cli('task download --out made -o json -a', [agent.url, task.id], { cwd })
    expect([again.code, readFileSync(join(cwd, 'made/out.pdf'), 'utf8')]).toEqual([2, 'mine'])
    expect(block(await cli('task get -a', [agent.url, task.id], { cwd }), 'Data')).toContain('"n": 1')
  },
}
