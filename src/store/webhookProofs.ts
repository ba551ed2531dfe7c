/** Which receivers have agreed to have a tenant's webhooks, and when they were last asked. */
import { type AuditNote, auditValues, noting } from './audit.ts'
import type { Db, Statement } from './db.ts'

const PROVED: Statement = {
  name: 'webhookProofs.find',
  write: false,
  text: 'select 1 from webhook_proofs where tenant = $1 and place = $2 and proved_until > now()',
}

export const isProved = async (db: Db, tenant: string, place: string): Promise<boolean> =>
  (await db.query(PROVED, [tenant, place])).length > 0

export interface Place {
  readonly tenant: string
  readonly place: string
  readonly host: string
}

// A host at which nobody has agreed yet is asked once in a while, whoever wants it to be: the host's row makes those who ask
// at the same time stand in line. One at which somebody has is asked once per place.
const CLAIM: Statement = {
  name: 'webhookProofs.claim',
  write: true,
  text: `
with known as (
  select 1 from webhook_proofs where host = $3 and proved_until > now() limit 1
), turn as (
  insert into webhook_hosts as h (host, challenged_at) select $3::text, now() where not exists (select 1 from known)
  on conflict (host) do update set challenged_at = now() where h.challenged_at <= now() - make_interval(secs => $4::float8)
  returning host
)
insert into webhook_proofs as p (tenant, place, host, challenged_at)
select $1::text, $2::text, $3::text, now() where exists (select 1 from turn) or exists (select 1 from known)
on conflict (tenant, place) do update set challenged_at = now()
  where p.challenged_at is null or p.challenged_at <= now() - make_interval(secs => $4::float8) or exists (select 1 from turn)
returning place`,
}

/** Whether the place may be asked now; then nobody else asks within `againSeconds`. */
export const claimChallenge = async (db: Db, { tenant, place, host }: Place, againSeconds: number): Promise<boolean> =>
  (await db.query(CLAIM, [tenant, place, host, againSeconds])).length === 1

const PROVE: Statement = {
  name: 'webhookProofs.prove',
  write: true,
  text: `
with proved as (
  update webhook_proofs set proved_until = now() + make_interval(days => $3::int), how = $4
  where tenant = $1 and place = $2 returning tenant
), ${noting('proved', 5)}
select tenant from proved`,
}

export async function prove(
  db: Db,
  { tenant, place, how, days }: { tenant: string; place: string; how: string; days: number },
  note: AuditNote,
): Promise<void> {
  await db.query(PROVE, [tenant, place, days, how, ...auditValues(note)])
}
