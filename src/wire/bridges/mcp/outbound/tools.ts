/** An MCP server's tools on an Agent Card: a skill each, and their schemas under an extension of ours. */
import type { AgentCard, AgentSkill } from '../../../../a2a/agentCard.ts'
import type { AgentTarget, McpServerTarget } from '../../../../ports.ts'

/** The extension whose params hold what a skill has no place for. */
export const TOOLS_URI = 'urn:x-waypost:mcp-tools:1'

/** A tool as its server tells it. */
export interface ServerTool {
  readonly name: string
  readonly title?: string | undefined
  readonly description?: string | undefined
  readonly inputSchema: Readonly<Record<string, unknown>>
  readonly outputSchema?: Readonly<Record<string, unknown>> | undefined
  readonly annotations?:
    | {
        readonly title?: string | undefined
        readonly readOnlyHint?: boolean | undefined
        readonly idempotentHint?: boolean | undefined
        readonly destructiveHint?: boolean | undefined
      }
    | undefined
}

export interface CardTool {
  readonly name: string
  readonly inputSchema: Readonly<Record<string, unknown>>
  readonly outputSchema?: Readonly<Record<string, unknown>>
  /** It may be called again although a call before may have been acted upon. */
  readonly repeatable: boolean
}

export interface ServerFacts {
  readonly title?: string | undefined
  readonly version?: string | undefined
  readonly instructions?: string | undefined
  readonly tools: readonly ServerTool[]
}

const TEXT_CHARS_MAX = 4_096
const NAME_CHARS_MAX = 128

/** What an operator lets through. */
export const offered = (tools: readonly ServerTool[], { allow, deny }: McpServerTarget): ServerTool[] =>
  tools.filter(
    ({ name }) =>
      name !== '' && name.length <= NAME_CHARS_MAX && (allow?.includes(name) ?? true) && !deny.includes(name),
  )

const isRepeatable = ({ name, annotations = {} }: ServerTool, { idempotent, repeats }: McpServerTarget): boolean =>
  repeats || idempotent.includes(name) || annotations.readOnlyHint === true || annotations.idempotentHint === true

export function cardOf(target: AgentTarget, mcp: McpServerTarget, facts: ServerFacts): AgentCard {
  const tools = offered(facts.tools, mcp)
  const { title = target.name, version = '0', instructions } = facts
  const params = {
    tools: tools.map((tool): CardTool => {
      const { name, inputSchema, outputSchema } = tool
      return { name, inputSchema, ...(outputSchema && { outputSchema }), repeatable: isRepeatable(tool, mcp) }
    }),
  }
  const description = 'How its tools are called: a data part {"tool": name, "arguments": {…}}'
  return {
    name: title.slice(0, NAME_CHARS_MAX),
    description: (instructions || `The MCP server ${title}`).slice(0, TEXT_CHARS_MAX),
    version: version.slice(0, 64) || '0',
    // Where it is, for whoever watches that an agent stays where it was; callers are shown the gateway's own.
    supportedInterfaces: mcp.command ? [] : [{ url: target.url, protocolBinding: 'MCP', protocolVersion: '1' }],
    capabilities: { extensions: [{ uri: TOOLS_URI, description, required: false, params }] },
    defaultInputModes: ['application/json', 'text/plain'],
    defaultOutputModes: ['application/json', 'text/plain'],
    skills: tools.map(skillOf),
  }
}

function skillOf({ name, title, description, annotations = {} }: ServerTool): AgentSkill {
  const shown = title || annotations.title || name
  const tags = [
    'mcp',
    ...(annotations.readOnlyHint ? ['read-only'] : []),
    ...(annotations.idempotentHint ? ['idempotent'] : []),
    ...(annotations.destructiveHint && !annotations.readOnlyHint ? ['destructive'] : []),
  ]
  return {
    id: name,
    name: shown.slice(0, NAME_CHARS_MAX),
    description: (description || shown).slice(0, TEXT_CHARS_MAX),
    tags,
  }
}

/** The tools on a card that was made here. */
export function toolsOn(card: AgentCard): readonly CardTool[] {
  const params = card.capabilities.extensions?.find(({ uri }) => uri === TOOLS_URI)?.params
  return Array.isArray(params?.tools) ? (params.tools as CardTool[]) : []
}
