/** What operators do: each write with its row in the audit, and done once however often it is said. */
import type { Act } from './act.ts'
import { must, type Scenario } from './scenario.ts'

async function auditMustHold(act: Act): Promise<void> {
  const { json } = await act.sure('/v1/audit/verify')
  must(json.ok !== false && json.broken === undefined, `the audit does not hold: ${JSON.stringify(json)}`)
}

/** How often the audit says so of this. */
async function noted({ sql }: Act, action: string, subject: string): Promise<number> {
  const rows = (await sql`
    select count(*)::int as n from audit where action = ${action} and subject = ${subject}`) as unknown as {
    n: number
  }[]
  return rows[0]?.n ?? 0
}

export const MANAGES: readonly Scenario[] = [
  {
    name: 'an agent is registered, changed, paused, resumed, removed',
    async run(act) {
      const document = { name: 'fresh', connector: { kind: 'a2a', url: act.agents.dedupes.url } }
      await act.sure('/v1/agents', { body: document })
      await act.sure('/v1/agents', { body: { ...document, maxInflight: 3 } })
      await act.sure('/v1/agents/fresh', { method: 'PATCH', body: { maxInflight: 4 } })
      await act.sure('/v1/agents/fresh/pause', { body: { reason: 'test' } })
      await act.sure('/v1/agents/fresh/resume', { body: {} })
      const { json } = await act.sure('/v1/agents/fresh')
      must(json.paused === undefined || json.paused === false || json.paused === null, 'it is still paused')
      await act.sure('/v1/agents/fresh', { method: 'DELETE' }, [404])
      must((await act.sure('/v1/agents/fresh', {}, [404])).status === 404, 'it is still there')
      await auditMustHold(act)
    },
  },
  {
    name: 'a mailbox is registered and gets a new key',
    async run(act) {
      await act.sure('/v1/agents', { body: { name: 'letters' } })
      const { json } = await act.sure('/v1/agents/letters/rotate-key', { body: {} })
      const lease = await act.sure('/v1/inbox/lease', { body: {}, key: json.token })
      must(lease.status === 204, `its key opens ${lease.status}`)
      await act.sure('/v1/agents/letters?force=true', { method: 'DELETE' }, [404])
      await auditMustHold(act)
    },
  },
  {
    name: 'a key is made and revoked',
    async run(act) {
      const { json } = await act.sure('/v1/keys', { body: { name: 'one', caller: 'someone' } })
      const opened = await act.sure('/agents/dedupes', { body: {}, key: json.key }, [200, 400, 401])
      must(opened.status !== 401, 'the key does not open')
      await act.sure(`/v1/keys/${json.id}`, { method: 'DELETE' }, [404])
      await act.until('the end of the key', async () => {
        const { status } = await act.ask('/v1/agents', { key: json.key })
        return status === 401
      })
      must((await noted(act, 'key.revoked', json.id)) === 1, 'the audit does not say once that it was revoked')
      await auditMustHold(act)
    },
  },
  {
    name: 'the signing key is changed',
    async run(act) {
      const before = (await act.sure('/v1/signing-keys')).json.items.length
      await act.sure('/v1/signing-keys/rotate', { body: {} })
      const { json } = await act.sure('/v1/signing-keys')
      const keys = json.items as { id: string; state: string }[]
      must(keys.length > before && keys.filter(({ state }) => state === 'current').length === 1, JSON.stringify(keys))
      const published = await act.sure('/.well-known/jwks.json')
      must(published.json.keys.length === keys.length, 'not all of them are published')
      await auditMustHold(act)
    },
  },
]
