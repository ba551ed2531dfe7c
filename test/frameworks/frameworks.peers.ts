/** Every framework against every agent, with the gateway between them: an answer, a stream, a failure, an agent that is away. */
import type { Server } from 'node:http'
import { BaseAgent, createEvent, type InvocationContext } from '@google/adk'
import { toA2a } from '@google/adk/a2a'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../support/databases.ts'
import { aWorld, type World } from '../support/world.ts'
import { type OfficialServer, startModern, startOld } from '../wire/bindings/officialServers.ts'
import { type Asked, FRAMEWORKS, type Framework, type Part } from './clients.ts'

/** ADK's own server; its agent says again what it was told, and breaks when it is told to. */
class Echo extends BaseAgent {
  protected async *runAsyncImpl({ invocationId, userContent }: InvocationContext) {
    const text = userContent?.parts?.map((part) => part.text ?? '').join('') ?? ''
    if (text === 'fail') throw new Error('broke')
    yield createEvent({
      author: this.name,
      invocationId,
      content: { role: 'model', parts: [{ text: `echo ${text}` }] },
    })
  }
  /** It has none. */
  protected async *runLiveImpl(): AsyncGenerator<never> {}
}

async function startAdk(): Promise<OfficialServer> {
  const port = await freePort()
  const app = await toA2a(new Echo({ name: 'echo' }), { port, allowUnauthenticated: true })
  const server = await new Promise<Server>((resolve) => {
    const listening: Server = app.listen(port, '127.0.0.1', () => resolve(listening))
  })
  return {
    url: `http://127.0.0.1:${port}/`,
    stop: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  }
}

interface Kind {
  readonly title: string
  readonly start: () => Promise<OfficialServer>
  /** What it says to `complete`, and where. */
  readonly says: { readonly [P in Part]?: string }
}

const AGENTS: readonly Kind[] = [
  { title: '@a2a-js/sdk 1.3.0', start: () => startModern('JSONRPC', true), says: { artifact: 'made', status: 'done' } },
  { title: '@a2a-js/sdk 0.3.14', start: () => startOld('JSONRPC', true), says: { artifact: 'made', status: 'done' } },
  { title: '@google/adk 2.0.0', start: startAdk, says: { artifact: 'echo complete' } },
]

const DEEDS = ['answer', 'stream', 'failure'] as const
const cells = new Map<string, Set<string>>()
/** Printed beside the table. */
const notes = new Set<string>()

let world: World
let servers: OfficialServer[]

beforeAll(async () => {
  servers = await Promise.all(AGENTS.map(({ start }) => start()))
  const agents = servers.map(({ url }, at) => [`agent-${at}`, { connector: { kind: 'a2a', url }, access: 'anonymous' }])
  world = await aWorld({ cards: Object.fromEntries(agents) })
  expect(world.gateway.cardProblems).toEqual([])
})
afterAll(async () => {
  await world?.stop()
  await Promise.all((servers ?? []).map((server) => server.stop()))
  console.log([table(), ...notes].join('\n'))
})

function table(): string {
  const head = ['client', 'A2A', ...AGENTS.map(({ title }) => title)]
  const rows = FRAMEWORKS.map(({ name, speaks }) => [
    name,
    speaks,
    ...AGENTS.map(({ title }) => [...(cells.get(`${name} ${title}`) ?? [])].join(', ')),
  ])
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

const PAIRS = FRAMEWORKS.flatMap((framework) =>
  AGENTS.map((agent, at) => [`${framework.name} to ${agent.title}`, framework, agent, at] as const),
)

describe.each(PAIRS)('%s', (_title, framework: Framework, agent: Kind, at: number) => {
  const connect = () => framework.connect(`${world.gateway.url}/agents/agent-${at}/`)
  const expectWords = ({ text }: Asked, shown: Part | undefined) => {
    const words = shown === undefined ? Object.values(agent.says) : [agent.says[shown]]
    if (words[0] === undefined) {
      notes.add(`${framework.name} shows the words of the last ${shown} only, where ${agent.title} says nothing`)
      expect(text).toBe('')
    } else expect(words.some((one) => text.includes(one as string))).toBe(true)
  }
  const deed = (name: (typeof DEEDS)[number], run: () => Promise<'not offered' | undefined>) =>
    test(name, async () => {
      const key = `${framework.name} ${agent.title}`
      if ((await run()) !== 'not offered') cells.set(key, (cells.get(key) ?? new Set()).add(name))
    })

  deed('answer', async () => {
    const { ask } = await connect()
    expectWords(await ask('complete'), framework.shows?.answer)
    return undefined
  })

  deed('stream', async () => {
    const { stream } = await connect()
    if (!stream) {
      notes.add(`${framework.name} has one way to ask; whether it streams is its own affair`)
      return 'not offered'
    }
    const asked = await stream('complete')
    expectWords(asked, framework.shows?.stream)
    expect(asked.pieces).toBeGreaterThan(0)
    return undefined
  })

  deed('failure', async () => {
    const failed = world.next('task.finished', ({ agent: name }) => name === `agent-${at}`)
    const { ask } = await connect()
    const seen = await ask('fail').then(({ text }) => text, String)
    for (const words of Object.values(agent.says)) expect(seen).not.toContain(words)
    expect((await failed).state).toBe('TASK_STATE_FAILED')
    return undefined
  })
})
