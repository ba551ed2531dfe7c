/** What an MCP server says, in A2A's words. */
import type { FieldViolation } from '../../../../a2a/errors.ts'
import type { StreamResponse } from '../../../../a2a/events.ts'
import type { Part } from '../../../../a2a/parts.ts'
import type { Message, TaskState } from '../../../../a2a/tasks.ts'
import { uuidv7 } from '../../../../platform/ids.ts'
import type { CardTool } from './tools.ts'

export interface CallResult {
  readonly content?: readonly ContentBlock[]
  readonly structuredContent?: unknown
  readonly isError?: boolean
}
export interface ContentBlock {
  readonly type: string
  readonly text?: string
  readonly data?: string
  readonly mimeType?: string
  readonly uri?: string
  readonly name?: string
  readonly resource?: {
    readonly uri?: string
    readonly mimeType?: string
    readonly text?: string
    readonly blob?: string
  }
}

const typed = (mediaType: string | undefined) => (mediaType ? { mediaType } : {})
const named = (uri: string | undefined) =>
  uri ? { filename: uri.replace(/^.*\//, '').slice(0, 256) || 'resource' } : {}

function partOf({ type, text, data, mimeType, uri, name, resource }: ContentBlock): Part | undefined {
  if (type === 'text' && text !== undefined) return { text }
  if ((type === 'image' || type === 'audio') && data !== undefined) return { raw: data, ...typed(mimeType) }
  if (type === 'resource_link' && uri !== undefined)
    return { url: uri, ...(name ? { filename: name.slice(0, 256) } : {}), ...typed(mimeType) }
  if (type !== 'resource' || !resource) return undefined
  if (resource.blob !== undefined) return { raw: resource.blob, ...named(resource.uri), ...typed(resource.mimeType) }
  if (resource.text === undefined) return undefined
  // A text part has no name: what it is of stands in its metadata.
  return { text: resource.text, ...typed(resource.mimeType), ...(resource.uri && { metadata: { uri: resource.uri } }) }
}

/** The same content twice, as text for those who know no structure, is told once. */
export function partsOf({ content = [], structuredContent }: CallResult): Part[] {
  const structured: Part[] =
    structuredContent === undefined ? [] : [{ data: structuredContent, mediaType: 'application/json' }]
  const again = (block: ContentBlock): boolean => {
    if (structuredContent === undefined || block.type !== 'text') return false
    try {
      return JSON.stringify(JSON.parse(block.text ?? '')) === JSON.stringify(structuredContent)
    } catch {
      return false
    }
  }
  return [...content.flatMap((block) => (again(block) ? [] : (partOf(block) ?? []))), ...structured]
}

/** Ids of the upstream task; empty as long as nobody need find the call again. */
export interface CallIds {
  readonly taskId: string
}

const messageOf = ({ taskId }: CallIds, parts: Part[]): Message => ({
  messageId: uuidv7(),
  role: 'ROLE_AGENT',
  taskId,
  parts,
})

export const statusOf = (ids: CallIds, state: TaskState, parts: Part[] = []): StreamResponse => ({
  statusUpdate: {
    ...ids,
    contextId: '',
    status: { state, ...(parts.length > 0 && { message: messageOf(ids, parts) }) },
  },
})

/** The end of a call: its result as an artifact, or its failure in words. */
export function endOf(ids: CallIds, tool: CardTool, result: CallResult): StreamResponse[] {
  const parts = partsOf(result)
  if (result.isError) return [statusOf(ids, 'TASK_STATE_FAILED', parts)]
  const artifact = { artifactId: 'result', name: tool.name, parts: parts.length > 0 ? parts : [{ text: '' }] }
  return [
    { artifactUpdate: { ...ids, contextId: '', artifact, append: false, lastChunk: true } },
    statusOf(ids, 'TASK_STATE_COMPLETED'),
  ]
}

/** Why a call has ended that did not end by itself; the reason also for programs, as everywhere (google.rpc.ErrorInfo). */
export const failureOf = (ids: CallIds, reason: string, text: string): StreamResponse =>
  statusOf(ids, 'TASK_STATE_FAILED', [
    { text },
    {
      data: { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'waypost' },
      mediaType: 'application/json',
    },
  ])

/** The message does not say which tool it means: all that there are, with what they take. */
export const whichTool = (
  ids: CallIds,
  tools: readonly CardTool[],
  wrong: FieldViolation | undefined,
): StreamResponse =>
  statusOf(ids, 'TASK_STATE_INPUT_REQUIRED', [
    {
      text: `${wrong ? `${wrong.field}: ${wrong.description}.` : 'Which tool?'} Answer with a data part {"tool": name, "arguments": {…}}.`,
    },
    { data: { tools: tools.map(({ name, inputSchema }) => ({ name, inputSchema })) }, mediaType: 'application/json' },
  ])
