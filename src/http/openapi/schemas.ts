/** `/schemas/…`: JSON Schemas of what is written by hand or sent by others. */
import type { z } from 'zod'
import { SETTINGS } from '../../config.ts'
import { Registration } from '../../gateway/agents/registration.ts'
import { VERSION_DOCUMENTS } from './a2a.ts'
import { createConverter, type JsonSchema } from './convert.ts'
import { createDocument } from './document.ts'
import { REGISTRATION_MEANINGS } from './meanings.ts'

export interface SchemaFile {
  /** Below `schemas/`. */
  readonly path: string
  readonly about: string
  readonly schema: JsonSchema
}

const DIALECT = 'https://json-schema.org/draft/2020-12/schema'
/** Relative to where it was found: in a checkout, at any gateway. */
const named = (path: string, title: string, json: JsonSchema): JsonSchema => ({
  $schema: DIALECT,
  $id: path.split('/').at(-1),
  title,
  ...json,
})

function config(): SchemaFile {
  const { convert } = createConverter({}, '#/$defs/')
  const about = 'waypost.config.json: every setting'
  const properties = Object.fromEntries(
    Object.entries(SETTINGS).map(([name, { schema, means, env, flag, secret }]) => [
      name,
      {
        description: `${means}. ${env}, --${flag}`,
        ...inFile(schema, convert(schema)),
        ...(secret && { writeOnly: true }),
      },
    ]),
  )
  const json = {
    type: 'object',
    properties: { $schema: { type: 'string' }, ...properties },
    additionalProperties: false,
  }
  return { path: 'config.schema.json', about, schema: named('config.schema.json', about, json) }
}

/** A file may say a list where a variable has commas, and a document where it has its text. */
function inFile(setting: z.ZodType, { default: fallback, ...json }: JsonSchema & { default?: unknown }): JsonSchema {
  const said = fallback === undefined ? {} : { default: fallback }
  if (json.type !== 'string') return { ...json, ...said }
  if (setting.safeParse(30).success) return { ...json, type: ['string', 'number'], ...said }
  if ('enum' in json || 'pattern' in json || 'format' in json) return { ...json, ...said }
  return { anyOf: [json, { type: 'array' }, { type: 'object' }], ...said }
}

function registration(): SchemaFile {
  const about = 'One agent: agent-cards/<name>.json, the body of POST /v1/agents'
  const json = createConverter({}, '#/$defs/').convert(Registration) as { properties: Record<string, JsonSchema> }
  const meanings: Readonly<Record<string, string>> = REGISTRATION_MEANINGS
  const properties = Object.fromEntries(
    Object.entries(json.properties).map(([name, schema]) => [name, { description: meanings[name], ...schema }]),
  )
  return { path: 'agent.schema.json', about, schema: named('agent.schema.json', about, { ...json, properties }) }
}

const a2a = (): SchemaFile[] =>
  VERSION_DOCUMENTS.map(({ version, models }) => {
    const path = `a2a/${version}/a2a.schema.json`
    const converter = createConverter(models, '#/$defs/')
    for (const model of Object.values(models)) converter.convert(model)
    const about = `A2A ${version}: its messages, tasks, events and cards, each under $defs, as this gateway reads and writes them`
    return { path, about, schema: named(path, about, { $defs: converter.named() }) }
  })

export const schemaFiles = (): SchemaFile[] => [config(), registration(), ...a2a()]

/** What stands in the folder `schemas/`, by path: for programs that have no gateway to ask. */
export const generatedFiles = (version: string): [path: string, text: string][] =>
  [{ path: 'openapi.json', schema: createDocument(version, '') }, ...schemaFiles()].map(({ path, schema }) => [
    path,
    `${JSON.stringify(schema, null, 2)}\n`,
  ])
