/** JSON Schema (2020-12) from the schemas that requests are checked with. */
import { z } from 'zod'
import { Part } from '../../a2a/parts.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

export interface Converter {
  /** What may be sent, or what is answered; a schema that has a name is referred to by it. */
  convert(schema: z.ZodType): JsonSchema
  /** Every named one that was referred to, and all that those refer to. */
  named(): Readonly<Record<string, JsonSchema>>
}

/** What a check says in code and JSON Schema can say too. */
const CONTENT = ['text', 'raw', 'url', 'data']
function refine({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: Record<string, unknown> }): void {
  if (zodSchema === Part) jsonSchema.oneOf = CONTENT.map((name) => ({ required: [name] }))
  // The calendar as a regular expression helps no reader.
  if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
}

/** `place`: where named ones stand, as `#/components/schemas/`. */
export function createConverter(models: Readonly<Record<string, z.ZodType>>, place: string): Converter {
  const registry = z.registry<{ id: string }>()
  for (const [id, model] of Object.entries(models)) registry.add(model, { id })
  const found = new Map<string, JsonSchema>()
  const moved = (json: unknown): unknown => {
    if (Array.isArray(json)) return json.map(moved)
    if (typeof json !== 'object' || json === null) return json
    return Object.fromEntries(
      Object.entries(json).map(([name, value]) => [
        name,
        name === '$ref' && typeof value === 'string' ? value.replace('#/$defs/', place) : moved(value),
      ]),
    )
  }
  return {
    convert(schema) {
      const made = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', metadata: registry, override: refine })
      const { $schema: _, $defs = {}, ...json } = made as Record<string, unknown> & { $defs?: Record<string, unknown> }
      for (const [name, model] of Object.entries($defs)) {
        const { id: __, ...rest } = model as Record<string, unknown>
        found.set(name, moved(rest) as JsonSchema)
      }
      return moved(json) as JsonSchema
    },
    named: () => Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1))),
  }
}
