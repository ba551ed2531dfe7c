/** Which program this is. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const VERSION: string = (
  JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string }
).version

/** How it names itself in requests of its own. */
export const USER_AGENT = `waypost/${VERSION}`
