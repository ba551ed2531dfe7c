/** How long, how many, how hard. */
import type { OperationRow } from './operations.ts'
import { ARCHIVE, RETENTION_SECONDS } from './purged.ts'
import type { Way } from './speech.ts'

export interface Profile {
  readonly name: string
  readonly seconds: number
  readonly replicas: number
  readonly clients: number
  /** Messages that who does not wait sends side by side. */
  readonly burst?: number
  /** Push URLs that each caller has; default 3. */
  readonly pushPaths?: number
  readonly messagesMax: number
  /** Mean time between faults. */
  readonly everyMs: number
  readonly classesMin: number
  readonly faultsAtOnce: number
  /** Goes on after its time until so many tasks are accepted and so many faults have come, but no longer than `secondsMax`. */
  readonly tasksMin?: number
  readonly faultsMin?: number
  readonly secondsMax?: number
  /** Before the end: other callers' tasks beside a dead agent, and three times the load. */
  readonly trials?: boolean
  readonly only?: readonly string[]
  /** None of these. */
  readonly avoid?: RegExp
  readonly operations?: Partial<Readonly<Record<OperationRow, number>>>
  readonly scripts?: Readonly<Record<string, number>>
  readonly agents?: Readonly<Record<string, number>>
  readonly ways?: readonly Way[]
  /** How long it may take until nothing waits any more. */
  readonly quietMs?: number
  /** Of the replicas. */
  readonly env?: Readonly<Record<string, string>>
  /** Made to the database before the gateway starts. */
  readonly sql?: readonly string[]
}

/** For every change: a small one of everything. */
const test: Profile = {
  name: 'test',
  seconds: 12,
  replicas: 2,
  clients: 8,
  messagesMax: 600,
  everyMs: 900,
  classesMin: 10,
  avoid:
    /longer than a lease|ten minutes off|old snapshot|slow headers|stands still|statement on its way|descriptors|herd waits|card of an|nobody catches|has jumped/,
  faultsAtOnce: 2,
}
const smoke: Profile = {
  name: 'smoke',
  seconds: 90,
  replicas: 2,
  clients: 24,
  burst: 4,
  messagesMax: 40_000,
  everyMs: 3_000,
  classesMin: 15,
  faultsAtOnce: 2,
  faultsMin: 15,
  tasksMin: 2_000,
  secondsMax: 180,
}
const main: Profile = {
  name: 'main',
  seconds: 600,
  replicas: 3,
  clients: 32,
  burst: 12,
  messagesMax: 400_000,
  everyMs: 4_000,
  classesMin: 24,
  faultsAtOnce: 3,
  faultsMin: 120,
  tasksMin: 50_000,
  secondsMax: 1_200,
  trials: true,
}
/** One leg of a release; its runner puts as many behind each other as are asked for. */
const leg: Profile = { ...main, name: 'release', seconds: 900, faultsMin: 180, tasksMin: 60_000, secondsMax: 1_500 }

/** Purge during load: what has ended goes after seconds. Nobody says again what he said long ago: it would be another message. */
const retention: Profile = {
  ...smoke,
  name: 'retention',
  env: { WAYPOST_RETENTION_DAYS: (RETENTION_SECONDS / 86_400).toFixed(9) },
  sql: ARCHIVE,
  operations: { again: 0, bad: 0 },
}

export const PROFILES: Readonly<Record<string, Profile>> = { test, smoke, main, release: leg, retention }
