/** Agents: registered, found, looked after; and the keys of those who call them. */
import { Registration } from '../../../gateway/agents/registration.ts'
import * as agents from '../../admin/agents.ts'
import * as keys from '../../admin/keys.ts'
import { NEED } from '../../admin/match.ts'
import * as shown from '../answers.ts'
import { type Group, pageOf } from '../entry.ts'

const NOT_THERE = ['AGENT_NOT_FOUND'] as const
const CHANGES = ['AGENT_NOT_FOUND', 'PERMISSION_DENIED', 'CONFLICT'] as const

export const AGENTS: Group = {
  name: 'Agents',
  about: 'Registered once, by one document; found by what they can do; paused, drained and removed by their owners.',
  entries: {
    'POST /v1/agents': {
      summary: 'Register an agent',
      about:
        'Idempotent for its owner. Without `connector` it is a mailbox, and the answer has its token, this once. On a loopback listener a mailbox is registered without a credential too.',
      query: agents.REGISTER_QUERY,
      body: Registration,
      example: {
        name: 'invoices',
        connector: { kind: 'a2a', url: 'http://127.0.0.1:9100/' },
        redelivery: 'atLeastOnce',
      },
      answers: { 201: shown.Registered, 200: shown.Registered },
      codes: ['PERMISSION_DENIED', 'CONFLICT', 'CONFIG_LIMIT', 'CARD_SIGNATURE'],
    },
    'GET /v1/agents': {
      summary: 'Search agents',
      query: agents.SEARCH,
      answers: { 200: pageOf(shown.Agent) },
    },
    'GET /v1/agents/:agent': {
      summary: 'Look at one agent',
      about: 'With its policy and registration for who may change it. Secrets are never shown.',
      answers: { 200: shown.Agent },
      codes: NOT_THERE,
    },
    'PATCH /v1/agents/:agent': {
      summary: 'Change an agent',
      about:
        'A JSON merge patch (RFC 7396) of the registration: members as in `POST /v1/agents`; `null` brings a default back. What comes of it is checked as a registration is.',
      body: agents.CHANGES,
      example: { redelivery: 'atLeastOnce', description: null },
      answers: { 200: shown.Agent },
      codes: [...CHANGES, 'CARD_SIGNATURE'],
    },
    'DELETE /v1/agents/:agent': {
      summary: 'Remove an agent',
      about: 'Refused while something is owed to it, unless `force`. Its token ends with it.',
      query: agents.REMOVE_QUERY,
      answers: { 200: shown.Removed },
      codes: CHANGES,
    },
    'POST /v1/agents/:agent/probe': {
      summary: 'Ask an agent for its card now',
      answers: { 200: shown.Probed },
      codes: ['AGENT_NOT_FOUND', 'PERMISSION_DENIED'],
    },
    'POST /v1/agents/:agent/pause': {
      summary: 'Keep its deliveries in the queue',
      body: agents.PAUSE,
      example: { reason: 'new release' },
      answers: { 200: shown.Agent },
      codes: CHANGES,
    },
    'POST /v1/agents/:agent/resume': {
      summary: 'Send its deliveries again',
      answers: { 200: shown.Agent },
      codes: CHANGES,
    },
    'POST /v1/agents/:agent/approve': {
      summary: 'Take the card that waits for approval',
      about: '`change`: only if it is this one, as `pending.change` names it.',
      body: agents.APPROVE,
      answers: { 200: shown.Agent },
      codes: CHANGES,
    },
    'POST /v1/agents/:agent/drain': {
      summary: 'Pause, and wait until what is out has come home',
      body: agents.DRAIN,
      example: { waitSeconds: 25 },
      answers: { 200: shown.Drained },
      codes: CHANGES,
    },
    'POST /v1/agents/:agent/rotate-key': {
      summary: 'A new token for a mailbox, in place of the older ones',
      about: '`graceSeconds`: so long the older one is good beside it.',
      body: agents.ROTATION,
      example: { graceSeconds: 3_600 },
      answers: { 200: shown.Token },
      codes: CHANGES,
    },
    'POST /v1/match': {
      summary: 'Who could do it, the best first, and why',
      body: NEED,
      example: { text: 'translate an invoice', skills: ['translate'], limit: 3 },
      answers: { 200: pageOf(shown.Match) },
    },
  },
}

export const KEYS: Group = {
  name: 'Keys',
  about: 'A key is shown once, when it is made; what is kept is a digest.',
  entries: {
    'POST /v1/keys': {
      summary: 'Make a key',
      body: keys.NEW_KEY,
      example: { name: 'reports', permits: ['send', 'read'], ttlSeconds: 2_592_000 },
      answers: { 201: shown.NewKey },
      codes: ['AGENT_NOT_FOUND', 'CONFIG_LIMIT'],
    },
    'GET /v1/keys': { summary: 'List keys, the newest first', query: keys.LIST, answers: { 200: pageOf(shown.Key) } },
    'DELETE /v1/keys/:id': {
      summary: 'Revoke a key',
      answers: { 200: shown.RevokedKey },
      codes: ['KEY_NOT_FOUND'],
    },
  },
}
