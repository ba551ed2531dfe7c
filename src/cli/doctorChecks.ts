/** The doctor's checks, one row each. They judge a scene and touch nothing, so every one has a failing fixture. */
import { LIMITS } from '../limits.ts'
import type { Found, Scene } from './doctorScene.ts'

export interface Finding {
  readonly kind: 'ok' | 'warning' | 'failure' | 'skipped'
  readonly says: string
  readonly fix?: string
}

export interface Check {
  readonly name: string
  readonly run: (scene: Scene) => Finding | Promise<Finding>
}

const ok = (says: string): Finding => ({ kind: 'ok', says })
const warning = (says: string, fix: string): Finding => ({ kind: 'warning', says, fix })
const failure = (says: string, fix: string): Finding => ({ kind: 'failure', says, fix })
const skipped = (says: string): Finding => ({ kind: 'skipped', says })

const MiB = 1024 * 1024
const FREE_BYTES_MIN = 256 * MiB
const OPEN_FILES_MIN = 4_096
const EMBEDDED_MEMORY_MIN = 256 * MiB
const QUEUE_AGE_MAX_MS = 3_600_000
/** Receivers reject signatures that are off by five minutes; the `Date` header itself is a second coarse. */
const CLOCK_OFFSET_MAX_MS = 30_000

/** Only with a gateway that told it. */
const withFound = <T>(found: Found<T>, judge: (value: T) => Finding): Finding =>
  'value' in found ? judge(found.value) : skipped(found.missing)

