/** /v1/contacts: whom a mailbox takes messages from. For the agent itself; with `?agent=` for who may change it. */
import { z } from 'zod'
import { A2AError } from '../a2a/errors.ts'
import type { Agent } from '../gateway/agents/agent.ts'
import { RIGHTS, USUAL_RIGHTS } from '../gateway/agents/contacts.ts'
import { mayChange } from '../gateway/agents/writes.ts'
import type { Mailbox } from '../gateway/mailbox/mailbox.ts'
import type { Caller } from '../ports.ts'
import { CONTACT_STATES, type ContactRow } from '../store/contacts.ts'
import { type Access, checked, type Face, type FaceContext, jsonBody, newFace, times } from './face.ts'
import type { WhoCollects } from './leases.ts'

export interface ContactTools {
  readonly access: Access
  readonly who: WhoCollects
  readonly findAgent: (tenant: string, name: string) => Promise<Agent | undefined>
  readonly mailbox: Mailbox
}

export const QUERY = z.strictObject({ agent: z.string().max(64).toLowerCase().optional() })
export const LIST = QUERY.extend({ state: z.enum(CONTACT_STATES).optional() })
export const DECISION = z.strictObject({
  state: z.enum(['accepted', 'refused']).default('accepted'),
  rights: z.array(z.enum(RIGHTS)).max(RIGHTS.length).optional(),
})
const CONTACT_CHARS_MAX = 512

export function contactRoutes({ access, who, findAgent, mailbox }: ContactTools): Face {
  const face = newFace()

  async function whose(context: FaceContext, asked: string | undefined): Promise<{ agent: Agent; by: Caller }> {
    const by = await access.require(context)
    if (asked === undefined) return { agent: await who(context), by }
    const agent = await findAgent(by.tenant, asked)
    if (!agent || !mayChange(agent, by)) throw new A2AError('AGENT_NOT_FOUND', 'you have no agent of that name')
    return { agent, by }
  }

  const contactIn = (context: FaceContext): string => {
    const contact = context.req.param('contact') ?? ''
    if (contact.length > CONTACT_CHARS_MAX) throw new A2AError('INVALID_PARAMS', 'a contact is the id of a caller')
    return contact
  }

  face.get('/v1/contacts', async (context) => {
    const { agent: asked, state } = checked(LIST, context.req.query())
    const { agent } = await whose(context, asked)
    const { rows, held } = await mailbox.contacts(agent)
    const items = rows.map((row) => show(row, held.get(row.contact) ?? 0))
    return context.json({
      policy: agent.policy.policy,
      items: state === undefined ? items : items.filter((item) => item.state === state),
    })
  })

  face.put('/v1/contacts/:contact', async (context) => {
    const { agent: asked } = checked(QUERY, context.req.query())
    const { agent, by } = await whose(context, asked)
    const { state, rights } = checked(DECISION, await jsonBody(context))
    const given = state === 'refused' ? [] : (rights ?? USUAL_RIGHTS)
    const row = await mailbox.decide(agent, { contact: contactIn(context), state, rights: given }, by)
    return context.json(show(row, 0))
  })

  face.delete('/v1/contacts/:contact', async (context) => {
    const { agent: asked } = checked(QUERY, context.req.query())
    const { agent, by } = await whose(context, asked)
    if (!(await mailbox.forgetContact(agent, contactIn(context), by)))
      throw new A2AError('INVALID_PARAMS', 'there is no such contact')
    return context.body(null, 204)
  })
  return face
}

const show = (row: ContactRow, held: number) => ({
  contact: row.contact,
  state: CONTACT_STATES[row.state] ?? 'asked',
  rights: row.rights,
  held,
  ...times({ askedAt: row.askedAt, decidedAt: row.decidedAt }),
  ...(row.decidedBy !== null && { decidedBy: row.decidedBy }),
})
