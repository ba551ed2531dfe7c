/** `data export|erase`: everything of one caller, or of a tenant. */
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { problem, readJson, withQuery } from '../client.ts'
import { CliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'

export const exportData: Run = async (call) => {
  const path = withQuery('/v1/export', { caller: call.option('caller'), after: call.option('after') })
  const response = await call.gateway.raw(path)
  if (!response.ok || !response.body)
    throw problem(response.status, await readJson(response), call.gateway.key !== undefined)
  const file = call.option('out')
  const told = { tasks: 0, after: call.option('after'), whole: false }
  const lines = linesOf(Readable.fromWeb(response.body as never), told)
  if (file === undefined) for await (const line of lines) call.out.text(line)
  else await pipeline(lines, withEnds, createWriteStream(file, { mode: 0o600 }))
  if (!told.whole) throw brokenOff(told.after, call)
  if (file === undefined) return 0
  if (call.out.json) call.out.document({ file, tasks: told.tasks })
  else
    call.out.fields([
      ['Tasks', told.tasks],
      ['Saved', file],
    ])
  return 0
}

interface Told {
  tasks: number
  after: string | undefined
  whole: boolean
}

/** Line by line, however they come; notes where it could be gone on, and whether the end was there. */
async function* linesOf(body: AsyncIterable<Uint8Array>, told: Told): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      note(line, told)
      yield line
    }
  }
}

function note(line: string, told: Told): void {
  if (line.startsWith('{"kind":"task"')) told.tasks++
  else if (line.startsWith('{"kind":"cursor"')) told.after = (JSON.parse(line) as { after: string }).after
  else if (line.startsWith('{"kind":"end"')) told.whole = true
}

async function* withEnds(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`
}

const brokenOff = (after: string | undefined, { program }: Invocation): CliError =>
  new CliError('A2ACLI_ERR_UNREACHABLE', 'the export was broken off', {
    hint: `${program} data export${after ? ` --after ${after}` : ''}, with the rest as it was`,
  })

interface Erased {
  readonly done: boolean
  readonly tasks: number
  readonly left: number
}

export const eraseData: Run = async (call) => {
  const caller = call.option('caller')
  if ((caller === undefined) !== call.has('all'))
    throw usage('whose? --caller ID, or --all for everybody’s of the tenant', `${call.program} data erase --caller ID`)
  const order = { ...(caller === undefined ? { all: true } : { caller }), force: call.has('force') }
  const ask = async (more: object) => call.gateway.send('POST', '/v1/erase', { ...order, ...more })
  if (!call.has('yes')) {
    const { tasks, open } = (await ask({ dryRun: true })) as { tasks: number; open: number }
    if (!call.has('dry-run'))
      throw usage(
        `${tasks} tasks, ${open} of them open, and all else would be gone for good; say that you mean it`,
        'repeat it with --yes',
      )
    if (call.out.json) call.out.document({ dryRun: true, tasks, open })
    else call.out.fields(Object.entries({ Tasks: tasks, Open: open }))
    return 0
  }
  return erase(ask, call)
}

/** Each request does what fits in a few seconds. Broken off, the same command goes on. */
async function erase(ask: (more: object) => Promise<unknown>, { out }: Invocation): Promise<number> {
  let tasks = 0
  for (let resumed = false; ; resumed = true) {
    const answer = (await ask({ resumed })) as Erased
    tasks += answer.tasks
    if (answer.done) break
    out.note(`${tasks} tasks gone, ${answer.left} left`)
  }
  if (out.json) out.document({ erased: true, tasks })
  else out.fields([['Erased', `${tasks} tasks and all else`]])
  return 0
}
