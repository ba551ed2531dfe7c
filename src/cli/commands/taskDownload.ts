/** `task download`: saves what a task has made. Names come from the agent, so only their last segment is taken. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import type { Part } from '../../a2a/parts.ts'
import type { Task } from '../../a2a/tasks.ts'
import { usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { stateName } from '../render.ts'
import { agentOf, taskId } from './task.ts'

interface Saved {
  readonly name: string
  readonly content: Buffer | string
}

export const taskDownload: Run = async (call) => {
  const client = await agentOf(call)
  const task = await client.call('GetTask', { id: taskId(call) })
  const folder = call.option('out') ?? '.'
  const files = filesOf(task, call)
  const there = call.has('overwrite') ? undefined : files.find(({ name }) => existsSync(join(folder, name)))
  // All or nothing: half of the files would have to be told from the old ones by hand.
  if (there)
    throw usage(`${join(folder, there.name)} is there already; nothing was saved`, '--overwrite, or --out <folder>')
  mkdirSync(folder, { recursive: true })
  for (const { name, content } of files) writeFileSync(join(folder, name), content)
  tell(
    task,
    files.map(({ name }) => join(folder, name)),
    call,
  )
  return 0
}

/** With -o json the task itself, as A2A has it; the paths are then said on stderr. */
function tell(task: Task, paths: readonly string[], { out }: Invocation): void {
  if (out.json) {
    out.document(task)
    for (const path of paths) out.note(`saved: ${path}`)
    return
  }
  out.fields([
    ['Task', task.id],
    ['Context', task.contextId ?? ''],
    ['State', stateName(task.status.state)],
    ...paths.map((path) => ['Saved', path] as const),
  ])
}

function filesOf(task: Task, { out }: Invocation): readonly Saved[] {
  const files = new Map<string, Saved>()
  for (const artifact of task.artifacts ?? []) {
    for (const [at, part] of artifact.parts.entries()) {
      const content = contentOf(part)
      if (content === undefined) {
        out.note(`not saved, it is a reference: ${part.url}`)
        continue
      }
      const own = `${artifact.name ?? artifact.artifactId}-${at + 1}${part.text === undefined ? '.json' : '.txt'}`
      const name = free(safeName(part.filename ?? own), files)
      files.set(name, { name, content })
    }
  }
  return [...files.values()]
}

function contentOf(part: Part): Buffer | string | undefined {
  if (part.raw !== undefined) return Buffer.from(part.raw, 'base64')
  return part.text ?? ('data' in part ? JSON.stringify(part.data, null, 2) : undefined)
}

/** Two artifacts of one name become `report.txt` and `report-2.txt`. */
function free(name: string, taken: ReadonlyMap<string, unknown>): string {
  const ending = extname(name)
  let found = name
  for (let n = 2; taken.has(found); n++) found = `${name.slice(0, name.length - ending.length)}-${n}${ending}`
  return found
}

const safeName = (name: string): string => basename(name.replaceAll('\\', '/')).replace(/^\.+/, '') || 'artifact'
