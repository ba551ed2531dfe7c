/** `key create|list|revoke|signing|rotate-signing|rotate-master`. A key's secret is shown once, at its creation; a signing key's never. */
import { usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { type KeyRecord, readAll, type SigningKeyRecord } from '../records.ts'
import { keyTable, signingKeyTable } from '../tables.ts'

const words = (text: string | undefined): string[] | undefined =>
  text
    ?.split(',')
    .map((word) => word.trim().replace(/^@/, ''))
    .filter(Boolean)

export const create: Run = async (call) => {
  const permits = words(call.option('permits'))
  const scopes = words(call.option('scope'))
  const agents = words(call.option('agents'))
  const expires = call.duration('expires')
  const rate = call.option('rate')
  const answer = (await call.gateway.send('POST', '/v1/keys', {
    name: call.args[0] ?? 'cli',
    ...(permits && { permits }),
    ...(scopes && { scopes }),
    ...(agents && { agents }),
    ...(rate !== undefined && { rate }),
    ...(expires !== undefined && { ttlSeconds: Math.round(expires / 1_000) }),
  })) as { id?: string; key?: string; name?: string; tenant?: string; permits?: string[]; rate?: string }
  if (call.out.json) call.out.document(answer)
  else {
    call.out.fields([
      ['Key', answer.id],
      ['Name', answer.name],
      ['Tenant', answer.tenant],
      ['Permits', answer.permits?.join(', ')],
      ['Rate', answer.rate],
      ['Secret', answer.key],
    ])
    call.out.note('note: the secret is shown this once; keep it, for example as WAYPOST_KEY')
  }
  return 0
}

export const list: Run = async (call) => {
  const items = await readAll<KeyRecord>(call.gateway, '/v1/keys', call.has('all') ? { all: true } : {})
  if (call.out.json) call.out.document({ items })
  else keyTable(items, call)
  return 0
}

export const revoke: Run = async (call) => {
  const id = call.args[0] as string
  if (!call.has('yes')) {
    throw usage(
      `whoever uses ${id} is locked out at once; say that you mean it`,
      `${call.program} key revoke ${id} --yes`,
    )
  }
  const answer = await call.gateway.send('DELETE', `/v1/keys/${encodeURIComponent(id)}`)
  if (call.out.json) call.out.document(answer)
  else call.out.fields([['Revoked', id]])
  return 0
}

export const signing: Run = async (call) => told(await call.gateway.get('/v1/signing-keys'), call)

export const rotateSigning: Run = async (call) => {
  const grace = call.duration('grace')
  if (call.has('compromised') && grace !== undefined) throw usage('--compromised leaves no grace: give one of the two')
  if (call.has('compromised') && !call.has('yes')) {
    throw usage(
      'signatures of the keys until now would no longer be found valid by anybody; say that you mean it',
      `${call.program} key rotate-signing --compromised --yes`,
    )
  }
  const graceSeconds = call.has('compromised') ? 0 : grace === undefined ? undefined : Math.round(grace / 1_000)
  const body = graceSeconds === undefined ? {} : { graceSeconds }
  return told(await call.gateway.send('POST', '/v1/signing-keys/rotate', body), call)
}

/** The gateway has been started with the new key, and with the old one beside it. */
export const rotateMaster: Run = async (call) => {
  const answer = (await call.gateway.send('POST', '/v1/master-key/reseal')) as {
    resealed?: number
    changed?: number
    lost?: readonly string[]
  }
  const lost = answer.lost ?? []
  if (call.out.json) call.out.document(answer)
  else {
    call.out.fields([
      ['Resealed', answer.resealed],
      ['Changed meanwhile', answer.changed],
      ['Lost', lost.length],
    ])
    for (const place of lost) call.out.note(`lost: ${place}: sealed under a key that this gateway has not been given`)
  }
  return lost.length > 0 ? 1 : 0
}

function told(answer: unknown, call: Invocation): number {
  const { items = [] } = answer as { items?: readonly SigningKeyRecord[] }
  if (call.out.json) call.out.document(answer)
  else signingKeyTable(items, call)
  return 0
}
