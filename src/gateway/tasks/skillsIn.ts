/** Which of an agent's skills a message asks for, in every place from which an agent may take it. */
import type { Message } from '../../a2a/tasks.ts'
import { ownMetadata } from './facts.ts'

type Metadata = Readonly<Record<string, unknown>> | undefined

/**
 * In the metadata of the message or the request, under our extension's key or plainly, and as `tool` of a data part, which an
 * MCP server's tools are called by. All of them: which one counts is the agent's to decide.
 */
export function skillsIn(params: unknown): string[] {
  const { message, metadata } = params as { message?: Message; metadata?: Metadata }
  const said = [message?.metadata, metadata].flatMap((one) => [ownMetadata(one)?.skill, one?.skill])
  const tools = (message?.parts ?? []).map(({ data }) => (data as { tool?: unknown } | null | undefined)?.tool)
  return [...new Set([...said, ...tools].filter((one) => typeof one === 'string'))]
}
