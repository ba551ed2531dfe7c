/** Databases by the dozen: copied from one that is ready, dropped when they have been looked at. */
import postgres from 'postgres'
import type { startPostgres } from '../../support/databases.ts'

export type PostgresServer = Awaited<ReturnType<typeof startPostgres>>

export interface Copies {
  /** Nobody may be connected to the template. */
  copy(templateUrl: string): Promise<string>
  drop(url: string): Promise<void>
  close(): Promise<void>
}

const nameIn = (url: string): string => url.split('/').at(-1) as string

export function createCopies(server: PostgresServer, prefix: string): Copies {
  const base = `postgres://postgres@127.0.0.1:${server.port}`
  const admin = postgres(`${base}/postgres`, { max: 1, onnotice: () => {} })
  let made = 0
  return {
    async copy(templateUrl) {
      const name = `${prefix}_${++made}`
      await admin.unsafe(`create database ${name} template ${nameIn(templateUrl)}`)
      return `${base}/${name}`
    },
    async drop(url) {
      await admin.unsafe(`drop database ${nameIn(url)} with (force)`)
    },
    close: () => admin.end({ timeout: 2 }),
  }
}
