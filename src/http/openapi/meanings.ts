/** What the members of a registration mean: a member without a row here does not compile. */
import type { Registration } from '../../gateway/agents/registration.ts'

export const REGISTRATION_MEANINGS: { readonly [M in keyof typeof Registration.shape]: string } = {
  $schema: 'Where this schema is, for editors.',
  name: 'Its name and address here: 1–63 characters a–z, 0–9, then also - _ . ; case-folded.',
  connector:
    'How it is reached: at its own A2A server (`a2a`; `url` its base address or its card’s), by collecting (`mailbox`), by a call of ours (`webhook`), or as an MCP server (`mcp`). Default: a mailbox.',
  description: 'For its card, where the agent has none of its own.',
  version: 'Its own version, for its card.',
  provider: 'Who runs it, for its card.',
  documentationUrl: 'For its card.',
  iconUrl: 'For its card.',
  skills: 'What it can do, for its card and for who searches.',
  skillScopes: 'A caller needs the scope of each skill that it asks for: `agent:<name>:skill:<id>`.',
  defaultInputModes: 'Media types that it takes, for its card.',
  defaultOutputModes: 'Media types that it gives, for its card.',
  extensions: 'A2A extensions that it knows, for its card.',
  redelivery:
    'After a failure that does not tell whether it began: `atMostOnce` (the default) does not send again, `atLeastOnce` does.',
  idempotency:
    'Which message ids make sending again harmless: those that are UUIDs (`uuid`, the default), all (`always`), none but the header `Idempotency-Key` (`header`).',
  whenOffline: 'While it is away: `queue` (the default), or `reject` at once.',
  maxInflight: 'Messages that it may have in hand at once.',
  maxAttempts: 'After so many failures a delivery is a dead letter.',
  leaseSeconds: 'How long who collects may be silent.',
  ttlSeconds: 'How long a message waits for it, if its sender says nothing.',
  backoff: 'The first and the longest wait between attempts, in milliseconds.',
  credentials: 'What it is called with. Write-only: sealed, and never shown.',
  visibility: '`public`: its card is for everybody; `private`: for callers of the tenant.',
  access: '`keys` (the default), or `anonymous`: callers without a credential share one owner.',
  rate: 'Messages a second that it is sent, and how many at once: `50/200`, or `off`.',
  policy: 'Whom a mailbox takes messages from: everybody, its contacts, who is approved, nobody.',
  ordering: '`context`: messages of one conversation go one after another; `none`: all at once.',
  deadLetter: 'When it is given up: the task fails (`fail`), or stays as it is (`hold`).',
  cadence: 'How often a mailbox looks: `live`, `polling`, or an ISO 8601 duration between two visits.',
  wake: 'Called when something waits in a mailbox and nobody is there.',
  signatures: 'What its card’s signatures must be. An administrator’s to say.',
}
