/** The planted bugs find their places: a change of the source that moves one is told at once, not when somebody runs them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { HURRY } from './bug.ts'
import { BUGS } from './bugs.ts'
import { replaceOnce } from './build.ts'

const SRC = join(import.meta.dirname, '../../../src')

test.each(BUGS.map((bug) => [bug.number, bug.name, bug] as const))(
  'planted bug %i, %s, finds its places',
  (_number, _name, { edits }) => {
    const files = new Map<string, string>()
    for (const edit of [...HURRY, ...edits]) {
      const text = files.get(edit.file) ?? readFileSync(join(SRC, edit.file), 'utf8')
      files.set(edit.file, replaceOnce(text, edit))
    }
    expect(files.size).toBeGreaterThan(1)
  },
)

test('a place that is gone, or there twice, is told', () => {
  const edit = { file: 'a.ts', find: 'here', put: 'there' }
  expect(() => replaceOnce('nowhere to go', { ...edit, find: 'everywhere' })).toThrow('src/a.ts has changed')
  expect(() => replaceOnce('here and here', edit)).toThrow('2 times')
  expect(replaceOnce('it is here', edit)).toBe('it is there')
})
