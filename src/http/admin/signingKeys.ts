/** /v1/signing-keys: the keys that sign cards and webhooks, an operator's to look at and to rotate; and those of issuers, to ask for again. */
import { z } from 'zod'
import type { SigningKey, SigningKeys } from '../../gateway/callers/signingKeys.ts'
import { LIMITS } from '../../limits.ts'
import type { Caller } from '../../ports.ts'
import { type Access, checked, type Face, jsonBody, newFace, times } from '../face.ts'

export interface SigningKeyRoutesTools {
  readonly signingKeys: Pick<SigningKeys, 'list' | 'rotate'>
  readonly access: Access
  /** Seals everything anew under the present master key. */
  readonly reseal: (by: Caller) => Promise<object>
  /** Asks the issuers for their keys now; what is remembered of tokens is forgotten. */
  readonly refreshIssuers?: () => Promise<readonly { issuer: string; keys?: number; problem?: string }[]>
}

export const ROTATE = z.strictObject({
  /** 0: the keys that signed until now end at once. */
  graceSeconds: z
    .int()
    .min(0)
    .max(LIMITS.keyGraceSecondsMax)
    .refine((seconds) => seconds === 0 || seconds >= LIMITS.keyGraceSecondsMin, {
      error: `0, or ${LIMITS.keyGraceSecondsMin} to ${LIMITS.keyGraceSecondsMax}`,
    })
    .optional(),
})

export function signingKeyRoutes({ signingKeys, access, refreshIssuers, reseal }: SigningKeyRoutesTools): Face {
  const face = newFace()
  face.get('/v1/signing-keys', async (context) => {
    await access.require(context, 'operator')
    return context.json({ items: signingKeys.list().map(show) })
  })
  face.post('/v1/signing-keys/rotate', async (context) => {
    const by = await access.require(context, 'operator')
    const { graceSeconds } = checked(ROTATE, await jsonBody(context))
    const keys = await signingKeys.rotate(by, graceSeconds === undefined ? {} : { graceSeconds })
    return context.json({ items: keys.map(show) })
  })
  face.post('/v1/master-key/reseal', async (context) => {
    const by = await access.require(context, 'operator')
    return context.json(await reseal(by))
  })
  // A key that an issuer has withdrawn is otherwise good until its list is read again (SR-10).
  face.post('/v1/issuers/refresh', async (context) => {
    await access.require(context, 'operator')
    return context.json({ items: (await refreshIssuers?.()) ?? [] })
  })
  return face
}

const show = ({ id, state, from, until }: SigningKey) => ({
  id,
  state,
  ...times({ signsFrom: from, publishedUntil: until }),
})
