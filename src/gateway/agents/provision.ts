/** Agents from a folder: one JSON document per file, the file's name is the agent's. */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { A2AError } from '../../a2a/errors.ts'
import { type ParsedRegistration, parseRegistration } from './registration.ts'

export interface CardProblem {
  readonly file: string
  readonly problem: string
}
export interface CardFile extends ParsedRegistration {
  readonly file: string
}

/** A card file larger than this is a mistake. */
const CARD_FILE_BYTES_MAX = 256 * 1024

/** Reads every `*.json`; what is wrong in one file is told and does not keep the others from being read. A missing folder is empty. */
export function readCards(folder: string): { cards: CardFile[]; problems: CardProblem[] } {
  const cards: CardFile[] = []
  const problems: CardProblem[] = []
  for (const file of filesOf(folder)) {
    try {
      cards.push({ file, ...readCard(join(folder, file)) })
    } catch (error) {
      problems.push({ file, problem: problemOf(error) })
    }
  }
  return { cards, problems }
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function readCard(path: string): ParsedRegistration {
  const text = readFileSync(path, 'utf8')
  if (text.length > CARD_FILE_BYTES_MAX) throw new SyntaxError(`larger than ${CARD_FILE_BYTES_MAX} bytes`)
  const json: unknown = JSON.parse(text)
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new SyntaxError('not a JSON object')
  const name = basename(path, '.json').toLowerCase()
  const said = (json as { name?: unknown }).name
  if (said !== undefined && String(said).toLowerCase() !== name)
    throw new SyntaxError(`"name" says ${JSON.stringify(said).slice(0, 80)}, the file's name says ${name}`)
  return parseRegistration({ ...json, name })
}

const problemOf = (error: unknown): string =>
  error instanceof A2AError && error.detail.violations
    ? error.detail.violations.map(({ field, description }) => `${field}: ${description}`).join('; ')
    : (error as Error).message
