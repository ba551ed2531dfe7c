/** What the doctor looks at, gathered once: the settings, the files, the gateway's own words. The checks only judge. */
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Config, readConfig } from '../config.ts'
import { readJson } from './client.ts'
import type { Invocation } from './invocation.ts'
import { type AgentRecord, type DeliveryRecord, readAll } from './records.ts'

/** A thing that could be had, or why not. */
export type Found<T> = { readonly value: T } | { readonly missing: string }

export interface Scene {
  readonly nowMs: number
  readonly nodeVersion: string
  /** The checkout's files; undefined outside of one (an installed package). */
  readonly checkout: { readonly built: boolean; readonly installStale: boolean } | undefined
  readonly config: Found<Config>
  readonly files: {
    readonly dataDirectory: { readonly mode: number; readonly uid: number; readonly freeBytes: number } | undefined
    readonly adminKeyMode: number | undefined
    readonly masterKeyMode: number | undefined
    readonly databaseMajor: string | undefined
  }
  readonly uid: number | undefined
  readonly openFilesMax: number | undefined
  readonly memoryMaxBytes: number | undefined
  readonly gateway: {
    readonly url: string
    readonly ready: Found<{ readonly ok: boolean; readonly body: unknown; readonly clockOffsetMs: number | undefined }>
    readonly agents: Found<readonly AgentRecord[]>
    readonly dead: Found<readonly DeliveryRecord[]>
    readonly webhooks: Found<readonly DeliveryRecord[]>
    readonly cards: Found<readonly { readonly name: string; readonly ok: boolean }[]>
  }
  readonly schema: Found<{
    readonly applied: number
    readonly pending: number
    readonly superuser?: boolean
    /** The reader's role is one that row level security does not hold for; absent: there is none. */
    readonly readerPassesBy?: boolean
  }>
}

const ROOT = join(import.meta.dirname, '..', '..')

export async function lookAround(call: Invocation): Promise<Scene> {
  const config = attempt(() => readConfig())
  const dataDir = 'value' in config ? config.value.dataDir : './.waypost'
  return {
    nowMs: call.clock.now().getTime(),
    nodeVersion: process.versions.node,
    checkout: checkout(),
    config,
    files: filesOf(dataDir),
    uid: process.getuid?.(),
    openFilesMax: openFilesMax(),
    memoryMaxBytes: memoryMaxBytes(),
    gateway: await gatewayOf(call),
    schema: await schemaOf('value' in config ? config.value : undefined),
  }
}

function attempt<T>(take: () => T): Found<T> {
  try {
    return { value: take() }
  } catch (error) {
    return { missing: (error as Error).message }
  }
}

async function attemptAsync<T>(take: () => Promise<T>): Promise<Found<T>> {
  try {
    return { value: await take() }
  } catch (error) {
    return { missing: (error as Error).message }
  }
}

function checkout(): Scene['checkout'] {
  const lockfile = join(ROOT, 'package-lock.json')
  if (!existsSync(lockfile)) return undefined
  const installed = statSync(join(ROOT, 'node_modules', '.waypost-lockfile-sha256'), { throwIfNoEntry: false })
  return {
    built: existsSync(join(ROOT, 'dist', '.stamp')),
    installStale: !installed || installed.mtimeMs < statSync(lockfile).mtimeMs,
  }
}

function filesOf(dataDir: string): Scene['files'] {
  const mode = (name: string) => {
    const found = statSync(join(dataDir, name), { throwIfNoEntry: false })
    return found && found.mode & 0o777
  }
  const directory = statSync(dataDir, { throwIfNoEntry: false })
  const space = directory && statfsSync(dataDir)
  const version = join(dataDir, 'pg', 'PG_VERSION')
  return {
    dataDirectory: directory && {
      mode: directory.mode & 0o777,
      uid: directory.uid,
      freeBytes: space ? space.bavail * space.bsize : 0,
    },
    adminKeyMode: mode('admin.key'),
    masterKeyMode: mode('master.key'),
    databaseMajor: existsSync(version) ? readFileSync(version, 'utf8').trim() : undefined,
  }
}

function openFilesMax(): number | undefined {
  const limits = '/proc/self/limits'
  if (!existsSync(limits)) return undefined
  const line = readFileSync(limits, 'utf8').match(/^Max open files\s+(\d+)/m)
  return line ? Number(line[1]) : undefined
}

/** Where there is no limit, Node tells a number beyond all machines. */
function memoryMaxBytes(): number | undefined {
  const bytes = process.constrainedMemory?.() ?? 0
  return bytes > 0 && bytes < 2 ** 48 ? bytes : undefined
}

async function gatewayOf(call: Invocation): Promise<Scene['gateway']> {
  const { gateway, clock } = call
  const ready = await attemptAsync(async () => {
    const response = await gateway.raw('/readyz?verbose')
    const date = response.headers.get('date')
    return {
      ok: response.ok,
      body: await readJson(response),
      clockOffsetMs: date ? Date.parse(date) - clock.now().getTime() : undefined,
    }
  })
  if ('missing' in ready) {
    return { url: gateway.url, ready, agents: ready, dead: ready, webhooks: ready, cards: ready }
  }
  const agents = await attemptAsync(() => readAll<AgentRecord>(gateway, '/v1/agents'))
  const dead = (query: Record<string, string>) =>
    attemptAsync(() => readAll<DeliveryRecord>(gateway, '/v1/deliveries', { state: 'dead,expired', ...query }))
  return {
    url: gateway.url,
    ready,
    agents,
    dead: await dead({}),
    webhooks: await dead({ kind: 'webhook' }),
    cards: 'value' in agents ? await attemptAsync(() => cardsOf(agents.value, call)) : agents,
  }
}

/** A doctor's look, not an inventory. */
const CARDS_LOOKED_AT = 50

async function cardsOf(agents: readonly AgentRecord[], { gateway }: Invocation) {
  const { AgentCard } = await import('../a2a/agentCard.ts')
  const looked = []
  for (const { name } of agents.slice(0, CARDS_LOOKED_AT)) {
    const response = await gateway.raw(`/agents/${encodeURIComponent(name)}/.well-known/agent-card.json`)
    looked.push({ name, ok: AgentCard.safeParse(await readJson(response)).success })
  }
  return looked
}

async function schemaOf(config: Config | undefined): Promise<Scene['schema']> {
  const url = config?.databaseUrl
  if (!url) return { missing: 'the embedded database is migrated by the gateway at every start' }
  return attemptAsync(async () => {
    const { migrationStatus, onPostgres, readMigrations, roleOf } = await import('../store/migrate.ts')
    const { applied, pending, superuser } = await onPostgres(url, async (connection) => ({
      ...(await migrationStatus(connection, readMigrations())),
      ...(await roleOf(connection)),
    }))
    const reader = config?.readerUrl ? await onPostgres(config.readerUrl, roleOf) : undefined
    const found = { applied: applied.length, pending: pending.length, superuser }
    return reader ? { ...found, readerPassesBy: reader.passesBy } : found
  })
}
