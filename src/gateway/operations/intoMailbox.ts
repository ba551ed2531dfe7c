/** Whether a mailbox takes a message of this caller: its policy and contacts, and its room. Before anything is stored. */
import type { SendMessageRequest } from '../../a2a/operations.ts'
import { notAllowed, rightFor } from '../agents/contacts.ts'
import { type MailboxState, mailboxPresence } from '../agents/mailboxPresence.ts'
import type { Admission } from '../tasks/open.ts'
import { wishesOf } from '../tasks/wishes.ts'
import type { AgentCall, OperationTools } from './tools.ts'

const THERE: ReadonlySet<MailboxState> = new Set(['available', 'busy'])

/** Throws NOT_ALLOWED, MAILBOX_FULL, SENDER_QUOTA. */
export async function admitToMailbox(
  params: SendMessageRequest,
  { known, caller }: AgentCall,
  { contacts, room, delivering, lookAtBox }: Pick<OperationTools, 'contacts' | 'room' | 'delivering' | 'lookAtBox'>,
): Promise<Admission> {
  const { rights, held, as } = await contacts.standing(known, caller)
  const { kind = 'task' } = wishesOf(params)
  if (!rights.has(rightFor(kind))) throw notAllowed(known.name)
  room.check(known, caller.id, delivering.depth(known.tenant, known.destination), as === 'admin')
  const waits = held && !(await contacts.ask(known, caller.id))
  const box = await lookAtBox(known)
  const presence = box && mailboxPresence(known, box).state
  const facts = {
    // Looked at again when it is taken: by then nobody knows what its sender's key could do.
    ...(as && known.policy.policy !== 'open' && { allowedAs: as }),
    // As it was when it was accepted; that it was there needs no telling.
    ...(presence && !THERE.has(presence) && { presence }),
  }
  return { held: waits, mayBeUrgent: rights.has('urgent'), ...(Object.keys(facts).length > 0 && { facts }) }
}

/**
 * What was held is committed. If its sender was accepted meanwhile, by whoever did not see it yet, it goes on: either that
 * decision finds this message, or this look finds the decision.
 */
export async function admitLate(
  { known, caller }: AgentCall,
  { contacts, wake }: Pick<OperationTools, 'contacts' | 'wake'>,
): Promise<void> {
  if (!(await contacts.ask(known, caller.id).catch(() => false))) return
  if ((await contacts.release(known, caller.id)) > 0) wake(known.tenant, known.destination)
}
