/** All of them, in the order in which they are played. */
import { CHANNELS } from './channels.ts'
import { COLLECTS } from './collects.ts'
import { FORGETS } from './forgets.ts'
import { MANAGES } from './manages.ts'
import type { Scenario } from './scenario.ts'
import { SENDS } from './sends.ts'
import { WEBHOOKS } from './webhooks.ts'

export const SCENARIOS: readonly Scenario[] = [...SENDS, ...WEBHOOKS, ...COLLECTS, ...CHANNELS, ...MANAGES, ...FORGETS]
