/**
 * Tokens that `auth login` has got, one per agent card, in `~/.config/a2a-cli/tokens.json` (mode 0600). Configuration,
 * not session state: nothing of any task is in it. It may be edited and removed by hand.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { CliError } from './errors.ts'

export interface StoredToken {
  readonly accessToken: string
  readonly refreshToken?: string
  /** ISO; absent: the server did not say. */
  readonly expiresAt?: string
  readonly tokenUrl: string
  readonly clientId: string
  /** The card's name for the scheme that it was got for. */
  readonly scheme: string
  /** Where the card's interfaces were at login: the token goes to these origins only. */
  readonly origins: readonly string[]
}

/** Secrets by name, in a file of the user's own. */
export interface SecretFile<Secret> {
  readonly path: string
  get(name: string): Secret | undefined
  put(name: string, secret: Secret): void
  /** Whether there was one. */
  remove(name: string): boolean
  all(): Readonly<Record<string, Secret>>
}

/** By where the card came from. */
export type TokenStore = SecretFile<StoredToken>

export const openTokenStore = (path: string): TokenStore =>
  openSecretFile<StoredToken>(path, 'correct it or remove it, then sign in again: waypost auth login -a <agent>')

/** `hint`: what to do when the file cannot be read. */
export function openSecretFile<Secret>(path: string, hint: string): SecretFile<Secret> {
  type Secrets = Record<string, Secret>
  const read = (): Secrets => {
    try {
      const text = readFileSync(path, 'utf8')
      // Somebody may have copied it with other rights: secrets are for their owner alone.
      if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
      return JSON.parse(text) as Secrets
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
      throw new CliError('A2ACLI_ERR_INTERNAL', `${path} cannot be read: ${(error as Error).message}`, { hint })
    }
  }
  const write = (secrets: Secrets) => {
    if (Object.keys(secrets).length === 0) return rmSync(path, { force: true })
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    // Whole or not at all; two programs may sign in at the same time.
    const draft = `${path}.${process.pid}`
    writeFileSync(draft, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
    renameSync(draft, path)
  }
  return {
    path,
    get: (name) => read()[name],
    all: read,
    put: (name, secret) => write({ ...read(), [name]: secret }),
    remove(name) {
      const { [name]: known, ...others } = read()
      if (known) write(others as Secrets)
      return known !== undefined
    },
  }
}
