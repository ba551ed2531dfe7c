/** `key create|list|revoke`. A key's secret is shown once, at its creation. */
import { usage } from '../errors.ts'
import type { Run } from '../invocation.ts'
import { keyRecords } from '../records.ts'
import { keyTable } from '../tables.ts'

const words = (text: string | undefined): string[] | undefined =>
  text
    ?.split(',')
    .map((word) => word.trim().replace(/^@/, ''))
    .filter(Boolean)

export const create: Run = async (call) => {
  const permits = words(call.option('permits'))
  const agents = words(call.option('agents'))
  const expires = call.duration('expires')
  const answer = (await call.gateway.send('POST', '/v1/keys', {
    label: call.args[0] ?? 'cli',
    ...(permits && { permits }),
    ...(agents && { agents }),
    ...(expires !== undefined && { expiresInSeconds: Math.round(expires / 1_000) }),
  })) as { id?: string; key?: string; label?: string; permits?: string[] }
  if (call.out.json) call.out.document(answer)
  else {
    call.out.fields([
      ['Key', answer.id],
      ['Label', answer.label],
      ['Permits', answer.permits?.join(', ')],
      ['Secret', answer.key],
    ])
    call.out.note('note: the secret is shown this once; keep it, for example as WAYPOST_KEY')
  }
  return 0
}

export const list: Run = async (call) => {
  const answer = await call.gateway.get('/v1/keys')
  if (call.out.json) call.out.document(answer)
  else keyTable(keyRecords(answer), call)
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
