/** §10.1–§10.4 and §8: cards, sending, tasks, continuing. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect } from 'vitest'
import { filesBelow } from './files.ts'
import type { Loose } from './loose.ts'
import { PARTS } from './official.ts'
import { block, type Check, cli, emptyDirectory, field, json, lines } from './scene.ts'

const partsSent = (agent: { calls(): readonly { params: Loose }[] }, marker: string) =>
  agent
    .calls()
    .map(({ params }) => params.message?.parts as Loose[] | undefined)
    .find((parts) => parts?.some(({ text }) => text === marker))

export const SENDING: Record<string, Check> = {
  async A2ACLI_CARD_GET_001({ agent, official }) {
    const host = agent.url.replace(/^http:\/\/|\/$/g, '')
    const url = `${agent.url}.well-known/agent-card.json`
    const file = join(emptyDirectory(), 'card.json')
    writeFileSync(file, await (await fetch(url)).text())
    const cards = await Promise.all(
      [host, url, file, pathToFileURL(file).href].map(async (ref) => json(await cli('card get -o json -a', [ref]))),
    )
    expect(cards.map(({ name }) => name)).toEqual(Array(4).fill('official'))
    const text = await cli('card get -a', [agent.url])
    expect(
      ['Name', 'Streaming', 'Push notifications', 'Extended card', 'Skill'].map((label) => field(text, label)),
    ).toEqual(['official', 'yes', 'yes', 'no', 'script: Script – does as it is told'])
    expect(text.stdout.match(/^Interface: /gm)).toHaveLength(2)
    expect(field(text, 'Transport')).toBe(`JSONRPC ${agent.url}rpc`)
    const rest = await official({ bindings: ['HTTP+JSON'] })
    await cli('send --text hi -a', [file.replace('card.json', 'none.json')]).then(({ code }) => expect(code).toBe(3))
    expect((await cli('send -a', [rest.url, '--text', 'hi'])).code).toBe(0)
    expect(rest.calls()[0]?.path).toBe('/rest/message:send')
  },

  async A2ACLI_SEND_001({ agent, atGateway }) {
    const answer = json(await cli('send -o json -a', [agent.url, '--text', 'hello']))
    expect(answer.task).toMatchObject({ status: { state: 'TASK_STATE_COMPLETED' }, artifacts: [{ name: 'result' }] })
    const { ref, env } = atGateway()
    const through = json(await cli('send -o json --text hello -a', [ref], { env }))
    expect(through.task.artifacts[0].parts).toEqual(answer.task.artifacts[0].parts)
  },

  async A2ACLI_SEND_002({ agent }) {
    const [waited, left, ...aliases] = await Promise.all(
      ['', '--async', '--no-wait', '--return-immediately'].map((flag) =>
        cli('send -o json -a', [agent.url, '--text', flag ? 'wait' : 'hi', ...(flag ? [flag] : [])]),
      ),
    )
    expect(json(waited!).task.status.state).toBe('TASK_STATE_COMPLETED')
    for (const one of [left!, ...aliases]) {
      expect(json(one).task.status.state).toMatch(/SUBMITTED|WORKING/)
      expect([json(one).task.id, json(one).task.contextId].every(Boolean)).toBe(true)
      agent.finish(json(one).task.id)
    }
  },

  async A2ACLI_SEND_003({ agent, official }) {
    const plain = await official({ capabilities: { streaming: false } })
    const [streamed, unstreamed, message, text] = await Promise.all([
      cli('send --stream -o json --text hi -a', [agent.url]),
      cli('send --stream -o json --text hi -a', [plain.url]),
      cli('send --stream -o json --text message -a', [agent.url]),
      cli('send --stream --text message -a', [agent.url]),
    ])
    const kinds = lines(streamed!).map((event) => Object.keys(event)[0])
    expect([kinds[0], kinds.at(-1)]).toEqual(['task', 'statusUpdate'])
    expect(lines(unstreamed!).map(({ task }) => task.status.state)).toEqual(['TASK_STATE_COMPLETED'])
    expect(plain.calls().some(({ operation }) => operation === 'SendStreamingMessage')).toBe(false)
    expect(lines(message!)).toMatchObject([{ message: { parts: [{ text: 'direct' }] } }])
    expect([message!.code, text!.code, block(text!, 'Message')]).toEqual([0, 0, 'direct'])
  },

  async A2ACLI_SEND_004({ agent }) {
    const [text, whole] = await Promise.all([
      cli('send --text parts -a', [agent.url]),
      cli('send --text parts -o json -a', [agent.url]),
    ])
    expect(field(text, 'Artifact')).toBe('result')
    expect(block(text, 'Text')).toBe('first line\n \nthird line')
    expect(JSON.parse(block(text, 'Data') ?? '')).toEqual(PARTS[1]?.data)
    const files = text.stdout.match(/^File: .*$/gm)
    expect(files?.[0]).toBe('File: out.pdf, application/pdf, 6 bytes')
    expect(files?.[1]).toContain('big.bin, application/octet-stream')
    expect(json(whole).task.artifacts[0].parts).toMatchObject(PARTS)
  },

  async A2ACLI_SEND_005({ agent }) {
    const cwd = emptyDirectory()
    for (const name of ['a.bin', 'b.pdf']) writeFileSync(join(cwd, name), 'x')
    const args = ['--text', 'typed', '--file', 'a.bin', '--media-type', 'application/x-a', '--file', 'b.pdf']
    expect((await cli('send -a', [agent.url, ...args], { cwd })).code).toBe(0)
    expect(partsSent(agent, 'typed')?.map(({ mediaType }) => mediaType)).toEqual([
      undefined,
      'application/x-a',
      'application/pdf',
    ])
    const lone = await cli('send -o json -a', [agent.url, '--media-type', 'text/plain', '--text', 'x'])
    expect([lone.code, json(lone).error.code]).toEqual([2, 'A2ACLI_ERR_USAGE'])
  },

  async A2ACLI_SEND_006({ agent }) {
    const cwd = emptyDirectory()
    writeFileSync(join(cwd, 'f.txt'), 'content')
    const args = [
      '--data',
      '-',
      '--text',
      'ordered',
      '--file',
      'f.txt',
      '--file',
      'https://files.example.test/f.txt',
      '--text',
      'last',
    ]
    expect((await cli('send -a', [agent.url, ...args], { cwd, input: '{"k":[1]}' })).code).toBe(0)
    expect(partsSent(agent, 'ordered')).toMatchObject([
      { data: { k: [1] } },
      { text: 'ordered' },
      { raw: Buffer.from('content').toString('base64'), filename: 'f.txt' },
      { url: 'https://files.example.test/f.txt' },
      { text: 'last' },
    ])
  },

  async A2ACLI_TASK_GET_001({ agent }) {
    const { task } = json(await cli('send --text parts -o json -a', [agent.url]))
    const [text, whole] = await Promise.all([
      cli('task get --history 5 -a', [agent.url, task.id]),
      cli('task get --history 5 -o json -a', [agent.url, task.id]),
    ])
    expect(['Task', 'Context', 'State', 'Artifact'].map((label) => field(text, label))).toEqual([
      task.id,
      task.contextId,
      'COMPLETED',
      'result',
    ])
    expect(text.stdout).toMatch(/^History: USER\nText:\nparts\n\n/m)
    expect(json(whole)).toMatchObject({ id: task.id, artifacts: [{ parts: PARTS }] })
    expect(agent.calls().findLast(({ operation }) => operation === 'GetTask')?.params.historyLength).toBe(5)
  },

  async A2ACLI_TASK_CANCEL_001({ agent }) {
    const { task } = json(await cli('send --async --text wait -o json -a', [agent.url]))
    const canceled = await cli('task cancel -a', [agent.url, task.id])
    expect([canceled.code, field(canceled, 'Task'), field(canceled, 'State')]).toEqual([0, task.id, 'CANCELED'])
    const again = await cli('task cancel -o json -a', [agent.url, task.id])
    expect([again.code, json(again).status.state]).toEqual([0, 'TASK_STATE_CANCELED'])
    const { task: ended } = json(await cli('send --text hi -o json -a', [agent.url]))
    const late = await cli('task cancel -o json -a', [agent.url, ended.id])
    expect([late.code, json(late).error.code]).toEqual([1, 'TaskNotCancelableError'])
  },

  async A2ACLI_INTERACT_001({ agent }) {
    const first = json(await cli('send --text one -o json -a', [agent.url])).task
    const second = json(await cli('send --text two -o json -a', [agent.url, '--context-id', first.contextId])).task
    expect(second.contextId).toBe(first.contextId)
    expect(second.id).not.toBe(first.id)
  },

  async A2ACLI_INTERACT_002({ official }) {
    const agent = await official({})
    const asked = json(await cli('send --text input -o json -a', [agent.url])).task
    const reply = (more: string[]) => cli('send --text blue -o json -a', [agent.url, '--task-id', ...more])
    const answered = await reply([asked.id])
    expect(json(answered).task).toMatchObject({ id: asked.id, contextId: asked.contextId })
    const before = agent.calls().length
    const [unknown, ended, mismatched] = await Promise.all([
      reply(['no-such-task']),
      reply([asked.id]),
      reply([asked.id, '--context-id', 'another']),
    ])
    expect(json(unknown!).error.code).toBe('TaskNotFoundError')
    for (const one of [unknown, ended, mismatched]) {
      expect(one!.code).toBe(1)
      expect(json(one!).error.hint).toContain('--debug')
      expect(json(one!).error.code).not.toMatch(/^A2ACLI_ERR_/)
    }
    // One request each, and each named the task: nothing was tried without it.
    const sent = agent.calls().slice(before)
    expect(sent.map(({ params }) => Boolean(params.message.taskId))).toEqual([true, true, true])
  },

  async A2ACLI_INTERACT_003({ agent }) {
    await cli('send --text fresh-start -a', [agent.url])
    const sent = agent.calls().find(({ params }) => params.message?.parts?.[0]?.text === 'fresh-start')
    expect(Object.keys(sent?.params.message).sort()).toEqual(['messageId', 'parts', 'role'])
    const { stdout } = await cli('help send')
    expect(stdout).not.toMatch(/session/i)
  },

  async A2ACLI_INTERACT_004({ agent }) {
    const asked = await cli('send --text input -a', [agent.url])
    const [task, context] = [field(asked, 'Task') as string, field(asked, 'Context') as string]
    expect(field(asked, 'State')).toBe('INPUT_REQUIRED')
    const resume = field(asked, 'Resume') as string
    expect(resume).toBe(`waypost send -a ${agent.url} --task-id ${task} --text "…"`)
    // Copied and pasted, it goes on with that task.
    const words = resume.replace(/^waypost | --text "…"$/g, '')
    const done = await cli(words, ['--text', 'blue'])
    expect([field(done, 'Task'), field(done, 'Context'), field(done, 'State')]).toEqual([task, context, 'COMPLETED'])
    expect(json(await cli('task get -o json -a', [agent.url, task]))).toMatchObject({ id: task, contextId: context })
  },

  async A2ACLI_INTERACT_005({ agent }) {
    const cwd = emptyDirectory()
    await cli('send --text input -a', [agent.url], { cwd })
    await cli('send --async --text hi -a', [agent.url], { cwd })
    expect(filesBelow(cwd)).toEqual([])
    const { stdout } = await cli('help send')
    expect(stdout).not.toMatch(/--continue|--resume|--last\b/)
    expect((await cli('send --continue --text x -a', [agent.url], { cwd })).code).toBe(2)
  },
}
