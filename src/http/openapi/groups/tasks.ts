/** What happened to a task and why it waits; what is owed, and who wants to be told. */
import * as audit from '../../admin/audit.ts'
import * as data from '../../admin/data.ts'
import * as deliveries from '../../admin/deliveries.ts'
import * as tasks from '../../admin/tasks.ts'
import * as webhooks from '../../admin/webhooks.ts'
import * as shown from '../answers.ts'
import { type Group, LAST_EVENT, pageOf } from '../entry.ts'

const NO_TASK = ['TASK_NOT_FOUND'] as const

export const TASKS: Group = {
  name: 'Tasks',
  about: 'Callers see their own, administrators those of their tenant.',
  entries: {
    'GET /v1/tasks': {
      summary: 'List tasks, the newest change first',
      query: tasks.LIST,
      answers: { 200: shown.TaskPage },
    },
    'GET /v1/tasks/:id': {
      summary: 'One task: its state, its deliveries, each attempt',
      answers: { 200: shown.TaskStory },
      codes: NO_TASK,
    },
    'GET /v1/tasks/:id/explain': {
      summary: 'Why it is where it is, and what comes next',
      answers: { 200: shown.Explanation },
      codes: NO_TASK,
    },
    'GET /v1/tasks/:id/receipts': {
      summary: 'What happened to it, in the order of time',
      answers: { 200: shown.Receipts },
      codes: NO_TASK,
    },
    'GET /v1/tasks/:id/events': {
      summary: 'Its log',
      about:
        'As a list; with `Accept: text/event-stream` as a stream that goes on until the task has ended. Reading another caller’s is written into the audit.',
      query: tasks.EVENTS,
      headers: LAST_EVENT,
      answers: { 200: shown.LogPage, 204: 'a stream of a task that has ended, at its end' },
      codes: NO_TASK,
    },
  },
}

export const DELIVERIES: Group = {
  name: 'Deliveries and webhooks',
  about: 'What is owed to whom, what was given up, and trying it anew.',
  entries: {
    'GET /v1/deliveries': {
      summary: 'List deliveries, the newest first',
      about: '`state`: several by commas.',
      query: deliveries.LIST,
      answers: { 200: pageOf(shown.Delivery) },
    },
    'POST /v1/deliveries/replay': {
      summary: 'Try anew all dead letters that a filter fits',
      body: deliveries.REPLAY_FILTER,
      example: { agent: 'invoices', dryRun: true },
      answers: { 200: shown.ReplayedMany },
    },
    'POST /v1/deliveries/:id/replay': {
      summary: 'Try one dead letter anew',
      answers: { 200: shown.ReplayedOne },
      codes: ['DELIVERY_NOT_FOUND', 'DELIVERY_NOT_DEAD'],
    },
    'GET /v1/webhooks': {
      summary: 'Who wants to be told of tasks',
      about: 'Query strings of addresses are not shown: they may carry secrets.',
      query: webhooks.LIST,
      answers: { 200: pageOf(shown.Webhook) },
    },
    'GET /v1/webhooks/attempts': {
      summary: 'How receivers took it',
      query: webhooks.ATTEMPTS,
      answers: { 200: pageOf(shown.WebhookAttempt) },
    },
    'POST /v1/upstream/:task': {
      summary: 'An agent pushes that its task has changed',
      about:
        'By the token that it was given for this one task (`X-A2A-Notification-Token`, or as a bearer token). The body is a hint and is not kept: the agent is asked for the rest.',
      headers: { 'X-A2A-Notification-Token': 'the token' },
      answers: { 204: 'heard' },
      codes: ['TASK_NOT_FOUND', 'PAYLOAD_TOO_LARGE'],
    },
  },
}

export const RECORDS: Group = {
  name: 'Audit and data',
  about:
    'Who did what, in a chain that shows when it was changed; everything of one caller, to take along or to erase.',
  entries: {
    'GET /v1/audit': {
      summary: 'Who did what to what, the newest first',
      query: audit.LIST,
      answers: { 200: pageOf(shown.AuditEntry) },
    },
    'GET /v1/audit/verify': {
      summary: 'Whether the audit is still what was written',
      query: audit.VERIFY,
      answers: { 200: shown.AuditCheck },
    },
    'GET /v1/export': {
      summary: 'Everything of a caller, or of the tenant',
      about: 'After each line of kind `cursor` it can be gone on with (`after`); `end` says that nothing is missing.',
      query: data.EXPORT,
      answers: { 200: { media: 'application/x-ndjson', about: 'one JSON document a line' } },
    },
    'POST /v1/erase': {
      summary: 'Remove everything of a caller, or of the tenant',
      about: 'Answers after some seconds at the latest: with `done: false` it is repeated with `resumed`.',
      body: data.ERASE,
      example: { caller: 'reports', dryRun: true },
      answers: { 200: shown.Erased },
      codes: ['CONFLICT'],
    },
  },
}
