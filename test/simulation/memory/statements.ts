/** The statements of the store by name, each done at once and as a whole, as a database does one. */
import type { Value } from '../../../src/store/db.ts'
import type { Tables } from './rows.ts'

export type Statements = Readonly<Record<string, (tables: Tables, values: readonly Value[], text: string) => object[]>>
