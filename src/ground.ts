/** What every part of a running gateway stands on: settings, bounds, clock, secrets, the store. */
import { setMaxListeners } from 'node:events'
import { type Config, ConfigError, publicUrl } from './config.ts'
import type { HappeningSignals } from './happenings.ts'
import { LIMITS, type Limits } from './limits.ts'
import { type Clock, systemClock } from './platform/clock.ts'
import type { EgressOptions } from './platform/egress.ts'
import { armFailpoints } from './platform/failpoints.ts'
import { createSeal, type Seal } from './platform/seal.ts'
import type { LoopTools } from './platform/service.ts'
import { readSecrets, type Secrets } from './secrets.ts'
import { type Db, storeError } from './store/db.ts'
import { openEmbedded } from './store/drivers/pglite.ts'
import { openPostgres } from './store/drivers/postgres.ts'
import { withReaders } from './store/drivers/readers.ts'
import { withFailpoints } from './store/failing.ts'
import { migrateUp, onPostgres, readMigrations } from './store/migrate.ts'

/** What a test or a bench may want otherwise. */
export interface Overrides {
  readonly limits?: Partial<Limits>
  /** How often and how far apart webhooks are tried. */
  readonly webhooks?: { attemptsMax: number; firstMs: number; longestMs: number }
  readonly egress?: Partial<EgressOptions>
  readonly lanes?: number
  /** TXT records of a name, in place of the system's resolver. */
  readonly resolveTxt?: (name: string) => Promise<readonly (readonly string[])[]>
  /** Listens to everything from the first moment on. */
  readonly onSignals?: (signals: HappeningSignals) => void
}

/** What everything else stands on. */
export interface Ground {
  readonly config: Config
  readonly overrides: Overrides
  readonly limits: Limits
  readonly clock: Clock
  readonly signals: HappeningSignals
  readonly secrets: Secrets
  readonly seal: Seal
  readonly db: Db
  /** The database's time as this process knows it (D9). */
  readonly now: () => Date
  readonly loopTools: LoopTools
  /** Where clients reach us; right once the listener is bound. */
  readonly url: () => string
  readonly bind: (port: number) => void
  readonly draining: AbortController
}

const MIGRATE = { name: 'migrate', text: '', write: true }

async function openStore(config: Config, signals: HappeningSignals): Promise<Db> {
  if (!config.databaseUrl) return openEmbedded({ directory: config.dataDir })
  try {
    await onPostgres(config.databaseUrl, (connection) => migrateUp(connection, readMigrations()))
  } catch (error) {
    // What has a name of ours says already what is wrong.
    throw String((error as { code?: unknown }).code).startsWith('WAYPOST_') ? error : storeError(MIGRATE, error)
  }
  const db = openPostgres({
    url: config.databaseUrl,
    onReplaced: (reason) => signals.emit('store.replaced', { reason }),
  })
  return config.readerUrl ? withReaders(db, { url: config.readerUrl }) : db
}

/** The first key seals, all of them open. Throws a ConfigError for what is no key. */
function sealOf(masterKey: string, others: readonly string[] = []): Seal {
  try {
    return createSeal(masterKey, ...others)
  } catch (error) {
    throw new ConfigError([{ setting: 'WAYPOST_MASTER_KEY_OTHERS', problem: (error as Error).message }])
  }
}

export const limitsOf = ({ limits }: Overrides): Limits => ({ ...LIMITS, ...limits })

export async function layGround(config: Config, overrides: Overrides, signals: HappeningSignals): Promise<Ground> {
  armFailpoints(config.failpoints)
  const limits = limitsOf(overrides)
  const secrets = readSecrets(config)
  const store = await openStore(config, signals)
  const db = config.failpoints ? withFailpoints(store) : store
  try {
    await db.ping()
  } catch (error) {
    await store.close().catch(() => {})
    throw error
  }
  const draining = new AbortController()
  // Each open stream listens to it: thousands are no leak.
  setMaxListeners(0, draining.signal)
  let port = config.port
  return {
    config,
    overrides,
    limits,
    clock: systemClock,
    signals,
    secrets,
    seal: sealOf(secrets.masterKey, config.masterKeyOthers),
    db,
    now: () => new Date(systemClock.now().getTime() + db.offsetMs()),
    loopTools: {
      clock: systemClock,
      stopGraceMs: limits.stopGraceMs,
      pauseMs: limits.pollMs,
      onError: (service, error) =>
        signals.emit('service.failed', { service, error: (error as Error)?.message?.slice(0, 300) ?? String(error) }),
    },
    url: () => publicUrl(config, port),
    bind: (bound) => {
      port = bound
    },
    draining,
  }
}
