/** Agent frameworks as clients, each by its own way of asking a remote agent; what they show of the answer, as text. */
import { randomUUID } from 'node:crypto'
import { A2AAgent as AgUiAgent } from '@ag-ui/a2a'
import { InMemoryRunner } from '@google/adk'
import { RemoteA2AAgent } from '@google/adk/a2a'
import { A2AAgent as MastraAgent } from '@mastra/core/a2a'
import { A2AAgent as StrandsAgent } from '@strands-agents/sdk/a2a'
import { A2AClient } from 'sdk02/client'

export interface Asked {
  /** All that was shown as the agent's words. */
  readonly text: string
  /** In how many pieces it came. */
  readonly pieces: number
}

export type Part = 'artifact' | 'status'

export interface Framework {
  readonly name: string
  /** The version of A2A that it speaks. */
  readonly speaks: '0.2' | '0.3' | '1.0'
  /** Which of an agent's words it hands to its user: the artifacts', the last status's, or (default) either. */
  readonly shows?: { readonly answer?: Part; readonly stream?: Part }
  /** A conversation with the agent at this base URL. A rejection is how a framework tells of a failure. */
  connect(base: string): Promise<{ ask(text: string): Promise<Asked>; stream?(text: string): Promise<Asked> }>
}

const told = (pieces: readonly string[]): Asked => ({ text: pieces.join('\n'), pieces: pieces.length })

const adk: Framework = {
  name: '@google/adk 2.0.0',
  speaks: '0.3',
  async connect(base) {
    const agent = new RemoteA2AAgent({ name: 'remote', description: 'remote', agentCard: base })
    const runner = new InMemoryRunner({ agent, appName: 'waypost' })
    const { id: sessionId } = await runner.sessionService.createSession({ appName: 'waypost', userId: 'u' })
    const stream = async (text: string) => {
      const pieces: string[] = []
      const newMessage = { role: 'user', parts: [{ text }] }
      for await (const event of runner.runAsync({ userId: 'u', sessionId, newMessage })) {
        if (event.errorMessage) throw new Error(event.errorMessage)
        for (const part of event.content?.parts ?? []) if (part.text) pieces.push(part.text)
      }
      return told(pieces)
    }
    return { ask: stream, stream }
  },
}

const mastra = (protocolVersion: '0.3' | '1.0'): Framework => ({
  name: `@mastra/core 1.71.0 as ${protocolVersion}`,
  speaks: protocolVersion,
  shows: { stream: 'artifact' },
  async connect(base) {
    const agent = new MastraAgent({ id: 'remote', url: base, protocolVersion })
    return {
      ask: async (text) => told([(await agent.generate(text)).text]),
      async stream(text) {
        const pieces: string[] = []
        const { fullStream } = await agent.stream(text)
        for await (const event of fullStream) {
          if (event.type === 'error') throw new Error(JSON.stringify(event.payload))
          if (event.type === 'text-delta') pieces.push(event.payload.text)
        }
        return told(pieces)
      },
    }
  },
})

const strands: Framework = {
  name: '@strands-agents/sdk 1.19.0',
  speaks: '0.3',
  async connect(base) {
    const agent = new StrandsAgent({ url: base })
    return {
      ask: async (text) => told([String(await agent.invoke(text))]),
      async stream(text) {
        let pieces = 0
        let answer = ''
        for await (const event of agent.stream(text)) {
          if (event.type === 'a2aStreamUpdateEvent') pieces += 1
          if (event.type === 'a2aResultEvent') answer = String(event.result)
        }
        return { text: answer, pieces }
      },
    }
  },
}

const agUi: Framework = {
  name: '@ag-ui/a2a 0.0.6',
  speaks: '0.2',
  shows: { answer: 'status' },
  connect: async (base) => ({
    async ask(text) {
      const initialMessages = [{ id: '1', role: 'user' as const, content: text }]
      const agent = new AgUiAgent({ a2aClient: new A2AClient(base) as never, initialMessages })
      const { newMessages } = await agent.runAgent({})
      return told(newMessages.map(({ content }) => String(content)))
    },
  }),
}

const message = (text: string) => ({
  kind: 'message' as const,
  messageId: randomUUID(),
  role: 'user' as const,
  parts: [{ kind: 'text' as const, text }],
})

type Said = { readonly parts?: readonly { readonly text?: string }[] }
const textsOf = (...said: readonly (Said | undefined)[]): string[] =>
  said.flatMap((one) => (one?.parts ?? []).flatMap(({ text }) => text ?? []))

const sdk02: Framework = {
  name: '@a2a-js/sdk 0.2.5',
  speaks: '0.2',
  async connect(base) {
    const client = new A2AClient(base)
    return {
      async ask(text) {
        const configuration = { blocking: true, acceptedOutputModes: ['text'] }
        const answer = await client.sendMessage({ message: message(text), configuration })
        if ('error' in answer) throw new Error(answer.error.message)
        const { result } = answer
        if (result.kind === 'message') return told(textsOf(result))
        if (result.status.state === 'failed') throw new Error('the task has failed')
        return told(textsOf(...(result.artifacts ?? []), result.status.message))
      },
      async stream(text) {
        const pieces: string[] = []
        for await (const event of client.sendMessageStream({ message: message(text) })) {
          if (event.kind === 'artifact-update') pieces.push(...textsOf(event.artifact))
          if (event.kind !== 'status-update') continue
          if (event.status.state === 'failed') throw new Error('the task has failed')
          pieces.push(...textsOf(event.status.message))
        }
        return told(pieces)
      },
    }
  },
}

export const FRAMEWORKS: readonly Framework[] = [adk, mastra('0.3'), mastra('1.0'), strands, agUi, sdk02]
