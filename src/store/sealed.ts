/** What is sealed, wherever it stands: read page by page, and put back under another key if it is still the same. */
import { type AuditNote, auditValues, noting } from './audit.ts'
import type { Db, Statement } from './db.ts'

/** One sealed text and where it stands. */
export interface SealedText {
  readonly tenant: string
  readonly id: string
  readonly field: string
  readonly sealed: string
}

interface Source {
  readonly read: Statement
  readonly write: Statement
}

const FIELDS = ['token', 'credentials', 'secret'] as const

/** `$1`: the form that is right already, `$2`: after this one; in pages. Ids are texts in the order of the page. */
const page = (table: string, id: string, field: string, tenant = 'tenant'): Statement => ({
  name: `sealed.${table}.${field}`,
  write: false,
  text: `select ${tenant} as tenant, ${id} as id, '${field}' as field, ${field} as sealed from ${table}
where ${field} is not null and ${field} not like $1 and (${tenant} || ' ' || ${id}) > $2 order by ${tenant} || ' ' || ${id} limit 500`,
})
const put = (table: string, where: string, field: string): Statement => ({
  name: `sealed.${table}.${field}.put`,
  write: true,
  text: `update ${table} set ${field} = $4 where ${where} and ${field} = $3 returning 1`,
})

export type SealedTable = 'agents' | 'push_configs' | 'secrets'

const SOURCES: Readonly<Record<SealedTable, readonly Source[]>> = {
  agents: [
    { read: page('agents', 'name', 'credentials'), write: put('agents', 'tenant = $1 and name = $2', 'credentials') },
  ],
  push_configs: FIELDS.map((field) => ({
    read: page('push_configs', `(task_id::text || '/' || id)`, field),
    write: put('push_configs', `tenant = $1 and (task_id::text || '/' || id) = $2`, field),
  })),
  secrets: [
    {
      read: page('secrets', 'name', 'sealed', `''`),
      write: put('secrets', `$1::text is not null and name = $2`, 'sealed'),
    },
  ],
}

/** Every text of this table that is not sealed in the given form, one page after the other. */
export async function* sealedTexts(db: Db, table: SealedTable, form: string) {
  for (const { read, write } of SOURCES[table]) {
    for (let after = ''; ; ) {
      const rows = await db.query<SealedText>(read, [`${form}%`, after])
      for (const row of rows) yield { row, write }
      const last = rows.at(-1)
      if (!last) break
      after = `${last.tenant} ${last.id}`
    }
  }
}

/** false: somebody has changed it meanwhile, and what is there now is his. */
export const putSealed = async (db: Db, write: Statement, row: SealedText, sealed: string): Promise<boolean> =>
  (await db.query(write, [row.tenant, row.id, row.sealed, sealed])).length === 1

const TOLD: Statement = {
  name: 'sealed.told',
  write: true,
  text: `with told as (select $1::text as tenant), ${noting('told', 2)} select 1 from noted`,
}
export async function noteResealing(db: Db, tenant: string, note: AuditNote): Promise<void> {
  await db.query(TOLD, [tenant, ...auditValues(note)])
}
