/**
 * Reading ProtoJSON liberally (ProtoJSON parsers are required to): snake_case names, enums by number, null and '' as
 * unset, unpadded and URL-safe base64, unknown members ignored. The readers are made from the zod schemas, once per
 * schema, so that a field is described in one place; zod then checks what came out.
 */
import type { z } from 'zod'
import { A2AError, type FieldViolation, type Reason } from '../../a2a/errors.ts'
import { Part } from '../../a2a/parts.ts'
import { TaskState } from '../../a2a/tasks.ts'
import { LIMITS } from '../../limits.ts'
import { toMilliseconds } from './timestamps.ts'

export type Fields = Record<string, unknown>
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A caller is held to the rules; what an agent says is taken as far as it can be understood. */
export type Speaker = 'caller' | 'agent'

type Read = (value: unknown) => unknown
const READERS: Record<Speaker, WeakMap<z.core.$ZodType, Read>> = { caller: new WeakMap(), agent: new WeakMap() }
const same: Read = (value) => value

const CAMEL = new Map<string, string>()
/** `message_id` → `messageId`. Remembered, because the same few names come again and again; bounded, because callers choose them. */
export function camelCase(name: string): string {
  const known = CAMEL.get(name)
  if (known !== undefined) return known
  const camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
  if (CAMEL.size < 500 && name.length <= LIMITS.echoCharsMax) CAMEL.set(name, camel)
  return camel
}

/** One level of an object with camelCase names and without nulls; what is inside stays as it is. */
export function shallow(value: unknown): Fields {
  if (!isFields(value)) return {}
  const out: Fields = {}
  for (const key of Object.keys(value)) {
    const name = key.includes('_') ? camelCase(key) : key
    if (value[key] === null || name === '__proto__') continue
    if (name === key || !(name in value)) out[name] = value[key]
  }
  return out
}

function readerOf(schema: z.core.$ZodType, speaker: Speaker): Read {
  const known = READERS[speaker].get(schema)
  if (known) return known
  const made = makeReader(schema, speaker)
  READERS[speaker].set(schema, made)
  return made
}

/** The part of a zod definition that a reader is made from. */
interface Def {
  readonly type: string
  readonly innerType: z.core.$ZodType
  readonly element: z.core.$ZodType
  readonly valueType: z.core.$ZodType
  readonly entries: Readonly<Record<string, string>>
  readonly shape: Readonly<Record<string, z.core.$ZodType>>
  readonly catchall?: z.core.$ZodType
}
const defOf = (schema: z.core.$ZodType): Def => schema._zod.def as unknown as Def

function makeReader(schema: z.core.$ZodType, speaker: Speaker): Read {
  const def = defOf(schema)
  switch (def.type) {
    case 'optional':
    case 'default':
      return readerOf(def.innerType, speaker)
    case 'object':
      return schema === Part ? readPart : objectReader(def, speaker)
    case 'array': {
      const read = readerOf(def.element, speaker)
      return read === same ? same : (value) => (Array.isArray(value) ? value.map(read) : value)
    }
    case 'record': {
      const read = readerOf(def.valueType, speaker)
      return read === same ? same : (value) => (isFields(value) ? mapFields(value, read) : value)
    }
    case 'enum':
      return enumReader(Object.values(def.entries), schema === TaskState && speaker === 'agent')
    default:
      return same
  }
}

export const mapFields = (fields: Fields, change: (value: unknown) => unknown): Fields =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, change(value)]))

interface FieldReader {
  readonly name: string
  readonly read: Read
  /** A proto3 string without presence: '' is unset. */
  readonly emptyIsUnset: boolean
}