const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`

const MACHINE: readonly Check[] = [
  {
    name: 'Node',
    run: ({ nodeVersion }) => {
      const [major = 0, minor = 0] = nodeVersion.split('.').map(Number)
      if (major < 20 || (major === 20 && minor < 19)) return failure(`${nodeVersion} is too old`, 'install Node 24 LTS')
      if (major === 20)
        return warning(`${nodeVersion} works, but Node 20 is past its end of life`, 'install Node 24 LTS')
      return ok(nodeVersion)
    },
  },
  {
    name: 'Build',
    run: ({ checkout }) => {
      if (!checkout) return ok('installed package')
      return checkout.built ? ok('there') : failure('nothing is built', 'npm run build')
    },
  },
  {
    name: 'Dependencies',
    run: ({ checkout }) => {
      if (!checkout) return ok('installed package')
      return checkout.installStale ? warning('older than package-lock.json', 'npm ci') : ok('as package-lock.json says')
    },
  },
  {
    name: 'Open files',
    run: ({ openFilesMax }) => {
      if (openFilesMax === undefined) return skipped('this system does not say')
      if (openFilesMax >= OPEN_FILES_MIN) return ok(String(openFilesMax))
      return warning(`at most ${openFilesMax}; every stream takes one`, `ulimit -n ${OPEN_FILES_MIN}`)
    },
  },
  {
    name: 'Memory',
    run: ({ memoryMaxBytes, config }) => {
      if (memoryMaxBytes === undefined) return ok('not limited')
      const embedded = 'value' in config && !config.value.databaseUrl
      const enough = !embedded || memoryMaxBytes >= EMBEDDED_MEMORY_MIN
      const told = `limited to ${Math.round(memoryMaxBytes / MiB)} MiB`
      return enough
        ? ok(told)
        : warning(`${told}, little for an embedded database`, 'give it 512 MiB, or set DATABASE_URL')
    },
  },
]

const SETTINGS: readonly Check[] = [
  {
    name: 'Settings',
    run: ({ config }) =>
      'value' in config ? ok('valid') : failure(config.missing, 'waypost explain WAYPOST_ERR_CONFIG'),
  },
  {
    name: 'Data directory',
    run: ({ files: { dataDirectory }, uid }) => {
      if (!dataDirectory) return skipped('not made yet')
      if (uid !== undefined && uid !== 0 && dataDirectory.uid !== uid) {
        return failure(`belongs to user ${dataDirectory.uid}, this is user ${uid}`, 'chown it, or set WAYPOST_DATA')
      }
      if (dataDirectory.mode & 0o022) return warning('others may write into it', 'chmod 700 .waypost')
      return ok(`mode ${dataDirectory.mode.toString(8)}`)
    },
  },
  {
    name: 'Free space',
    run: ({ files: { dataDirectory } }) => {
      if (!dataDirectory) return skipped('no data directory yet')
      const told = `${Math.round(dataDirectory.freeBytes / MiB)} MiB`
      return dataDirectory.freeBytes >= FREE_BYTES_MIN
        ? ok(told)
        : failure(`only ${told}`, 'make room, or set WAYPOST_DATA')
    },
  },
  {
    name: 'Operator key',
    run: ({ files: { adminKeyMode } }) => {
      if (adminKeyMode === undefined) return skipped('not in the data directory')
      return adminKeyMode & 0o077
        ? failure('others can read it', 'chmod 600 .waypost/admin.key')
        : ok('only yours to read')
    },
  },
  {
    name: 'Master key',
    run: ({ files: { masterKeyMode }, config }) => {
      if ('value' in config && config.value.masterKey) return ok('given')
      if (masterKeyMode === undefined) return skipped('made at the first start')
      return masterKeyMode & 0o077
        ? failure('others can read it', 'chmod 600 .waypost/master.key')
        : ok('only yours to read')
    },
  },
  {
    name: 'Database',
    run: ({ config, schema, files: { databaseMajor } }) => {
      if (!('value' in config)) return skipped('the settings are not valid')
      if (!config.value.databaseUrl) {
        return databaseMajor
          ? ok(`embedded PostgreSQL ${databaseMajor}, fsync on`)
          : skipped('embedded, made at the first start')
      }
      if (!('value' in schema)) return failure(schema.missing, 'check DATABASE_URL and the network')
      const { superuser, readerPassesBy } = schema.value
      const own = 'give it a role of its own: create role waypost login nosuperuser, and make it owner of the tables'
      if (superuser) return warning('answers; the gateway is a superuser there, which it need not be', own)
      if (readerPassesBy)
        return failure(
          'row level security does not hold for the role of WAYPOST_READER_URL',
          'one that owns nothing: SECURITY.md',
        )
      return ok('answers')
    },
  },
  {
    name: 'Schema',
    run: ({ schema }) =>
      withFound(schema, ({ applied, pending }) =>
        pending === 0
          ? ok(`${applied} of ${applied} migrations`)
          : warning(`${plural(pending, 'migration')} pending`, 'waypost migrate up, or start the gateway'),
      ),
  },
]

const GATEWAY: readonly Check[] = [
  {
    name: 'Gateway',
    run: ({ gateway: { url, ready } }) => {
      if ('missing' in ready) return warning(`none at ${url}`, 'waypost serve')
      return ready.value.ok
        ? ok(`ready at ${url}`)
        : failure(`not ready: ${JSON.stringify(ready.value.body)}`, 'waypost status')
    },
  },
  {
    name: 'Clock',
    run: ({ gateway: { ready } }) =>
      withFound(ready, ({ clockOffsetMs }) => {
        if (clockOffsetMs === undefined) return skipped('the gateway did not say')
        const seconds = Math.round(Math.abs(clockOffsetMs) / 1_000)
        if (Math.abs(clockOffsetMs) <= CLOCK_OFFSET_MAX_MS) return ok(`${seconds} s from the gateway's`)
        return failure(
          `${seconds} s from the gateway's`,
          'enable time sync; see waypost explain WAYPOST_ERR_CLOCK_SKEW',
        )
      }),
  },
  {
    name: 'Public address',
    run: ({ config }) => {
      if (!('value' in config)) return skipped('the settings are not valid')
      const { publicUrl, host } = config.value
      const local = /^(localhost|127\.|::1)/
      if (!publicUrl && !local.test(host)) {
        return warning(`listens on ${host}, but cards say http://localhost`, 'set PUBLIC_URL')
      }
      if (publicUrl?.startsWith('http:') && !local.test(new URL(publicUrl).hostname)) {
        return warning(
          `${publicUrl} is not https: keys travel in the open`,
          'put TLS in front and set PUBLIC_URL=https://…',
        )
      }
      return ok(publicUrl ?? 'this machine only')
    },
  },
  {
    name: 'Agents',
    run: ({ gateway: { agents } }) =>
      withFound(agents, (all) => {
        const away = all.filter(({ state }) => state === 'offline').map(({ name }) => name)
        if (away.length === 0) return ok(`${plural(all.length, 'agent')}, none offline`)
        return warning(
          `offline: ${away.join(', ')}; their tasks wait`,
          `start them, then: waypost agent probe ${away[0]}`,
        )
      }),
  },
  {
    name: 'Approvals',
    run: ({ gateway: { agents } }) =>
      withFound(agents, (all) => {
        const waiting = all.find(({ pending }) => pending)
        if (waiting)
          return warning(
            `${waiting.name}: its card has changed, nothing is delivered until you approve`,
            `waypost agent show ${waiting.name}; then: waypost agent approve ${waiting.name}`,
          )
        const refused = all.find(({ cardProblem }) => cardProblem)
        if (!refused) return ok('no card waits for you')
        return warning(
          `${refused.name}: its card was not taken: ${refused.cardProblem?.reason}`,
          `waypost agent show ${refused.name}`,
        )
      }),
  },
  {
    name: 'Agent cards',
    run: ({ gateway: { cards } }) =>
      withFound(cards, (all) => {
        const bad = all.filter((card) => !card.ok).map(({ name }) => name)
        if (bad.length === 0) return ok(`${plural(all.length, 'card')} valid`)
        return failure(`not valid: ${bad.join(', ')}`, `waypost card get --validate -a @${bad[0]}`)
      }),
  },
  {
    name: 'Queue age',
    run: ({ gateway: { agents }, nowMs }) =>
      withFound(agents, (all) => {
        const old = all.find(({ oldestAt }) => oldestAt && nowMs - Date.parse(oldestAt) > QUEUE_AGE_MAX_MS)
        if (!old) return ok('nothing older than an hour')
        return warning(`${old.name} has tasks older than an hour`, `waypost agent show ${old.name}`)
      }),
  },
  {
    name: 'Queue length',
    run: ({ gateway: { agents } }) =>
      withFound(agents, (all) => {
        const full = all.find(({ queued = 0 }) => queued > LIMITS.queuePerAgentMax / 2)
        return full
          ? warning(`${full.name}: ${full.queued} wait`, `waypost agent show ${full.name}`)
          : ok('every queue under half its bound')
      }),
  },
  {
    name: 'Dead letters',
    run: ({ gateway: { dead } }) =>
      withFound(dead, (letters) =>
        letters.length === 0 ? ok('none') : warning(`${letters.length} or more`, 'waypost dlq list'),
      ),
  },
  {
    name: 'Webhooks',
    run: ({ gateway: { webhooks } }) =>
      withFound(webhooks, (letters) => {
        const places = new Set(letters.map(({ url, destination }) => url ?? destination ?? 'unknown'))
        if (places.size === 0) return ok('no receiver has given up')
        return warning(`given up: ${[...places].slice(0, 3).join(', ')}`, 'waypost webhook attempts --state dead')
      }),
  },
]

export const CHECKS: readonly Check[] = [...MACHINE, ...SETTINGS, ...GATEWAY]
