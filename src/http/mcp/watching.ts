/**
 * Resources that change, told to who has subscribed (`subscriptions/listen`, the newer revision): `inbox://me` and one's
 * own `task://{id}`. The library has one bus for all hosts; here each listener hears of its own only, because what it
 * asked for and who it is are known from the request in which it subscribes.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerEventBus } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { type DeskTools, mailboxOf, ownTask, type Seat } from './desk.ts'

/** Of one subscription; what is beyond is not watched. */
const WATCHED_MAX = 16

const LISTEN = z.object({
  method: z.literal('subscriptions/listen'),
  params: z.object({ notifications: z.object({ resourceSubscriptions: z.array(z.string().max(512)) }) }),
})

interface Asking {
  readonly seat: Seat
  readonly uris: readonly string[]
}

export interface Watching {
  readonly bus: ServerEventBus
  /** Serves a request: what it subscribes to is watched for its sender. */
  during<T>(seat: Seat, body: unknown, serve: () => Promise<T>): Promise<T>
}

export function createWatching(tools: DeskTools): Watching {
  const asking = new AsyncLocalStorage<Asking>()
  return {
    during(seat, body, serve) {
      const uris = LISTEN.safeParse(body).data?.params.notifications.resourceSubscriptions ?? []
      return uris.length === 0 ? serve() : asking.run({ seat, uris: [...new Set(uris)].slice(0, WATCHED_MAX) }, serve)
    },
    bus: {
      publish: () => {},
      subscribe(listener) {
        const { seat, uris } = asking.getStore() ?? {}
        if (!seat || !uris) return () => {}
        const over = new AbortController()
        for (const uri of uris) {
          const changed = () => listener({ kind: 'resource_updated', uri })
          void watch(uri, seat, changed, over.signal, tools).catch(() => {})
        }
        return () => over.abort()
      },
    },
  }
}

/** Ends with the signal. What is not there, or not his, never changes. */
async function watch(uri: string, seat: Seat, changed: () => void, over: AbortSignal, tools: DeskTools): Promise<void> {
  const stop =
    uri === 'inbox://me' ? await watchInbox(seat, changed, tools) : await watchTask(uri, seat, changed, tools)
  if (!stop) return
  if (over.aborted) stop()
  over.addEventListener('abort', stop, { once: true })
}

async function watchInbox(seat: Seat, changed: () => void, tools: DeskTools) {
  const agent = await mailboxOf(seat, tools)
  if (!agent) return undefined
  return tools.mailbox.listen(agent, {
    push() {
      changed()
      return true
    },
    end: () => {},
  })
}

async function watchTask(uri: string, seat: Seat, changed: () => void, tools: DeskTools) {
  const [, id] = /^task:\/\/([A-Za-z0-9._~-]{1,128})$/.exec(uri) ?? []
  if (id === undefined) return undefined
  const { tenant, id: taskId, lastSeq } = await ownTask(id, seat, tools)
  return tools.follow(
    { tenant, taskId, after: lastSeq },
    {
      push(entry) {
        changed()
        return !entry.last
      },
      fail: () => {},
    },
  )
}
