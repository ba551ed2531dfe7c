/** A folder for one piece of work: the message and the task as JSON, the files that came, and a place for files to give back. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Artifact, Job, Message } from '../../client/mailbox.ts'
import { CliError } from '../errors.ts'

export interface Scratch {
  readonly folder: string
  /** The files in `out/`, each an artifact. Throws CliError when they are too many or too large. */
  artifacts(bytesMax: number): Artifact[]
  remove(): void
}

const FILES_MAX = 100

export function makeScratch({ task }: Job): Scratch {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-work-'))
  for (const part of ['in', 'out']) mkdirSync(join(folder, part))
  writeFileSync(join(folder, 'task.json'), JSON.stringify(task, null, 2))
  return {
    folder,
    artifacts: (bytesMax) => filesIn(join(folder, 'out'), bytesMax),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** What stands in the folder for this message. */
export function putMessage({ folder }: Scratch, message: Message): void {
  writeFileSync(join(folder, 'message.json'), JSON.stringify(message, null, 2))
  for (const [at, { raw, filename }] of message.parts.entries()) {
    if (raw === undefined) continue
    // Its name is the sender's word: only its last part, and only letters that no shell or file system minds.
    const given = basename(filename ?? '').replace(/[^\p{L}\p{N}._ -]/gu, '_')
    const name = /^\.*$/.test(given) ? `part-${at + 1}` : given.slice(0, 200)
    writeFileSync(join(folder, 'in', name), Buffer.from(raw, 'base64'))
  }
}

function filesIn(folder: string, bytesMax: number): Artifact[] {
  const names = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isFile() ? [entry.name] : []))
  const bytes = names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
  if (names.length > FILES_MAX || bytes > bytesMax)
    throw new CliError(
      'A2ACLI_ERR_USAGE',
      `out/ has ${names.length} files of ${bytes} bytes: ${FILES_MAX} and ${bytesMax} may be`,
    )
  return names.sort().map((filename) => {
    const raw = readFileSync(join(folder, filename)).toString('base64')
    return { artifactId: filename, name: filename, parts: [{ raw, filename, mediaType: mediaTypeOf(filename) }] }
  })
}

const TYPES: Readonly<Record<string, string>> = {
  txt: 'text/plain',
  md: 'text/markdown',
  html: 'text/html',
  csv: 'text/csv',
  json: 'application/json',
  pdf: 'application/pdf',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  svg: 'image/svg+xml',
  zip: 'application/zip',
}
const mediaTypeOf = (name: string): string =>
  TYPES[name.split('.').at(-1)?.toLowerCase() ?? ''] ?? 'application/octet-stream'
