/** Requests that were not good. */
import { type Page, page } from './page.ts'

export const ASKING = {
  WAYPOST_ERR_NOT_FOUND: page(
    'there is nothing of this name or id that your key may see',
    'nothing happened',
    'check the id',
    'waypost task list',
  ),
  WAYPOST_ERR_DELIVERY_NOT_FOUND: page(
    'there is no delivery of this id',
    'nothing happened',
    'list what can be replayed',
    'waypost dlq list',
  ),
  WAYPOST_ERR_DELIVERY_NOT_DEAD: page(
    'only a dead or expired delivery can be tried anew; this one is still under way, or done',
    'nothing happened',
    'see how it stands',
    'waypost dlq show <delivery>',
  ),
  WAYPOST_ERR_KEY_NOT_FOUND: page(
    'there is no key of this id, or it was revoked before',
    'nothing happened',
    'list the keys',
    'waypost key list',
  ),
  WAYPOST_ERR_CARD_SIGNATURE: page(
    "the agent's card is not signed by a key that is trusted for it, or something in it was changed after it was signed",
    'the agent is not registered, or goes on with the last card that was good; what is owed to it waits',
    "give the right keys in the registration's member `signatures`, or ask whoever runs the agent",
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_PERMISSION_DENIED: page(
    'your key does not permit this',
    'nothing happened',
    'use a key with the permit, or have one made',
    'waypost key create --permits send,read,cancel',
  ),
  WAYPOST_ERR_INVALID_REQUEST: page(
    'the request is not formed as its route wants it',
    'nothing happened',
    'correct what the message names',
    'waypost help',
  ),
  WAYPOST_ERR_INVALID_PARAMS: page(
    'a value is not valid; the message names the field',
    'nothing happened',
    'correct the field',
    'waypost help send',
  ),
  WAYPOST_ERR_JSON_PARSE: page(
    'the body is not JSON',
    'nothing happened',
    'correct the body',
    'waypost send -a @echo --data order.json',
  ),
  WAYPOST_ERR_METHOD_NOT_FOUND: page(
    'there is no such operation',
    'nothing happened',
    'check the name and the version',
    'waypost card get -a @echo',
  ),
  WAYPOST_ERR_METHOD_NOT_ALLOWED: page(
    'the route exists, but not with this verb',
    'nothing happened',
    'see the Allow header',
    'waypost help',
  ),
  WAYPOST_ERR_PAYLOAD_TOO_LARGE: page(
    'the request, or a part of it, is larger than allowed; the message says by what limit',
    'nothing was accepted',
    'put large content behind a URL part',
    'waypost send -a @echo --file https://files.example.test/report.pdf',
  ),
  WAYPOST_ERR_UNSUPPORTED_MEDIA_TYPE: page(
    'the request has a Content-Type that the route does not take',
    'nothing happened',
    'send application/json',
    'waypost send -a @echo --text hello',
  ),
  WAYPOST_ERR_NOT_ACCEPTABLE: page(
    'the Accept header excludes every form that can be answered',
    'nothing happened',
    'accept application/json',
    'waypost card get -a @echo',
  ),
  WAYPOST_ERR_RATE_LIMITED: page(
    'more requests than this caller, key, tenant or agent may make or take, too many open streams, or too many failed sign-ins',
    'the request was not taken, nothing is stored',
    'wait as long as Retry-After says; an operator can give a key a rate of its own, or change WAYPOST_SEND_RATE',
    'waypost key create NAME --rate 50/200',
  ),
  WAYPOST_ERR_STORAGE_FULL: page(
    'this tenant has stored as many bytes of messages and results as it may',
    'the message was not taken, nothing is stored',
    'ask the operator for more room (WAYPOST_TENANT_QUOTAS), or wait until old tasks are gone',
    'waypost task list',
  ),
  WAYPOST_ERR_NOT_A_MAILBOX: page(
    'this agent is called by the gateway and collects nothing, so it has no inbox to look into',
    'nothing was asked, nothing happened',
    'name an agent that was registered without an address of its own',
    'waypost agent list',
  ),
  WAYPOST_ERR_CONFLICT: page(
    'it exists already and is not yours, or it changed meanwhile',
    'nothing happened',
    'look at it as it is now, then decide',
    'waypost agent list',
  ),
  WAYPOST_ERR_UNAVAILABLE: page(
    'the gateway cannot commit now: database, overload, or stopping',
    'nothing was accepted',
    'repeat after Retry-After; the same messageId is safe',
    'waypost healthcheck complete',
  ),
  WAYPOST_ERR_OUTCOME_UNKNOWN: page(
    'the answer of the database was lost: the message may have been accepted',
    'unknown, until you ask again',
    'send the same message again, with the same messageId: there will be one task',
    'waypost send -a @echo --message-id <uuid> --text hello',
  ),
  WAYPOST_ERR_INTERNAL: page(
    'a mistake in the gateway',
    'the operation failed',
    'report it with the trace id',
    'waypost doctor',
  ),
} as const satisfies Record<string, Page>
