/** `contact list|accept|refuse|remove`: whom a mailbox takes messages from. By the agent's own token, else by the operator's key. */
import { z } from 'zod'
import { agentToken } from '../agentToken.ts'
import type { Query } from '../client.ts'
import { moment } from '../durations.ts'
import type { Invocation, Run } from '../invocation.ts'
import { recordFields } from '../tables.ts'
import { asAgent, mailboxName } from './inbox.ts'

const CONTACT = z.looseObject({
  contact: z.string(),
  state: z.string(),
  rights: z.array(z.string()),
  held: z.number(),
  askedAt: z.string().optional(),
})
const PAGE = z.looseObject({ policy: z.string(), items: z.array(CONTACT) })

/** Who asks, and what has to be said of whose it is. */
function asking(call: Invocation): { gateway: Invocation['gateway']; query: Query } {
  const name = mailboxName(call.option('agent'), call)
  return agentToken(name, call).known() === undefined
    ? { gateway: call.gateway, query: { agent: name } }
    : { gateway: asAgent(name, call), query: {} }
}

const withAgent = (path: string, { agent }: Query): string =>
  agent === undefined ? path : `${path}?agent=${encodeURIComponent(String(agent))}`

export const list: Run = async (call) => {
  const { gateway, query } = asking(call)
  const page = PAGE.parse(await gateway.get('/v1/contacts', { ...query, state: call.option('state') }))
  if (call.out.json) {
    call.out.document(page)
    return 0
  }
  call.out.text(`policy: ${page.policy}\n`)
  call.out.table(
    ['CONTACT', 'STATE', 'RIGHTS', 'WAITS', 'ASKED'],
    page.items.map(({ contact, state, rights, held, askedAt }) => [
      contact,
      state,
      rights.join(',') || '–',
      String(held),
      moment(askedAt, call.clock.now(), call.timeFormat),
    ]),
  )
  return 0
}

async function decide(call: Invocation, body: object): Promise<number> {
  const { gateway, query } = asking(call)
  const path = withAgent(`/v1/contacts/${encodeURIComponent(call.args[0] as string)}`, query)
  const answer = await gateway.send('PUT', path, body)
  if (call.out.json) call.out.document(answer)
  else recordFields(answer, call)
  return 0
}

export const accept: Run = (call) => {
  const rights = call.option('rights')?.split(',')
  return decide(call, { state: 'accepted', ...(rights && { rights }) })
}
export const refuse: Run = (call) => decide(call, { state: 'refused' })

export const remove: Run = async (call) => {
  const { gateway, query } = asking(call)
  const contact = call.args[0] as string
  await gateway.send('DELETE', withAgent(`/v1/contacts/${encodeURIComponent(contact)}`, query))
  if (call.out.json) call.out.document({ contact, removed: true })
  else call.out.text(`${contact} is no contact any more\n`)
  return 0
}
