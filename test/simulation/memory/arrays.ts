/** The other way round of `store/arrays.ts`: array literals and joined JSON as values again. */
import type { Value } from '../../../src/store/db.ts'

/** `{"a",NULL,"b\"c",1}` → `['a', null, 'b"c', '1']` */
export function readArray(value: Value | undefined): (string | null)[] {
  const text = String(value)
  const found: (string | null)[] = []
  let place = 1
  while (place < text.length - 1) {
    if (text[place] === ',') place++
    if (text[place] === '"') {
      let end = place + 1
      let escaped = false
      while (text[end] !== '"') {
        if (text[end] === '\\') {
          escaped = true
          end++
        }
        end++
      }
      const inside = text.slice(place + 1, end)
      found.push(escaped ? inside.replace(/\\(.)/gs, '$1') : inside)
      place = end + 1
    } else {
      let end = place
      while (end < text.length - 1 && text[end] !== ',') end++
      const word = text.slice(place, end)
      found.push(word === 'NULL' ? null : word)
      place = end
    }
  }
  return found
}

/** Several columns of one length as rows. */
export function readRows(values: readonly Value[], from: number, count: number): (string | null)[][] {
  const columns = Array.from({ length: count }, (_, at) => readArray(values[from + at]))
  return (columns[0] ?? []).map((_, row) => columns.map((column) => column[row] ?? null))
}

const places = new Map<string, ReadonlyMap<string, number>>()

/** Where a statement takes each of its columns from: `as i (tenant, id, …)` names its parameters in their order. */
export function placesOf(text: string): ReadonlyMap<string, number> {
  let found = places.get(text)
  if (!found) {
    const names = /\bas [ic] \(([a-z_,\s]+)\)/.exec(text)?.[1]?.split(',') ?? []
    found = new Map(names.map((name, place) => [name.trim(), place]))
    places.set(text, found)
  }
  return found
}

/** The parameter that a statement calls so: `$18::smallint[] as kinds`. */
export function placeNamed(text: string, name: string): number {
  const key = `${name} ${text}`
  const known = places.get(key)?.get(name)
  if (known !== undefined) return known
  const place = Number(new RegExp(`\\$(\\d+)[^$]*? as ${name}\\b`).exec(text)?.[1] ?? 0) - 1
  places.set(key, new Map([[name, place]]))
  return place
}

export const readJoined = (value: Value | undefined): (string | null)[] =>
  value === '' || value === null || value === undefined
    ? []
    : String(value)
        .split('\x1e')
        .map((text) => (text === '' ? null : text))

export const numberOr = (text: Value | undefined): number | null =>
  text === null || text === undefined ? null : Number(text)
export const timeOr = (text: Value | undefined): number | null =>
  text === null || text === undefined ? null : Date.parse(String(text))
