/** What several rows of the command tree share. */
import type { OptionRow } from './commandRow.ts'

export const GATEWAY = 'Gateway:'

export const YES: OptionRow = ['--yes', 'do not ask']
export const DRY: OptionRow = ['--dry-run', 'only tell what would be done']
