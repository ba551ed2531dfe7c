/** /v1/keys: an administrator's. A key is shown once, when it is made. */
import { z } from 'zod'
import type { ApiKeys } from '../../gateway/callers/apiKeys.ts'
import { isGrant } from '../../gateway/callers/permits.ts'
import { isRate } from '../../gateway/callers/quotas.ts'
import type { KeyRow } from '../../store/callers.ts'
import { type Access, checked, type Face, jsonBody, newFace, PAGE, pageOf, TENANT, times } from '../face.ts'
import { Refusal } from '../refusal.ts'

export interface KeyRoutesTools {
  readonly keys: ApiKeys
  readonly access: Access
  readonly pageKey: Buffer
}

/** Permits and scopes are one vocabulary; both members take either. */
const words = z
  .array(
    z.string().max(128).refine(isGrant, {
      error:
        'one of operator, admin, send, read, cancel, push, agent, observe, agent:<name>:send, task:read, task:cancel, push:write, card:read, mailbox:<name>',
    }),
  )
  .min(1)
  .max(100)
export const NEW_KEY = z.strictObject({
  name: z.string().min(1).max(128).default('key'),
  caller: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/, { error: '1–128 characters: letters, digits, . _ : @ / -' })
    .optional(),
  tenant: TENANT.optional(),
  permits: words.optional(),
  scopes: words.optional(),
  agents: z
    .array(
      z
        .string()
        .regex(/^#?[a-z0-9][a-z0-9\-_.]{0,62}$/i, { error: 'the name of an agent, or # and that of a channel' })
        .toLowerCase(),
    )
    .min(1)
    .max(1_000)
    .optional(),
  rate: z
    .string()
    .refine(isRate, { error: 'a number a second and, after a slash, how many at once (50/200), or off' })
    .optional(),
  ttlSeconds: z.int().min(1).max(315_360_000).optional(),
})
export const LIST = z.strictObject({
  caller: z.string().max(128).optional(),
  all: z.enum(['true', 'false']).optional(),
  ...PAGE,
})

export function keyRoutes({ keys, access, pageKey }: KeyRoutesTools): Face {
  const face = newFace()
  face.post('/v1/keys', async (context) => {
    const by = await access.require(context, 'admin')
    const {
      name,
      tenant,
      caller,
      permits = [],
      scopes = [],
      agents,
      rate,
      ttlSeconds,
    } = checked(NEW_KEY, await jsonBody(context))
    const { key, row } = await keys.create(
      {
        label: name,
        ...(caller !== undefined && { caller }),
        ...(tenant !== undefined && { tenant }),
        ...(permits.length + scopes.length > 0 && { permits: [...new Set([...permits, ...scopes])] }),
        ...(agents && { agents: [...new Set(agents)] }),
        ...(rate !== undefined && { rate }),
        ...(ttlSeconds !== undefined && { expiresInSeconds: ttlSeconds }),
      },
      by,
    )
    return context.json({ ...show(row), key }, 201)
  })
  face.get('/v1/keys', async (context) => {
    const by = await access.require(context, 'admin')
    const query = checked(LIST, context.req.query())
    const { caller } = query
    const all = query.all === 'true'
    const page = pageOf<{ createdAt: number; id: string }>(query, pageKey, ['keys', by.tenant, by.id, caller, all])
    const rows = await keys.list({
      tenant: by.tenant,
      all,
      limit: page.fetch,
      ...(caller !== undefined && { caller }),
      ...(page.after && { before: page.after }),
    })
    return context.json(page.answer(rows, show, ({ createdAt, id }) => ({ createdAt, id })))
  })
  face.delete('/v1/keys/:id', async (context) => {
    const by = await access.require(context, 'admin')
    const id = context.req.param('id')
    if (!(await keys.revoke(id, by)))
      throw new Refusal(
        404,
        'KEY_NOT_FOUND',
        'there is no such key, or it was revoked before',
        'list them: waypost key list',
      )
    return context.json({ id, revoked: true })
  })
  return face
}

const show = (row: KeyRow) => ({
  id: row.id,
  name: row.label,
  tenant: row.tenant,
  caller: row.caller,
  kind: row.kind,
  permits: row.permits,
  ...(row.agents && { agents: row.agents }),
  ...(row.rate !== null && { rate: row.rate }),
  createdBy: row.createdBy,
  ...times({
    createdAt: row.createdAt,
    expiresAt: row.expiresAt,
    revokedAt: row.revokedAt,
    lastUsedAt: row.lastUsedAt,
  }),
})
