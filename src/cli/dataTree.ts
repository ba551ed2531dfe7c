/** Everything of one caller, or of a tenant: taken along, or gone. */
import type { CommandRow } from './commandRow.ts'
import { DRY, GATEWAY, YES } from './rows.ts'

const data = async () => import('./commands/data.ts')

export const DATA: readonly CommandRow[] = [
  {
    path: 'data export',
    group: GATEWAY,
    about: 'everything of a caller or of the tenant as JSON lines, without secrets',
    options: [
      ['--caller <id>', 'only what is this caller’s (default: everybody’s of the tenant)'],
      ['--out <file>', 'where to (default: standard output)'],
      ['--after <task>', 'go on behind this task, as the last line of kind cursor says'],
    ],
    examples: ['data export --caller billing --out billing.jsonl', 'data export --tenant acme > acme.jsonl'],
    run: async () => (await data()).exportData,
  },
  {
    path: 'data erase',
    group: GATEWAY,
    about: 'remove everything of a caller or of the tenant; of the audit nothing, where only ids stand',
    options: [
      ['--caller <id>', 'what is this caller’s'],
      ['--all', 'what is anybody’s of the tenant'],
      ['--force', 'end what has not ended first (default: refuse while anything is open)'],
      YES,
      DRY,
    ],
    examples: ['data erase --caller billing --dry-run', 'data erase --tenant acme --all --force --yes'],
    run: async () => (await data()).eraseData,
  },
]
