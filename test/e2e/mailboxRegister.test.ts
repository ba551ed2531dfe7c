import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { MAILBOX_REGISTER } from './mailboxRegister.ts'

const ROOT = join(import.meta.dirname, '..')

test.each(Object.entries(MAILBOX_REGISTER))('%s is shown where the register says', (_, { by }) => {
  expect(by.length).toBeGreaterThan(0)
  for (const [file, title] of by) {
    const text = readFileSync(join(ROOT, file), 'utf8')
    expect(text, `${file}: ${title}`).toMatch(/\btest(\.\w+)*\(/)
    expect(text, `${file}: ${title}`).toContain(title)
  }
})
