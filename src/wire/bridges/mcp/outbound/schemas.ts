/**
 * Values held against a server's JSON Schemas, in this process: so nothing of a stranger's schema may cost more than its
 * size. Patterns are left out, and a schema that refers to itself or to others is not judged here; its server judges again.
 */
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/client/validators/ajv'

type Schema = Readonly<Record<string, unknown>>

const library = new AjvJsonSchemaValidator()
const COMPILED_MAX = 1_000
/** By the schema's text: compiling costs more than a call. */
const compiled = new Map<string, (value: unknown) => string | undefined>()

/** What is wrong with a value; undefined: nothing, or the schema is not judged here. */
export function misfit(schema: Schema, value: unknown): string | undefined {
  const key = JSON.stringify(schema)
  let check = compiled.get(key)
  if (!check) {
    check = compile(schema)
    if (compiled.size >= COMPILED_MAX) compiled.clear()
    compiled.set(key, check)
  }
  return check(value)
}

/** The same for the library, which holds results against their schemas. */
export const schemaValidator = {
  getValidator: (schema: unknown) => (value: unknown) => {
    const problem = misfit(schema as Schema, value)
    return problem === undefined
      ? { valid: true as const, data: value as never, errorMessage: undefined }
      : { valid: false as const, data: undefined, errorMessage: problem }
  },
}

const REFERS: ReadonlySet<string> = new Set(['$ref', '$dynamicRef', '$recursiveRef'])
const PATTERNS: ReadonlySet<string> = new Set(['pattern', 'patternProperties'])
const UNJUDGED = () => undefined

function compile(schema: Schema): (value: unknown) => string | undefined {
  if (refers(schema)) return UNJUDGED
  try {
    const validate = library.getValidator(withoutPatterns(schema) as Schema)
    return (value) => {
      const result = validate(value)
      return result.valid ? undefined : (result.errorMessage ?? 'does not fit the schema').slice(0, 256)
    }
  } catch {
    return UNJUDGED
  }
}

/** A tool may well take an argument that is called `$ref` or `pattern`: then it is judged less, never more. */
function refers(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, inner]) => REFERS.has(name) || refers(inner))
}

function withoutPatterns(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPatterns)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(
    ([name, inner]) => !PATTERNS.has(name) || (name === 'pattern' && typeof inner !== 'string'),
  )
  return Object.fromEntries(kept.map(([name, inner]) => [name, withoutPatterns(inner)]))
}
