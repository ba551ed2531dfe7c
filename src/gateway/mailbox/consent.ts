/** A mailbox says whom it takes messages from; what waits follows at once. */
import type { Caller } from '../../ports.ts'
import { type ContactRow, type Decision, heldOf, takeOf } from '../../store/contacts.ts'
import type { Agent } from '../agents/agent.ts'
import { offer } from './offer.ts'
import type { VerbTools } from './tools.ts'

export interface Consent {
  contacts(agent: Agent): Promise<{ rows: readonly ContactRow[]; held: ReadonlyMap<string, number> }>
  /** What was held goes on, or its tasks are rejected. Throws CONFIG_LIMIT. */
  decide(agent: Agent, decision: Omit<Decision, 'tenant' | 'name' | 'by'>, by: Caller): Promise<ContactRow>
  /** false: there is no such contact. */
  forgetContact(agent: Agent, contact: string, by: Caller): Promise<boolean>
}

const AT_ONCE = 50
/** So many rounds at most: what is left is rejected when somebody would take it. */
const ROUNDS = 100

export function createConsent(tools: VerbTools): Consent {
  const { contacts, db } = tools

  /** What may not be handed out any more ends here; the offer looks at the right once more, and writes the end. */
  async function turnAway(agent: Agent, contact: string): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const taken = await takeOf(db, agent, contact, AT_ONCE)
      if (taken.length === 0) return
      await offer(taken, agent, false, tools)
    }
  }

  return {
    async contacts(agent) {
      const [rows, held] = await Promise.all([contacts.list(agent), heldOf(db, agent)])
      return { rows, held: new Map(held.map(({ contact, waiting }) => [contact, waiting])) }
    },
    async decide(agent, decision, by) {
      const row = await contacts.decide(agent, decision, by)
      if (decision.state === 'refused') await turnAway(agent, decision.contact)
      tools.wake(agent.tenant, agent.destination)
      return row
    },
    forgetContact: (agent, contact, by) => contacts.remove(agent, contact, by),
  }
}
