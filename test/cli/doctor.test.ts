/** Every check of the doctor, with a scene in which all is well and one in which it is not. */
import { expect, test } from 'vitest'
import { CHECKS } from '../../src/cli/doctorChecks.ts'
import type { Scene } from '../../src/cli/doctorScene.ts'
import { readConfig } from '../../src/config.ts'

const config = readConfig({ env: {}, file: '/nowhere' })
const MiB = 1024 * 1024
const NOW = Date.UTC(2026, 0, 1)

const WELL: Scene = {
  nowMs: NOW,
  nodeVersion: '24.1.0',
  checkout: { built: true, installStale: false },
  config: { value: config },
  files: {
    dataDirectory: { mode: 0o700, uid: 1000, freeBytes: 1_000 * MiB },
    adminKeyMode: 0o600,
    masterKeyMode: 0o600,
    databaseMajor: '18',
  },
  uid: 1000,
  openFilesMax: 65_536,
  memoryMaxBytes: 1_024 * MiB,
  gateway: {
    url: 'http://localhost:4280',
    ready: { value: { ok: true, body: {}, clockOffsetMs: 300 } },
    agents: { value: [{ name: 'echo', state: 'online', queued: 0 }] },
    dead: { value: [] },
    webhooks: { value: [] },
    cards: { value: [{ name: 'echo', ok: true }] },
  },
  schema: { value: { applied: 3, pending: 0 } },
}

const gateway = (change: Partial<Scene['gateway']>): Partial<Scene> => ({ gateway: { ...WELL.gateway, ...change } })
const files = (change: Partial<Scene['files']>): Partial<Scene> => ({ files: { ...WELL.files, ...change } })
const settings = (change: object): Partial<Scene> => ({ config: { value: { ...config, ...change } } })

/** Name of the check, what is wrong, how bad that is. */
const ILL: readonly (readonly [string, Partial<Scene>, 'warning' | 'failure'])[] = [
  ['Node', { nodeVersion: '18.20.0' }, 'failure'],
  ['Node', { nodeVersion: '20.20.0' }, 'warning'],
  ['Build', { checkout: { built: false, installStale: false } }, 'failure'],
  ['Dependencies', { checkout: { built: true, installStale: true } }, 'warning'],
  ['Open files', { openFilesMax: 256 }, 'warning'],
  ['Memory', { memoryMaxBytes: 128 * MiB }, 'warning'],
  ['Settings', { config: { missing: 'PORT: too big' } }, 'failure'],
  ['Data directory', files({ dataDirectory: { mode: 0o700, uid: 7, freeBytes: MiB } }), 'failure'],
  ['Data directory', files({ dataDirectory: { mode: 0o777, uid: 1000, freeBytes: MiB } }), 'warning'],
  ['Free space', files({ dataDirectory: { mode: 0o700, uid: 1000, freeBytes: MiB } }), 'failure'],
  ['Operator key', files({ adminKeyMode: 0o644 }), 'failure'],
  ['Master key', files({ masterKeyMode: 0o644 }), 'failure'],
  ['Database', { ...settings({ databaseUrl: 'postgres://db/x' }), schema: { missing: 'ECONNREFUSED' } }, 'failure'],
  [
    'Database',
    { ...settings({ databaseUrl: 'postgres://db/x' }), schema: { value: { applied: 3, pending: 0, superuser: true } } },
    'warning',
  ],
  [
    'Database',
    {
      ...settings({ databaseUrl: 'postgres://db/x' }),
      schema: { value: { applied: 3, pending: 0, readerPassesBy: true } },
    },
    'failure',
  ],
  ['Schema', { schema: { value: { applied: 2, pending: 1 } } }, 'warning'],
  ['Gateway', gateway({ ready: { missing: 'no gateway answers' } }), 'warning'],
  ['Gateway', gateway({ ready: { value: { ok: false, body: { database: false }, clockOffsetMs: 0 } } }), 'failure'],
  ['Clock', gateway({ ready: { value: { ok: true, body: {}, clockOffsetMs: -41_000 } } }), 'failure'],
  ['Public address', settings({ host: '0.0.0.0' }), 'warning'],
  ['Public address', settings({ publicUrl: 'http://gw.example.test' }), 'warning'],
  ['Agents', gateway({ agents: { value: [{ name: 'echo', state: 'offline' }] } }), 'warning'],
  [
    'Approvals',
    gateway({ agents: { value: [{ name: 'echo', state: 'pending-approval', pending: { changes: [] } }] } }),
    'warning',
  ],
  [
    'Approvals',
    gateway({ agents: { value: [{ name: 'echo', cardProblem: { code: 'CARD_SIGNATURE', reason: 'not signed' } }] } }),
    'warning',
  ],
  ['Agent cards', gateway({ cards: { value: [{ name: 'echo', ok: false }] } }), 'failure'],
  [
    'Queue age',
    gateway({ agents: { value: [{ name: 'echo', oldestAt: new Date(NOW - 7_200_000).toISOString() }] } }),
    'warning',
  ],
  ['Queue length', gateway({ agents: { value: [{ name: 'echo', queued: 99_000 }] } }), 'warning'],
  ['Dead letters', gateway({ dead: { value: [{ id: 'd' }] } }), 'warning'],
  ['Webhooks', gateway({ webhooks: { value: [{ id: 'd', url: 'http://hook/' }] } }), 'warning'],
]

test('every check has a failing scene', () => {
  expect(new Set(ILL.map(([name]) => name))).toEqual(new Set(CHECKS.map(({ name }) => name)))
})

test.each(CHECKS)('all is well: $name', async ({ run }) => {
  expect(await run(WELL)).toMatchObject({ kind: 'ok' })
})

test.each(ILL)('%s', async (name, change, kind) => {
  const finding = await CHECKS.find((check) => check.name === name)?.run({ ...WELL, ...change })
  expect(finding).toMatchObject({ kind, fix: expect.stringMatching(/.{6,}/) })
})
