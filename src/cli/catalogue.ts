/** What `waypost explain` knows: every WAYPOST_ERR_* with its cause, its effect, its remedy, an example. */
import { ASKING } from './catalogue/asking.ts'
import { CARRYING } from './catalogue/carrying.ts'
import type { Page } from './catalogue/page.ts'
import { RUNNING } from './catalogue/running.ts'

export const CATALOGUE: Readonly<Record<string, Page>> = { ...RUNNING, ...CARRYING, ...ASKING }
