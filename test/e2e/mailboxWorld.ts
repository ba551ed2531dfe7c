/** A gateway whose mailboxes hurry, and agents that collect there. */
import { afterAll, beforeAll } from 'vitest'
import type { Task } from '../../src/a2a/tasks.ts'
import { aCollector, type Collector } from '../support/collector.ts'
import { aWorld, type Client, type World } from '../support/world.ts'

export type OpenDatabase = () => Promise<{ databaseUrl?: string; close: () => Promise<void> }>

export const now = { returnImmediately: true }
export const stateOf = (task: Task) => task.status.state
export const textOf = (task: Task) =>
  (task.artifacts ?? []).flatMap(({ parts }) => parts.map((part) => part.text ?? '')).join('|')
export const reasonIn = (task: Task) =>
  (task.status.message?.parts.find((part) => part.data)?.data as { reason?: string } | undefined)?.reason
export const EXTENSION = 'urn:x-waypost:store-and-forward:1'
/** What a sender asks of the delivery. */
export const wish = (wishes: Record<string, unknown>) => ({ metadata: { [EXTENSION]: wishes } })

export interface AgentInHand {
  readonly agent: Collector
  readonly client: Client
  /** Sends and does not wait. */
  send(text: string, more?: Parameters<Client['send']>[1]): Promise<Task>
}

export interface MailboxWorld {
  world(): World
  /** An agent of the test's own. */
  anAgent(more?: Record<string, unknown>): Promise<AgentInHand>
}

/** For the suite that calls it: opened before, closed after. */
export function aMailboxWorld(open: OpenDatabase, prefix: string): MailboxWorld {
  let world: World
  let database: Awaited<ReturnType<OpenDatabase>>
  let made = 0
  beforeAll(async () => {
    database = await open()
    world = await aWorld({
      ...(database.databaseUrl && { databaseUrl: database.databaseUrl }),
      env: { WAYPOST_BLOCK_SECONDS: '20' },
      limits: {
        leaseSecondsMin: 1,
        cancelGraceMs: 600,
        ackReminderMs: 100,
        socketGraceSeconds: 1,
        mailboxPerSenderMax: 8,
        mailboxMessagesMax: 130,
        mailboxBytesMax: 1024 * 1024,
        socketPingMs: 1_500,
        queueCountEveryMs: 200,
      },
    })
  })
  afterAll(async () => {
    await world?.stop()
    await database?.close()
  })
  return {
    world: () => world,
    async anAgent(more = {}) {
      const agent = await aCollector(world, `${prefix}${++made}`, more)
      const client = world.client(agent.name)
      return { agent, client, send: (text, sent = {}) => client.send(text, { configuration: now, ...sent }) }
    },
  }
}
