/**
 * A bug that the checkers must find: exact replacements in a copy of the source, so that the product itself holds nothing of
 * it. A place that has changed is told, not passed over.
 */
import type { Profile } from '../profiles.ts'

export interface Edit {
  /** Below src/. */
  readonly file: string
  /** Stands there once. */
  readonly find: string
  readonly put: string
}

export interface Bug {
  readonly number: number
  readonly name: string
  /** Where it cannot be what the list of bugs says, because the house is built in another way: what it is instead. */
  readonly instead?: string
  readonly edits: readonly Edit[]
  /** Done to the database before the gateway starts. */
  readonly sql?: readonly string[]
  /** One of these must find it: the beginnings of the checkers' names. */
  readonly foundBy: readonly string[]
  readonly profile: Pick<Profile, 'only'> & Partial<Profile>
}

/** A lease of five seconds in place of fifteen, in every planted build: what needs a lease to run out fits into half a minute. */
export const LEASE_MS = 5_000
export const HURRY: readonly Edit[] = [
  { file: 'limits.ts', find: 'leaseMs: 15_000,', put: `leaseMs: ${LEASE_MS},` },
  { file: 'limits.ts', find: 'leaseHeartbeatMs: 4_000,', put: 'leaseHeartbeatMs: 1_200,' },
  { file: 'limits.ts', find: 'sweepEveryMs: 2_000,', put: 'sweepEveryMs: 500,' },
]

export const SHORTEST: Profile = {
  name: 'planted',
  seconds: 18,
  replicas: 2,
  clients: 10,
  burst: 3,
  messagesMax: 4_000,
  everyMs: 1_500,
  classesMin: 1,
  faultsAtOnce: 2,
  quietMs: 15_000,
}
