/**
 * The secrets a gateway starts with: given by setting, or made at the first start and kept in the data directory (mode
 * 0600). With DATABASE_URL the master key is always given, because every replica must have the same.
 */
import { hkdfSync } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from './config.ts'
import { makeKey } from './gateway/callers/apiKeys.ts'
import { secret } from './platform/ids.ts'

export interface Secrets {
  readonly adminKey: string
  /** 32 bytes, base64. */
  readonly masterKey: string
  /** Where the admin key can be read; undefined: it was given. */
  readonly adminKeyFile?: string
}

function kept(directory: string, name: string, make: () => string): string {
  const path = join(directory, name)
  if (!existsSync(path)) {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    // `wx`: of two that start at once one makes it, the other reads it.
    try {
      writeFileSync(path, `${make()}\n`, { mode: 0o600, flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  return readFileSync(path, 'utf8').trim()
}

export function readSecrets(config: Config): Secrets {
  const adminKey = config.adminKey ?? kept(config.dataDir, 'admin.key', () => makeKey().key)
  const masterKey =
    config.masterKey ??
    kept(config.dataDir, 'master.key', () => Buffer.from(secret(32), 'base64url').toString('base64'))
  return { adminKey, masterKey, ...(config.adminKey ? {} : { adminKeyFile: join(config.dataDir, 'admin.key') }) }
}

/** A key for one use, made from the master key: the same on every replica, and useless for anything else. */
export const derivedKey = (masterKey: string, use: string): Buffer =>
  Buffer.from(hkdfSync('sha256', Buffer.from(masterKey, 'base64'), '', `waypost ${use}`, 32))
