/** `audit list|verify`: who did what to what, and whether that is still what was written. */
import { EXIT, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { type AuditRecord, readPage } from '../records.ts'
import { auditTable } from '../tables.ts'

export const list: Run = async (call) => {
  const [actor, action, subject, limit] = ['actor', 'action', 'subject', 'limit'].map((name) => call.option(name))
  const page = await readPage<AuditRecord>(call.gateway, '/v1/audit', { actor, action, subject, limit })
  if (call.out.json) call.out.document(page)
  else auditTable(page.items, call)
  return 0
}

interface Page {
  readonly ok: boolean
  readonly checked: number
  readonly last?: { readonly sequence: number; readonly hash: string }
  readonly next?: number
  readonly broken?: { readonly sequence: number; readonly id?: string; readonly fault: string; readonly reason: string }
}

export const verify: Run = async (call) => {
  const expect = call.option('expect')
  if (expect !== undefined && !/^[1-9]\d{0,14}:[0-9a-f]{64}$/.test(expect))
    throw usage(
      '--expect is what an earlier verification printed as Last',
      `${call.program} audit verify --expect 12:…`,
    )
  const found = await walk(call, expect)
  const { ok, checked, last, broken } = found
  if (call.out.json) call.out.document(found)
  else {
    call.out.fields([
      ['Checked', checked],
      ['Last', last && `${last.sequence}:${last.hash}`],
      ['Chain', ok ? 'in order' : 'broken'],
      ['Broken at', broken && `${broken.sequence}${broken.id ? ` (${broken.id})` : ''}`],
      ['Why', broken?.reason],
    ])
  }
  return ok ? EXIT.ok : EXIT.failure
}

/** Page after page, until the end or the first row that is broken. */
async function walk(call: Invocation, expect: string | undefined): Promise<Omit<Page, 'next'>> {
  let [after, checked] = [0, 0]
  for (;;) {
    const { next, ...page } = (await call.gateway.get('/v1/audit/verify', { after, expect })) as Page
    checked += page.checked
    // A gateway that does not get ahead would be asked for ever.
    if (next === undefined || next <= after || !page.ok) return { ...page, checked }
    after = next
  }
}
