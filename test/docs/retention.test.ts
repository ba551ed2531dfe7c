/** docs/retention.md: each table has its bound there, and what it says of numbers is so. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { getTableName, is, Table } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { operatorCommands } from '../../src/cli/operatorTree.ts'
import { SETTINGS } from '../../src/config.ts'
import { LIMITS } from '../../src/limits.ts'
import * as schema from '../../src/store/schema.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/retention.md'), 'utf8')

test('every table stands in the table of bounds, once', () => {
  const rows = page
    .slice(page.indexOf('## What bounds each table'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name as string),
  )
  const tables = Object.values(schema).flatMap((one) => (is(one, Table) ? [getTableName(one)] : []))
  expect(named.toSorted()).toEqual(tables.toSorted())
})

test('its defaults and bounds are the product’s', () => {
  for (const { env, schema } of [SETTINGS.retentionDays, SETTINGS.deadLetterDays])
    expect(page).toContain(`| \`${env}\` | \`${schema.parse(undefined)}\` |`)
  expect(LIMITS).toMatchObject({
    purgeEveryMs: 600_000,
    eventsPerTaskMax: 50_000,
    bytesPerTaskMax: 50 * 1024 * 1024,
    pushConfigsPerTaskMax: 10,
    resultSeconds: 30 * 86_400,
    channelsPerTenantMax: 10_000,
    channelMembersMax: 1_000,
    agentsPerTenantMax: 10_000,
    contactsMax: 1_000,
    keysPerTenantMax: 10_000,
    signingKeysMax: 8,
    denialsNotedPerMinute: 100,
  })
})

test('its commands and options are there', () => {
  const lines = page.split('\n').filter((line) => line.startsWith('./waypost '))
  expect(lines.length).toBeGreaterThan(3)
  for (const line of lines) {
    const row = operatorCommands().find(({ path }) => line.startsWith(`./waypost ${path} `))
    const known = (row?.options ?? []).map(([flags]) => flags.split(' ')[0])
    const used = [...line.matchAll(/--[a-z-]+/g)].map(([flag]) => flag).filter((flag) => flag !== '--tenant')
    expect(known, line).toEqual(expect.arrayContaining(used))
  }
})
