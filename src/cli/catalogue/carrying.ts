/** Tasks, agents and deliveries. */
import { type Page, page } from './page.ts'

export const CARRYING = {
  WAYPOST_ERR_CARD_INVALID: page(
    'the agent card breaks the A2A schema; the message names the member',
    'the agent cannot be addressed until it serves a valid card; what was accepted waits',
    'correct the card at the agent',
    'waypost card get --validate -a https://agent.example.test',
  ),
  WAYPOST_ERR_CARD_SIGNATURE: page(
    'a signature on the card does not verify',
    'the card is shown as unverified',
    'sign it anew, after the last change of the card',
    'waypost card get -a @name -o json',
  ),
  WAYPOST_ERR_AGENT_NOT_FOUND: page(
    'no agent of this name is registered',
    'nothing was sent',
    'check the name, or register the agent',
    'waypost agent list',
  ),
  WAYPOST_ERR_AGENT_TOKEN: page(
    'a mailbox is registered, and the token with which its work is collected is not known on this machine',
    'nothing is collected; what was sent to it waits',
    'give the token as WAYPOST_TOKEN, or make another: the old one ends',
    'waypost agent rotate-key <name>',
  ),
  WAYPOST_ERR_AGENT_UNAVAILABLE: page(
    'the agent is offline and its policy whenOffline is reject',
    'the message was not accepted',
    'send later, or let it queue: whenOffline queue',
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_AGENT_OFFLINE: page(
    'the agent does not answer',
    'none for you: tasks wait and are delivered when it is back, at once when it calls in',
    'start the agent; have it looked at now with probe',
    'waypost agent probe <name>',
  ),
  WAYPOST_ERR_AGENT_PAUSED: page(
    'an operator has paused the agent',
    'messages are accepted and wait',
    'resume it',
    'waypost agent resume <name>',
  ),
  WAYPOST_ERR_UNPROVED: page(
    'the receiver of a webhook has not agreed to have this tenant’s events',
    'nothing is sent there; it is asked again every ten minutes, until the delivery is given up',
    'have it answer the challenge, publish the TXT record, or have an operator name its domain (WAYPOST_WEBHOOK_DOMAINS)',
    'waypost webhook attempts',
  ),
  WAYPOST_ERR_QUEUE_FULL: page(
    'too many messages wait for this agent',
    'the message was not accepted; what was accepted before is safe',
    'send later (Retry-After says when), or find out why it does not drain',
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_MAILBOX_FULL: page(
    'too much waits in the mailbox of this agent',
    'the message was not accepted; what was accepted before is safe',
    'send later (Retry-After says when), or find out why nobody collects',
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_SENDER_QUOTA: page(
    'too many messages of yours wait in the mailbox of this agent',
    'the message was not accepted; what was accepted before is safe',
    'send later (Retry-After says when)',
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_NOT_ALLOWED: page(
    'the mailbox does not take this from you',
    'nothing was stored, or what waited was rejected with this reason',
    'ask its owner to accept you as a contact',
    'waypost contact accept <caller> --agent <name>',
  ),
  WAYPOST_ERR_TASK_EXPIRED: page(
    'the message waited longer than its time to live, or past its deadline',
    'the task is FAILED with this reason',
    'send it again, or give it longer with ttlSeconds in the metadata',
    'waypost task explain <taskId>',
  ),
  WAYPOST_ERR_LEASE_LOST: page(
    'the lease ran out before the agent reported, and the delivery belongs to another attempt now',
    'the report was refused and changed nothing',
    'lease again; renew in time',
    'waypost task explain <taskId>',
  ),
  WAYPOST_ERR_MESSAGE_ID_REUSED: page(
    'this messageId was used before, for other content',
    'nothing was accepted',
    'use a new messageId (a UUID) for every message',
    'waypost send -a @echo --text hello',
  ),
  WAYPOST_ERR_EGRESS_BLOCKED: page(
    'the address belongs to a network that outbound calls may not reach',
    'nothing was sent there',
    'allow the network if it is yours, as narrowly as you can',
    'WAYPOST_EGRESS_ALLOW=10.1.2.0/24:443 waypost serve',
  ),
  WAYPOST_ERR_WEBHOOK_DISABLED: page(
    'the receiver answered 410, or failed for 24 hours',
    'its events are dead letters',
    'mend the receiver, then replay',
    'waypost dlq replay --kind webhook --dry-run',
  ),
  WAYPOST_ERR_CONFIG_LIMIT: page(
    'the task has as many push configurations as it may have',
    'this one was not created',
    'delete one',
    'waypost task push-config list <taskId>',
  ),
} as const satisfies Record<string, Page>
