/** Schemas and sentences as HTML. All text goes through `asHtml`. */
import type { JsonSchema } from './convert.ts'

const SIGNS: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
export const asHtml = (text: string): string => text.replace(/[&<>"']/g, (sign) => SIGNS[sign] as string)

/** A sentence with `code` in it. */
export const words = (text: string): string => asHtml(text).replace(/`([^`]+)`/g, '<code>$1</code>')

export type Ref = (name: string) => string

const INDENT = '  '
/** A list of words is broken into lines beyond this. */
const ONE_LINE = 72

/** As TypeScript writes types; bounds stand behind as a comment. */
export function notation(schema: JsonSchema, ref: Ref, depth = 0): string {
  const { $ref, anyOf, oneOf, type, const: only, enum: values } = schema
  if (typeof $ref === 'string') return ref($ref.split('/').at(-1) as string)
  if (only !== undefined) return asHtml(JSON.stringify(only))
  if (Array.isArray(values))
    return union(
      values.map((value) => asHtml(JSON.stringify(value))),
      depth,
    )
  const either = anyOf ?? (type === undefined ? oneOf : undefined)
  if (Array.isArray(either))
    return union(
      either.map((one) => notation(one as JsonSchema, ref, depth)),
      depth,
    )
  if (Array.isArray(type)) return type.map(String).join(' | ')
  if (type === 'array') {
    const items = notation((schema.items ?? {}) as JsonSchema, ref, depth)
    return `${/ \| /.test(items) && !items.startsWith('{') ? `(${items})` : items}[]${bounds(schema, 'Items')}`
  }
  if (type === 'object') return objectOf(schema, ref, depth)
  return `${typeof type === 'string' ? type : 'any'}${bounds(schema, 'Length')}`
}

function union(forms: readonly string[], depth: number): string {
  const line = [...new Set(forms)].join(' | ')
  const plain = line.replace(/<[^>]*>/g, '')
  if (plain.length <= ONE_LINE || forms.length === 1) return line
  return [...new Set(forms)].join(`\n${INDENT.repeat(depth + 1)}| `)
}

interface Properties {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
}

function objectOf(schema: JsonSchema, ref: Ref, depth: number): string {
  const { properties = {}, required = [], additionalProperties } = schema as Properties
  const pad = INDENT.repeat(depth + 1)
  const members = Object.entries(properties).map(([name, member]) => {
    const { description } = member
    const about = typeof description === 'string' ? `${pad}<i>// ${asHtml(description)}</i>\n` : ''
    return `${about}${pad}${asHtml(name)}${required.includes(name) ? '' : '?'}: ${notation(member, ref, depth + 1)}`
  })
  if (members.length === 0 && typeof additionalProperties === 'object')
    return `{ [name]: ${notation(additionalProperties, ref, depth)} }`
  if (members.length === 0) return '{}'
  return `{\n${members.join('\n')}\n${INDENT.repeat(depth)}}`
}

/** What is said of a value beyond its type. */
function bounds(schema: JsonSchema, unit: 'Items' | 'Length'): string {
  const least = schema.minimum ?? schema[`min${unit}`]
  const most = schema.maximum ?? schema[`max${unit}`]
  const said = [
    ...(least !== undefined && most !== undefined ? [`${least}–${most}`] : []),
    ...(least !== undefined && most === undefined ? [`≥ ${least}`] : []),
    ...(least === undefined && most !== undefined ? [`≤ ${most}`] : []),
    ...(typeof schema.format === 'string' ? [schema.format] : []),
    ...(typeof schema.pattern === 'string' ? [schema.pattern] : []),
    ...(schema.default !== undefined ? [`default ${JSON.stringify(schema.default)}`] : []),
  ]
  return said.length > 0 ? ` <i>${asHtml(said.join(', '))}</i>` : ''
}
