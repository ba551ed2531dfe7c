/** `agent add|list|match|show|probe|pause|resume|approve|drain|remove`: one management route each. */
import { readFileSync } from 'node:fs'
import { resolveAgent } from '../agentRef.ts'
import { CliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { type AgentRecord, readAll } from '../records.ts'
import { agentTable, recordFields } from '../tables.ts'

const path = (name: string | undefined): string =>
  `/v1/agents/${encodeURIComponent((name ?? '').replace(/^@/, '').toLowerCase())}`

export const list: Run = async (call) => {
  const filter = { q: call.option('query'), skill: call.option('skill'), tag: call.option('tag') }
  const query = { ...filter, ...(call.has('available') && { available: true }) }
  const items = await readAll<AgentRecord>(call.gateway, '/v1/agents', query)
  if (call.out.json) call.out.document({ items })
  else {
    agentTable(items, call)
    if (items.length === 0) call.out.note(`register one: ${call.program} agent add https://agent.example.test`)
  }
  return 0
}

interface MatchRecord {
  readonly name: string
  readonly score: number
  readonly skill?: string
  readonly reasons: readonly { readonly points: number; readonly text: string }[]
}

export const match: Run = async (call) => {
  const [skill, tag, limit] = [call.option('skill'), call.option('tag'), call.option('limit')]
  const need = {
    ...(call.args.length > 0 && { text: call.args.join(' ') }),
    ...(skill !== undefined && { skills: [skill] }),
    ...(tag !== undefined && { tags: [tag] }),
    ...(limit !== undefined && { limit: Number(limit) }),
  }
  const answer = (await call.gateway.send('POST', '/v1/match', need)) as { items: readonly MatchRecord[] }
  if (call.out.json) call.out.document(answer)
  else {
    const reasons = ({ reasons }: MatchRecord) =>
      reasons.map(({ points, text }) => `${text} (${points > 0 ? '+' : ''}${points})`).join(', ')
    call.out.table(
      ['AGENT', 'SCORE', 'SKILL', 'WHY'],
      answer.items.map((item) => [item.name, String(item.score), item.skill ?? '', reasons(item)]),
    )
    if (answer.items.length === 0) call.out.note(`nobody fits; see all: ${call.program} agent list`)
  }
  return 0
}

export const show: Run = async (call) => told(await call.gateway.get(path(call.args[0])), call)

export const remove: Run = async (call) => {
  const name = call.args[0] as string
  if (!call.has('yes') && !call.has('dry-run')) {
    throw usage(
      `${name} and its token would be gone; say that you mean it`,
      `${call.program} agent remove ${name} --yes`,
    )
  }
  if (call.has('dry-run')) {
    const { queued = 0 } = (await call.gateway.get(path(name))) as AgentRecord
    return told({ agent: name, wouldEnd: queued }, call)
  }
  const answer = await call.gateway.send('DELETE', `${path(name)}${call.has('force') ? '?force=true' : ''}`)
  if (call.out.json) call.out.document(answer)
  else call.out.fields([['Removed', name]])
  return 0
}

export type AgentVerb = 'probe' | 'pause' | 'resume' | 'drain' | 'rotate-key'

/** The verbs on one agent differ in their last word only. */
export const verb =
  (name: AgentVerb): Run =>
  async (call) =>
    told(await call.gateway.send('POST', `${path(call.args[0])}/${name}`, bodyOf(name, call)), call)

/** Two tokens at once for a while, so that whoever has the older one can be given the newer. */
function bodyOf(name: AgentVerb, call: Invocation): object | undefined {
  const graceMs = name === 'rotate-key' ? call.duration('grace') : undefined
  return graceMs === undefined ? undefined : { graceSeconds: Math.round(graceMs / 1_000) }
}

export const add: Run = async (call) =>
  told(await call.gateway.send('POST', '/v1/agents', await registration(call)), call)

/** What is approved is what is shown here, or was looked at before: a card that changes again in between is not. */
export const approve: Run = async (call) => {
  const { pending } = (await call.gateway.get(path(call.args[0]))) as AgentRecord
  const change = call.option('change') ?? pending?.change
  const answer = await call.gateway.send('POST', `${path(call.args[0])}/approve`, change ? { change } : {})
  if (call.out.json) call.out.document(answer)
  else {
    if (pending) call.out.fields(changeFields(pending))
    call.out.fields([['Approved', call.args[0]]])
  }
  return 0
}

function told(answer: unknown, call: Invocation): number {
  if (call.out.json) call.out.document(answer)
  else {
    const { pending, signature, cardProblem, ...record } = answer as AgentRecord
    recordFields(record, call)
    if (signature) call.out.fields([['Signature', [signature.state, ...(signature.keys ?? [])].join(' ')]])
    if (cardProblem) call.out.fields([['Card refused', `${cardProblem.reason}`]])
    if (pending) {
      call.out.fields(changeFields(pending))
      call.out.note(`nothing is delivered until you approve: ${call.program} agent approve ${record.name}`)
    }
  }
  return 0
}

const CHANGED: Readonly<Record<string, string>> = {
  origin: 'Changed address',
  auth: 'Changed authentication',
  key: 'Changed signing key',
}

/** Old → new, a line each. */
const changeFields = ({ change, changes = [] }: NonNullable<AgentRecord['pending']>): [string, string][] => [
  ...changes.map(({ what = '', from = [], to = [] }): [string, string] => [
    CHANGED[what] ?? what,
    `${from.join(', ') || 'none'} → ${to.join(', ') || 'none'}`,
  ]),
  ['Change', change ?? ''],
]

/** The registration document: a file as it is, or made of the address and the flags. */
async function registration(call: Invocation): Promise<Record<string, unknown>> {
  const ref = call.args[0] as string
  if (ref.endsWith('.json') && !ref.includes('://')) return readDocument(ref)
  const policy = {
    ...(call.option('redelivery') && { redelivery: call.option('redelivery') }),
    ...(call.option('description') && { description: call.option('description') }),
    ...(call.option('max-inflight') && { maxInflight: Number(call.option('max-inflight')) }),
    ...(call.option('access') && { access: call.option('access') }),
  }
  if (call.has('mailbox')) return { name: ref, connector: { kind: 'mailbox' }, ...policy }
  const url = /^https?:\/\//.test(ref) ? ref : `http://${ref}`
  if (!URL.canParse(url)) throw usage(`${ref} is neither an address nor a .json document`)
  if (call.has('mcp')) return { name: call.option('name') ?? hostName(url), connector: { kind: 'mcp', url }, ...policy }
  const name = call.option('name') ?? (await nameOf(url, call))
  return { name, connector: { kind: 'a2a', url }, ...policy }
}

function readDocument(file: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  } catch (error) {
    throw usage(`${file} cannot be used: ${(error as Error).message}`, 'its form is told in agent-cards/README.md')
  }
}

/** The card's name as an agent's name, if it is up; else the first label of its host. */
async function nameOf(url: string, call: Invocation): Promise<string> {
  try {
    const { card } = await resolveAgent(url, { http: call.http, gateway: call.gateway })
    const name = agentName(String(card.name ?? ''))
    if (name) return name
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    call.out.note(`note: ${error.message}; it is registered all the same, and its card fetched when it answers`)
  }
  return hostName(url)
}

function hostName(url: string): string {
  const host = new URL(url).hostname
  const label = /^[\d.]+$|^localhost$|:/.test(host) ? '' : agentName(host.split('.')[0] ?? '')
  if (label) return label
  throw usage('what should it be called? its card cannot be read, and its address has no name in it', '--name invoices')
}

export const agentName = (text: string): string =>
  text
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9_.-]+/g, '-')
    .replace(/^[^a-z0-9]+|[-_.]+$/g, '')
    .slice(0, 63)
