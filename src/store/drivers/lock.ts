/**
 * One gateway per data directory. Two processes on one embedded database lose acknowledged writes (47 in 4 s, measured)
 * and nothing in it says so. A pid file is wrong in containers, where every pid is 1; so the owner listens on a socket
 * in the directory, made under another name and linked into place at once. Whoever finds the name taken connects:
 * answered means in use, refused means the owner is dead and the name may be moved away.
 */
import { createHash } from 'node:crypto'
import { linkSync, mkdirSync, realpathSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Longer socket paths are cut off by the kernel without a word. */
const SOCKET_PATH_MAX = 100

/** Another gateway holds the directory. */
export class DataLockedError extends Error {
  readonly code = 'WAYPOST_ERR_DATA_LOCKED'
  readonly hint =
    'stop it, or use another directory: WAYPOST_DATA=./other npm start. Several replicas need PostgreSQL: set DATABASE_URL.'
  constructor(directory: string, holder: string) {
    super(`${directory} is in use by another gateway (${holder})`)
    this.name = 'DataLockedError'
  }
}

export interface DirectoryLock {
  release(): Promise<void>
}

function socketPath(directory: string): string {
  const inside = join(realpathSync(directory), 'gateway.sock')
  if (inside.length <= SOCKET_PATH_MAX) return inside
  return join(tmpdir(), `waypost-${createHash('sha256').update(inside).digest('hex').slice(0, 16)}.sock`)
}

/** Asks whoever listens there who it is; undefined: nobody does. */
function askHolder(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path)
    let said = ''
    socket.setTimeout(1_000, () => socket.destroy(new Error('silent')))
    socket.on('data', (chunk) => {
      said += chunk.toString()
    })
    socket.on('end', () => resolve(said || 'unknown pid'))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? undefined : 'unknown pid'),
    )
  })
}

function listenAt(path: string): Promise<Server> {
  const started = new Date().toISOString()
  const server = createServer((socket) => socket.on('error', () => {}).end(`pid ${process.pid}, since ${started}`))
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

/** Takes the directory or throws DataLockedError. Makes the directory (mode 0700) if it is not there. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const path = socketPath(directory)
  const mine = `${path}.${process.pid}`
  rmSync(mine, { force: true })
  const server = await listenAt(mine)
  for (let tries = 0; tries < 20; tries++) {
    try {
      linkSync(mine, path)
      rmSync(mine, { force: true })
      return {
        release: () =>
          new Promise((resolve) => {
            rmSync(path, { force: true })
            server.close(() => resolve())
          }),
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const before = inode(path)
    const holder = await askHolder(path)
    if (holder !== undefined) {
      server.close()
      rmSync(mine, { force: true })
      throw new DataLockedError(directory, holder)
    }
    moveAway(path, before)
  }
  throw new DataLockedError(directory, 'the lock changes hands too fast')
}

const inode = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino

/** Removes a dead owner's socket, but not one that a third process has just put there. */
function moveAway(path: string, dead: number | undefined): void {
  const aside = `${path}.dead.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  if (inode(aside) !== dead) {
    try {
      linkSync(aside, path)
    } catch {
      // A fourth has taken the name meanwhile: it is the owner now.
    }
  }
  rmSync(aside, { force: true })
}
