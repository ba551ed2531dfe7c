/** The mailbox: for agents without a server of their own. */
import { LIMITS } from '../../../limits.ts'
import * as contacts from '../../contacts.ts'
import { LIST, leaseForm, WAIT } from '../../inboxForms.ts'
import { READ } from '../../inboxReading.ts'
import { leaseForms } from '../../leases.ts'
import * as shown from '../answers.ts'
import { type Entry, type Group, MAILBOX, pageOf, stream } from '../entry.ts'

const FORMS = leaseForms(LIMITS)
const COLLECTS = ['PERMISSION_DENIED', 'AGENT_NOT_FOUND'] as const
const LEASE_LOST = ['LEASE_NOT_FOUND', 'lease_lost', 'already_settled'] as const

const ends = (summary: string, body: Entry['body'], more: Partial<Entry> = {}): Entry => ({
  summary,
  ...(body && { body }),
  headers: MAILBOX,
  answers: { 200: shown.Settled },
  codes: [...COLLECTS, ...LEASE_LOST, 'UNSUPPORTED_OPERATION', 'PAYLOAD_TOO_LARGE'],
  ...more,
})

export const MAILBOXES: Group = {
  name: 'Mailbox',
  about:
    'An agent collects its work with its own token: it leases, says how it goes, and settles. What it holds and does not settle in time is another’s.',
  entries: {
    'GET /v1/inbox': {
      summary: 'Look at what waits, without taking it',
      about: 'With `wait` by arrival: answered when something has come behind `after`.',
      query: LIST,
      headers: MAILBOX,
      answers: { 200: pageOf(shown.Mail) },
      codes: COLLECTS,
    },
    'POST /v1/inbox/lease': {
      summary: 'Take the next piece of work',
      about:
        'With `max` above 1 the answer is `items`. With `Accept: text/plain` it is the text, with lease, task and sender in headers.',
      query: WAIT,
      body: leaseForm(LIMITS),
      example: { leaseSeconds: 60 },
      headers: MAILBOX,
      answers: { 200: shown.OfferOrOffers, 204: 'nothing waits' },
      codes: [...COLLECTS, 'RATE_LIMITED'],
    },
    'GET /v1/inbox/events': {
      summary: 'Hints: there is work, a cancel, a further message',
      about: 'Nothing is taken by them, and nothing depends on them.',
      headers: MAILBOX,
      answers: { 200: stream('`event` is `work`, `result`, `cancel` or `message`') },
      codes: [...COLLECTS, 'RATE_LIMITED'],
    },
    'POST /v1/inbox/read': {
      summary: 'Mark messages as read, or as unread',
      body: READ,
      headers: MAILBOX,
      answers: { 200: shown.ReadMarks },
      codes: COLLECTS,
    },
    'POST /v1/leases/:lease/renew': {
      ...ends('Hold it longer', FORMS.renew),
      answers: { 200: shown.Alive },
    },
    'POST /v1/leases/:lease/update': {
      ...ends('Say how far it is: words, progress, an artifact or a chunk of one', FORMS.update),
      example: { text: 'half of it', progress: 50 },
      answers: { 200: shown.Alive },
    },
    'POST /v1/leases/:lease/complete': ends('Done', FORMS.complete, {
      about: 'Said again with the same words it is answered the same.',
      example: { text: 'HELLO' },
      takes: { 'text/plain': 'the result as one text', 'application/octet-stream': 'the result as one file' },
      codes: [...COLLECTS, ...LEASE_LOST, 'new_messages', 'PAYLOAD_TOO_LARGE'],
    }),
    'POST /v1/leases/:lease/fail': ends('Failed; with `retry` it is tried again', FORMS.fail, {
      example: { text: 'the printer is out of paper', retry: true, delaySeconds: 60 },
    }),
    'POST /v1/leases/:lease/reject': ends('Not taken on', FORMS.reject),
    'POST /v1/leases/:lease/ask': ends('The sender is asked something; its answer comes as further work', FORMS.ask, {
      example: { text: 'which year?' },
    }),
    'POST /v1/leases/:lease/auth': ends('The sender must authorize something first', FORMS.auth),
    'POST /v1/leases/:lease/release': ends('Given back, as if it had not been taken', FORMS.release),
    'GET /v1/contacts': {
      summary: 'Whom a mailbox takes messages from',
      about: 'An agent its own; with `agent` for who may change that one.',
      query: contacts.LIST,
      answers: { 200: shown.Contacts },
      codes: COLLECTS,
    },
    'PUT /v1/contacts/:contact': {
      summary: 'Accept or refuse a sender',
      query: contacts.QUERY,
      body: contacts.DECISION,
      example: { state: 'accepted' },
      answers: { 200: shown.Contact },
      codes: [...COLLECTS, 'CONFIG_LIMIT'],
    },
    'DELETE /v1/contacts/:contact': {
      summary: 'Forget what was decided of a sender',
      query: contacts.QUERY,
      answers: { 204: 'forgotten' },
      codes: COLLECTS,
    },
  },
}