function objectReader(def: Def, speaker: Speaker): Read {
  const fields = new Map<string, FieldReader>()
  for (const [name, schema] of Object.entries(def.shape)) {
    const inner = defOf(schema)
    const optional = inner.type === 'optional'
    const bare = optional ? defOf(inner.innerType).type : inner.type
    fields.set(name, {
      name,
      read: fieldReader(name, bare, schema, speaker),
      emptyIsUnset: optional && bare === 'string',
    })
  }
  const loose = def.catchall !== undefined
  return (value) => {
    if (!isFields(value)) return value
    const out: Fields = {}
    for (const key of Object.keys(value)) {
      const field = fields.get(key) ?? (key.includes('_') ? fields.get(camelCase(key)) : undefined)
      const inner = value[key]
      if (!field) {
        if (loose && key !== '__proto__') out[key] = inner
        continue
      }
      if (inner === null || (inner === '' && field.emptyIsUnset)) continue
      if (field.name === key || !(field.name in value)) out[field.name] = field.read(inner)
    }
    return out
  }
}

function fieldReader(name: string, bare: string, schema: z.core.$ZodType, speaker: Speaker): Read {
  if (name === 'timestamp' && speaker === 'agent') return (value) => toMilliseconds(value)
  // A number may come as a string (ProtoJSON), but a historyLength "5" is refused (bad input D-27).
  if (bare === 'number' && name !== 'historyLength')
    return (value) => (typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value)
  return readerOf(schema, speaker)
}

function enumReader(entries: readonly string[], newerStates: boolean): Read {
  return (value) => {
    if (typeof value === 'number') return entries[value] ?? (newerStates ? 'TASK_STATE_WORKING' : value)
    // A state of a newer version: the agent is busy with something, and we do not know with what.
    if (newerStates && typeof value === 'string' && !entries.includes(value)) {
      if (value === 'TASK_STATE_CANCELLED') return 'TASK_STATE_CANCELED'
      if (value.startsWith('TASK_STATE_')) return 'TASK_STATE_WORKING'
    }
    return value
  }
}

/** Content is a oneof, so its members have presence: '' and `data: null` are content, a null elsewhere is none. */
function readPart(value: unknown): unknown {
  if (!isFields(value)) return value
  const out: Fields = {}
  for (const key of Object.keys(value)) {
    const name = key === 'media_type' ? 'mediaType' : key
    const inner = value[key]
    if (name === 'data') out[name] = inner
    else if (inner === null) continue
    else if (name === 'raw') out[name] = readBase64(inner)
    else if (name === 'text' || name === 'url' || name === 'metadata') out[name] = inner
    else if ((name === 'filename' || name === 'mediaType') && inner !== '') out[name] = inner
  }
  return out
}

/** Standard padded base64, or `false` for what is none: zod refuses that. */
export function readBase64(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const canonical = Buffer.from(value, 'base64').toString('base64')
  if (canonical === value) return value
  const bare = value
    .replace(/={1,2}$/, '')
    .replaceAll('-', '+')
    .replaceAll('_', '/')
  return /^[A-Za-z0-9+/]*$/.test(bare) && bare.length % 4 !== 1 ? canonical : false
}

/** @throws A2AError `reason` with at most 20 violations: who sends a thousand wrong fields gets no thousand lines back. */
export function readAs<S extends z.ZodType>(schema: S, value: unknown, speaker: Speaker, what: string): z.infer<S> {
  const checked = schema.safeParse(readerOf(schema, speaker)(value))
  if (checked.success) return checked.data
  const violations = checked.error.issues.slice(0, LIMITS.violationsMax).map(toViolation)
  const reason: Reason = speaker === 'caller' ? 'INVALID_PARAMS' : 'INVALID_AGENT_RESPONSE'
  const first = violations[0] as FieldViolation
  throw new A2AError(reason, `${what}: ${first.field === '' ? '' : `${first.field}: `}${first.description}`, {
    violations,
  })
}

function toViolation(issue: z.core.$ZodIssue): FieldViolation {
  const field = issue.path.reduce<string>((path, key) => {
    if (typeof key === 'number') return `${path}[${key}]`
    const name = String(key).slice(0, LIMITS.echoCharsMax)
    return path === '' ? name : `${path}.${name}`
  }, '')
  if (issue.path.at(-1) === 'raw') return { field, description: 'must be base64, standard or URL-safe' }
  return { field, description: issue.message.slice(0, 200) }
}
