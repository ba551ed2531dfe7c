/** /v1/leases/{lease}/…: what the holder of a lease says. Every answer that is no success changes nothing. */
import { z } from 'zod'
import { A2AError } from '../a2a/errors.ts'
import { Metadata, Part } from '../a2a/parts.ts'
import type { Agent } from '../gateway/agents/agent.ts'
import type { Mailbox } from '../gateway/mailbox/mailbox.ts'
import type { Alive, Refused } from '../gateway/mailbox/report.ts'
import type { Settled, Verdict } from '../gateway/mailbox/verdict.ts'
import type { Limits } from '../limits.ts'
import { isJsonType, readBody, refuseEncoding } from '../wire/bindings/body.ts'
import { parseBody, refuseShape } from '../wire/bindings/scan.ts'
import { checked, type Face, type FaceContext, newFace } from './face.ts'
import { PROBLEM_TYPE, problem } from './problem.ts'

/** The agent whose token a request carries. */
export type WhoCollects = (context: FaceContext) => Promise<Agent>

export interface LeaseTools {
  readonly mailbox: Mailbox
  readonly limits: Limits
  readonly who: WhoCollects
}

type ReadBody = (context: FaceContext) => Promise<unknown>

/** Of a Message that is the answer there are parts, and it has no task for artifacts to be of. */
const saysMessage = (said: { as?: unknown; text?: unknown; parts?: unknown; artifacts?: unknown }): boolean =>
  said.as !== 'message' || ((said.text !== undefined || said.parts !== undefined) && said.artifacts === undefined)

/** What each verb takes. */
export const leaseForms = ({
  leaseSecondsMin,
  leaseSecondsMax,
  partsMax,
  artifactsPerTaskMax,
  newMessagesMax,
}: Limits) => {
  const text = z.string().optional()
  const parts = z.array(Part).min(1).max(partsMax).optional()
  const leaseSeconds = z.int().min(leaseSecondsMin).max(leaseSecondsMax).optional()
  const delaySeconds = z.number().min(0).max(leaseSecondsMax).optional()
  const names = z.array(z.string().min(1).max(256)).max(newMessagesMax).optional()
  const artifact = z
    .strictObject({
      artifactId: z.string().min(1).max(256).optional(),
      name: z.string().max(256).optional(),
      description: z.string().max(4_096).optional(),
      text,
      parts,
      metadata: Metadata.optional(),
    })
    .refine((given) => given.text !== undefined || given.parts !== undefined, { error: 'has text or parts' })
  return {
    renew: z.strictObject({ leaseSeconds, take: names }),
    update: z.strictObject({
      text,
      parts,
      artifact: artifact.optional(),
      append: z.boolean().optional(),
      lastChunk: z.boolean().optional(),
      progress: z.number().min(0).max(100).optional(),
      checkpoint: z.unknown().optional(),
      leaseSeconds,
      take: names,
    }),
    complete: z
      .strictObject({
        text,
        parts,
        as: z.enum(['artifact', 'message']).optional(),
        artifacts: z.array(artifact).max(artifactsPerTaskMax).optional(),
        ignore: names,
      })
      .refine(saysMessage, { error: 'a message has text or parts, and no artifacts', path: ['as'] }),
    fail: z.strictObject({ text, retry: z.boolean().optional(), delaySeconds }),
    reject: z.strictObject({ text }),
    ask: z.strictObject({ text, parts, schema: z.unknown().optional() }),
    auth: z.strictObject({ text, parts, schema: z.unknown().optional() }),
    release: z.strictObject({ delaySeconds }),
  }
}

export function leaseRoutes({ mailbox, limits, who }: LeaseTools): Face {
  const face = newFace()
  const forms = leaseForms(limits)
  const body: ReadBody = (context) => readReport(context, limits)
  const leaseIn = (context: FaceContext) => context.req.param('lease') ?? ''

  face.post('/v1/leases/:lease/renew', async (context) => {
    const agent = await who(context)
    const said = checked(forms.renew, await body(context))
    return answer(context, await mailbox.renew(agent, leaseIn(context), said))
  })

  face.post('/v1/leases/:lease/update', async (context) => {
    const agent = await who(context)
    const said = checked(forms.update, await body(context))
    return answer(context, await mailbox.update(agent, leaseIn(context), said))
  })

  for (const verb of Object.keys(SETTLES) as Verdict['verb'][]) {
    face.post(`/v1/leases/:lease/${verb}`, async (context) => {
      const agent = await who(context)
      const said = checked(forms[verb] as z.ZodType<object>, await body(context))
      const settled = await mailbox.settle(agent, leaseIn(context), { ...said, verb } as Verdict)
      return answer(context, settled)
    })
  }
  return face
}

/** Every verb that ends a lease. */
const SETTLES: { readonly [V in Verdict['verb']]: true } = {
  complete: true,
  fail: true,
  reject: true,
  ask: true,
  auth: true,
  release: true,
}

/** JSON as it is documented; of `complete` any other body is one artifact. Throws PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, JSON_PARSE. */
async function readReport(context: FaceContext, limits: Limits): Promise<unknown> {
  const { incoming } = context.env
  refuseEncoding(incoming)
  const body = await readBody(incoming, limits)
  const type = incoming.headers['content-type']
  if (body.length === 0) return {}
  if (isJsonType(type)) {
    const { json, scan } = parseBody(body, limits)
    refuseShape(scan, limits)
    return json
  }
  if (!context.req.path.endsWith('/complete'))
    throw new A2AError('UNSUPPORTED_MEDIA_TYPE', 'the body must be application/json')
  return { parts: [partOf(body, type)] }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text if it says so or says nothing that matters (a form is what curl calls everything); otherwise bytes. */
function partOf(body: Buffer, type = ''): Part {
  const essence = (type.split(';')[0] as string).trim().toLowerCase()
  const isForm = essence === '' || essence === 'application/x-www-form-urlencoded'
  if (isForm || essence.startsWith('text/')) {
    const text = textIn(body)
    if (text !== undefined) return { text, ...(!isForm && essence !== 'text/plain' && { mediaType: essence }) }
  }
  return { raw: body.toString('base64'), mediaType: isForm ? 'application/octet-stream' : essence }
}

function textIn(body: Buffer): string | undefined {
  try {
    return decoder.decode(body)
  } catch {
    return undefined
  }
}

/** What a verb is answered. */
export type Spoken = Alive | Refused | Settled

function answer(context: FaceContext, said: Spoken) {
  if ('answer' in said) return context.json(said.answer)
  const refused = refusalOf(said, context.get('traceId'))
  return context.body(JSON.stringify(refused), refused.status as never, { 'Content-Type': PROBLEM_TYPE })
}

type RefusedVerb = Exclude<Spoken, { answer: unknown }>

/** Why nothing was changed, as a problem document. */
export function refusalOf(said: RefusedVerb, traceId: string) {
  const conflict = (code: string, detail: string, hint?: string) => {
    const { headers: _, ...document } = problem(409, code, detail, traceId, { hint })
    return document
  }
  switch (said.kind) {
    case 'already settled':
      return conflict('already_settled', `this lease was settled before, with other words: ${said.by}`)
    case 'new messages': {
      const hint = 'read them and go on, or complete again and name them in "ignore"'
      const document = conflict('new_messages', 'the sender has said more to this task since', hint)
      return { ...document, newMessages: said.messages }
    }
    case 'lost':
      return conflict('lease_lost', said.reason, 'drop what you have, and lease again; renew in time')
    default: {
      const { headers: _, ...document } = problem(404, 'LEASE_NOT_FOUND', 'there is no such lease', traceId)
      return document
    }
  }
}
