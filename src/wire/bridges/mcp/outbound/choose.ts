/**
 * Which tool a message means, and with what arguments. Said, never guessed: a data part `{tool, arguments}`; or a skill in
 * the metadata with a data part, or with a text where the tool takes exactly one. Else the caller is asked.
 */
import type { FieldViolation } from '../../../../a2a/errors.ts'
import type { Part } from '../../../../a2a/parts.ts'
import type { Message } from '../../../../a2a/tasks.ts'
import { EXTENSION_URI } from '../../../../delivery.ts'
import type { CheckMessage } from '../../../../ports.ts'
import { misfit } from './schemas.ts'
import { type CardTool, toolsOn } from './tools.ts'

type Metadata = Readonly<Record<string, unknown>> | undefined
type Arguments = Readonly<Record<string, unknown>>

export type Choice =
  | { kind: 'call'; tool: CardTool; arguments: Arguments }
  /** It does not say which. */
  | { kind: 'unclear' }
  | { kind: 'wrong'; violation: FieldViolation }

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const wrong = (field: string, description: string): Choice => ({ kind: 'wrong', violation: { field, description } })

export function chooseTool(tools: readonly CardTool[], message: Message, metadata: Metadata): Choice {
  const at = message.parts.findIndex(({ data }) => isObject(data) && typeof data.tool === 'string')
  const part = message.parts[at]
  if (part) {
    const { tool: name, arguments: given = {} } = part.data as { tool: string; arguments?: unknown }
    const place = `message.parts.${at}.data`
    const tool = tools.find((one) => one.name === name)
    if (!tool) return wrong(`${place}.tool`, unknownTool(name, tools))
    return isObject(given)
      ? checked(tool, given, `${place}.arguments`)
      : wrong(`${place}.arguments`, 'must be an object')
  }
  const skill = skillIn(message.metadata) ?? skillIn(metadata)
  if (skill === undefined) return { kind: 'unclear' }
  const tool = tools.find((one) => one.name === skill)
  return tool ? withSkill(tool, message.parts) : wrong('message.metadata.skill', unknownTool(skill, tools))
}

function skillIn(metadata: Metadata): string | undefined {
  const own = metadata?.[EXTENSION_URI]
  const said = (isObject(own) ? own.skill : undefined) ?? metadata?.skill
  return typeof said === 'string' ? said : undefined
}

const NAMES_SHOWN_MAX = 20
const unknownTool = (name: string, tools: readonly CardTool[]): string => {
  const names = tools.slice(0, NAMES_SHOWN_MAX).map((tool) => tool.name)
  return `there is no tool "${name.slice(0, 64)}"; there are ${names.join(', ')}${tools.length > names.length ? ', …' : ''}`
}

function withSkill(tool: CardTool, parts: readonly Part[]): Choice {
  const at = parts.findIndex(({ data }) => isObject(data))
  if (at >= 0) return checked(tool, parts[at]?.data as Arguments, `message.parts.${at}.data`)
  const text = parts.flatMap((part) => (part.text === undefined ? [] : [part.text])).join('\n')
  const { properties, required } = tool.inputSchema as { properties?: Arguments; required?: unknown }
  // What takes nothing needs nothing said.
  if (Object.keys(properties ?? {}).length === 0) return checked(tool, {}, 'message.parts')
  const [only, ...more] = Array.isArray(required) ? (required as string[]) : []
  const takesText =
    only !== undefined && more.length === 0 && (properties?.[only] as { type?: unknown } | undefined)?.type === 'string'
  if (takesText && text !== '') return checked(tool, { [only]: text }, 'message.parts')
  return wrong('message.parts', `the tool ${tool.name} needs a data part with its arguments`)
}

function checked(tool: CardTool, given: Arguments, field: string): Choice {
  const problem = misfit(tool.inputSchema, given)
  return problem === undefined ? { kind: 'call', tool, arguments: given } : wrong(field, `${tool.name}: ${problem}`)
}

/** What can be told of a message before it is accepted. */
export const checkToolCall: CheckMessage = async (card, message, metadata) => {
  const choice = chooseTool(toolsOn(card), message, metadata)
  return choice.kind === 'wrong' ? choice.violation : undefined
}
