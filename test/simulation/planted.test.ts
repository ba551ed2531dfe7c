/** A judge who never finds anything proves nothing: each of these bugs in the store must be found within a few seeds. */
import { expect, test } from 'vitest'
import { readRows } from './memory/arrays.ts'
import { at, type Delivery, type Tables } from './memory/rows.ts'
import type { Sabotage } from './network.ts'
import { runSeed } from './swarm.ts'

const deliveries = (tables: Tables, fits: (one: Delivery) => boolean) => [...tables.deliveries.values()].filter(fits)

const BUGS: Readonly<Record<string, { readonly found: RegExp } & Sabotage>> = {
  'what was sent before is forgotten': {
    found: /^C3/,
    after: (tables, name) => name === 'tasks.open' && tables.submissions.clear(),
  },
  'an end is not final': {
    found: /^C8/,
    before(tables, name, values) {
      if (name !== 'events.append') return
      for (const [, tenant, id] of readRows(values, 0, 3)) {
        const task = tables.tasks.get(at(tenant ?? '', id ?? ''))
        if (task && [3, 4, 5, 7].includes(task.state)) task.state = 2
      }
    },
  },
  'a sequence is left out': {
    found: /^C6/,
    after(tables, name) {
      if (name === 'messages.add') for (const task of tables.tasks.values()) if (task.state === 1) task.lastSeq++
    },
  },
  'an event of a task with a webhook is not owed': {
    found: /^C12/,
    after(tables, name) {
      const [owed] = deliveries(tables, ({ kind, state, seq }) => kind === 'webhook' && state === 0 && seq === 3)
      if (name === 'events.append' && owed) tables.deliveries.delete(at(owed.tenant, owed.id))
    },
  },
  'webhooks of one task overtake each other': {
    found: /^C12/,
    after(tables, name) {
      if (name !== 'events.append') return
      for (const one of deliveries(tables, ({ kind }) => kind === 'webhook')) one.orderingKey = one.id
    },
  },
  'what a dead replica held stays where it is': {
    found: /^not over/,
    before(tables, name) {
      if (name !== 'deliveries.reap') return
      for (const one of deliveries(tables, ({ owner }) => owner !== null)) one.owner = null
    },
  },
  'that an agent may have a message is forgotten': {
    found: /^C4 .* ran/,
    after(tables, name) {
      if (name !== 'deliveries.reap' && name !== 'deliveries.settle') return
      for (const one of deliveries(tables, ({ state }) => state === 0)) one.code = 'UNSENT'
    },
  },
  'a deletion too many': {
    found: /^C1 lost/,
    after(tables, name) {
      const [first] = tables.tasks.values()
      if (name === 'replicas.sweep' && first && first.state === 3) tables.tasks.delete(at(first.tenant, first.id))
    },
  },
}

test.each(Object.entries(BUGS))(
  '%s: found',
  async (_, bug) => {
    const all: string[] = []
    for (let seed = 1; seed <= 600; seed++) {
      const { violations } = await runSeed(seed, bug)
      all.push(...violations)
      if (violations.some((text) => bug.found.test(text))) return
    }
    expect(all).toContainEqual(expect.stringMatching(bug.found))
  },
  60_000,
)
