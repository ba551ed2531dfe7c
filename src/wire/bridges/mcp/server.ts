/**
 * The MCP server as a definition: tools, resources, prompts, for both protocol eras. Whoever serves it (the gateway's
 * `/mcp`, `waypost mcp` on stdio) brings what the tools do.
 */
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/server'
import { z } from 'zod'
import {
  INSTRUCTIONS,
  PROMPTS,
  type PromptForm,
  SENDING_TOOLS,
  TOOL_NAMES,
  type ToolForm,
  type ToolName,
  toolForm,
} from './catalogue.ts'
import { addTasks, declaresTasks, type McpTask, TASKS_EXTENSION, type TaskCalls } from './tasks.ts'

/** One call's circumstances. */
export interface Turn {
  /** Aborted when the host has canceled the call, or has gone. */
  readonly signal: AbortSignal
  /** The host wants to hear how it goes: a number that grows, and words. Never rejects. */
  readonly progress?: (done: number, message: string) => Promise<void>
  /** The host can be answered with a task of the extension. */
  readonly takesTask?: boolean
}

export interface ToolAnswer {
  /** One JSON object; compact, because a model reads it. */
  readonly result: Readonly<Record<string, unknown>>
  readonly isError?: boolean
  /** It goes on: told to a host that `takesTask`. */
  readonly task?: McpTask
}
/** Does what a tool is for. Expected failures are answers with `isError`. */
export type RunTool = (name: ToolName, input: unknown, turn: Turn) => Promise<ToolAnswer>
/** The JSON text of a resource; undefined: there is none, or not for this caller. */
export type ReadResource = (uri: string, turn: Turn) => Promise<string | undefined>

export interface McpServerTools {
  readonly version: string
  readonly runTool: RunTool
  readonly readResource: ReadResource
  /** `send`: only what a host needs that takes no work. */
  readonly profile?: 'all' | 'send'
  /** Tasks of the extension are offered. */
  readonly tasks?: TaskCalls
  /** Whoever serves it tells of resources that change. */
  readonly subscribes?: boolean
}

interface CallContext {
  readonly mcpReq: {
    readonly signal: AbortSignal
    readonly _meta?: { readonly progressToken?: string | number | undefined } | undefined
    /** The newer protocol: what the request says of its sender. */
    readonly envelope?: unknown
    readonly notify: (notification: {
      method: 'notifications/progress'
      params: Record<string, unknown>
    }) => Promise<void>
  }
}

/** One for each serving unit (a request, a connection); cheap to make. */
export function createMcpServer(tools: McpServerTools): McpServer {
  const { version, profile = 'all', tasks, subscribes = false } = tools
  const capabilities = {
    ...{ tools: {}, resources: subscribes ? { subscribe: true } : {}, prompts: {} },
    ...(tasks && { extensions: { [TASKS_EXTENSION]: {} } }),
  }
  const server = new McpServer(
    { name: 'waypost', title: 'Waypost', version },
    { instructions: INSTRUCTIONS, capabilities },
  )
  if (tasks) addTasks(server, tasks)
  for (const name of profile === 'send' ? SENDING_TOOLS : TOOL_NAMES) addTool(server, toolForm(name), tools)
  addResources(server, tools)
  for (const prompt of PROMPTS) addPrompt(server, prompt)
  return server
}

function addTool(server: McpServer, form: ToolForm, { runTool, tasks }: McpServerTools): void {
  const { name, title, description, annotations, input, output } = form
  const config = { title, description, inputSchema: input, outputSchema: output, ...(annotations && { annotations }) }
  server.registerTool(name, config, async (given, context) => {
    const takesTask = tasks !== undefined && declaresTasks(context.mcpReq.envelope)
    const { result, isError, task } = await runTool(name, given, { ...turnOf(context), takesTask })
    // Content and structure are for the library, which holds all answers of a tool against its schema.
    if (task && takesTask) return { resultType: 'task', ...task, content: [], structuredContent: result }
    // Older clients hold also an error against the schema of the result.
    const structured = !isError || output.safeParse(result).success
    return {
      content: [{ type: 'text', text: JSON.stringify(result) }],
      ...(structured && { structuredContent: result }),
      ...(isError && { isError }),
    }
  })
}

function turnOf({ mcpReq }: CallContext): Turn {
  const progressToken = mcpReq._meta?.progressToken
  const { signal } = mcpReq
  if (progressToken === undefined) return { signal }
  return {
    signal,
    async progress(progress, message) {
      const params = { progressToken, progress, message }
      // Who has gone hears of no progress, and that is no failure of the call.
      await mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {})
    },
  }
}

const JSON_TYPE = { mimeType: 'application/json' }

const TEMPLATES = [
  ['agent', 'agent://{name}', 'An agent: what it can do and whether it is there'],
  ['task', 'task://{id}', 'A task of yours, whole: history, artifacts, status'],
  ['conversation', 'conversation://{contextId}', 'Your tasks of one conversation'],
] as const

function addResources(server: McpServer, { readResource }: McpServerTools): void {
  const read = async (uri: URL, context: CallContext) => {
    const text = await readResource(uri.href, { signal: context.mcpReq.signal })
    if (text === undefined) throw new Error(`there is no ${uri.href.slice(0, 200)}`)
    return { contents: [{ uri: uri.href, ...JSON_TYPE, text }] }
  }
  const inbox = { title: 'My inbox', description: 'What waits for you', ...JSON_TYPE }
  server.registerResource('inbox', 'inbox://me', inbox, (uri, context) => read(uri, context))
  for (const [name, template, description] of TEMPLATES) {
    const pattern = new ResourceTemplate(template, { list: undefined })
    server.registerResource(name, pattern, { description, ...JSON_TYPE }, (uri, _, context) => read(uri, context))
  }
}

function addPrompt(server: McpServer, { name, title, description, arguments: wanted, text }: PromptForm): void {
  const says = (given: Record<string, string | undefined>) => ({
    messages: [{ role: 'user' as const, content: { type: 'text' as const, text: text(given) } }],
  })
  const names = Object.entries(wanted)
  if (names.length === 0) {
    server.registerPrompt(name, { title, description }, () => says({}))
    return
  }
  const argsSchema = z.object(Object.fromEntries(names.map(([key, about]) => [key, z.string().describe(about)])))
  server.registerPrompt(name, { title, description, argsSchema }, (given) => says(given))
}
