/**
 * The way to the database, with its weather: a statement may be slow, may not arrive, may be done without an answer. What has
 * arrived is done whatever becomes of whoever sent it.
 */

import { type Db, type Statement, StoreError, type Value } from '../../src/store/db.ts'
import type { Dice } from '../faults/dice.ts'
import { perform } from './memory/memoryDb.ts'
import type { Tables } from './memory/rows.ts'
import type { Owner, Time } from './time.ts'

/** How bad it is, from 0 to 1: how often something is lost; calm at the end, so that everything can come to its end. */
export interface Weather {
  loss: number
  /** The database cannot be reached until then, in virtual milliseconds. */
  databaseAwayUntil: number
}

/** A bug that is planted in the store, to see that it is found. */
export interface Sabotage {
  readonly before?: (tables: Tables, name: string, values: readonly Value[]) => void
  readonly after?: (tables: Tables, name: string, values: readonly Value[]) => void
}

export interface Sea {
  readonly time: Time
  readonly epochMs: number
  readonly dice: Dice
  readonly weather: Weather
  readonly tables: Tables
  /** Hints to other replicas. */
  readonly listeners: Map<Owner, (payload: string) => void>
  /** What must never happen: a bug of the gateway's or ours. */
  readonly troubles: string[]
  readonly sabotage?: Sabotage | undefined
}

/** Mostly quick, sometimes not. */
export const latency = (dice: Dice): number => (dice.next() < 0.03 ? 50 + dice.below(1_500) : 0.2 + dice.next() * 3)

export function connect(sea: Sea, owner: Owner): Db {
  const { time, dice, weather, tables, epochMs, troubles } = sea
  const lost = (statement: Statement, what: 'request' | 'answer'): StoreError => {
    const outcome = statement.write ? 'unknown' : 'not done'
    return new StoreError(statement.name, outcome, undefined, new Error(`${what} lost`))
  }

  function arrive(
    statement: Statement,
    values: readonly Value[],
    resolve: (rows: never[]) => void,
    reject: (error: unknown) => void,
  ) {
    let rows: object[] = []
    let error: unknown
    try {
      sea.sabotage?.before?.(tables, statement.name, values)
      rows = perform(tables, statement, values, epochMs + time.elapsed())
      sea.sabotage?.after?.(tables, statement.name, values)
    } catch (caught) {
      error = caught
      if (!(caught instanceof StoreError)) troubles.push(String((caught as Error).stack))
    }
    if (dice.next() < weather.loss / 2)
      return void time.after(latency(dice), () => reject(lost(statement, 'answer')), owner)
    time.after(latency(dice), () => (error === undefined ? resolve(rows as never[]) : reject(error)), owner)
  }

  return {
    kind: 'postgres',
    query: (statement, values) =>
      new Promise((resolve, reject) => {
        const away = weather.databaseAwayUntil > time.elapsed()
        if (away || dice.next() < weather.loss / 2) {
          const refused = new StoreError(statement.name, 'not done', '57P01', new Error('away'))
          time.after(latency(dice), () => reject(away ? refused : lost(statement, 'request')), owner)
          return
        }
        time.after(latency(dice), () => arrive(statement, values, resolve as never, reject))
      }),
    cold: () => Promise.reject(new Error('nobody builds queries here')),
    listen: async (onHint) => void sea.listeners.set(owner, onHint),
    hint(payload) {
      for (const [other, tell] of sea.listeners)
        if (other !== owner && dice.next() >= weather.loss) time.after(latency(dice), () => tell(payload), other)
    },
    offsetMs: () => 0,
    ping: () => new Promise((resolve) => void time.after(latency(dice), resolve, owner)),
    close: async () => {},
  }
}
