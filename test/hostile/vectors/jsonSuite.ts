/** The cases of nst/JSONTestSuite, whose licence stands with them. */
import { readFileSync } from 'node:fs'

type Text = string | { readonly base64: string } | { readonly repeat: string; readonly times: number }
interface Suite {
  readonly cases: readonly (readonly [name: string, text: Text])[]
}

export const suite = (JSON.parse(readFileSync('test/fixtures/vectors/jsonSuite.json', 'utf8')) as Suite).cases

export function bodyOf(text: Text): Buffer {
  if (typeof text === 'string') return Buffer.from(text)
  if ('base64' in text) return Buffer.from(text.base64, 'base64')
  return Buffer.from(`${text.repeat.repeat(text.times)}${text.repeat.length > 1 ? '\n' : ''}`)
}
