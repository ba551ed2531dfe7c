/** `inbox`, `next`, `done`, `fail`, `reject`, `ask`, `presence`, `receipts`: a mailbox by hand. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { agentToken, notOurs } from '../agentToken.ts'
import { createGateway, type Gateway } from '../client.ts'
import { moment } from '../durations.ts'
import { CliError, EXIT, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { oneLine } from '../output.ts'
import { recordFields } from '../tables.ts'
import { agentName } from './agent.ts'

/** Longest wait of one call. */
const WAIT_SECONDS_MAX = 50

const MAIL = z.looseObject({
  delivery: z.string(),
  text: z.string(),
  from: z.string(),
  kind: z.string(),
  priority: z.string(),
  createdAt: z.string().optional(),
  readAt: z.string().optional(),
})
const PAGE = z.looseObject({ items: z.array(MAIL) })
const LEASE = z.looseObject({
  lease: z.string(),
  text: z.string(),
  from: z.string(),
  kind: z.string(),
  expires: z.string(),
  task: z.looseObject({ id: z.string() }),
})

/** The mailbox's name: given, or that of the surroundings. Throws a usage error. */
export function mailboxName(given: string | undefined, call: Invocation): string {
  const name = agentName((given ?? call.around.get('WAYPOST_AGENT') ?? '').replace(/^@/, ''))
  if (name === '') throw usage('whose mailbox?', 'give its name, or set WAYPOST_AGENT')
  return name
}

/** The gateway, as that agent. Throws CliError when its token is not known here. */
export function asAgent(name: string, call: Invocation): Gateway {
  const token = agentToken(name, call).known()
  if (token === undefined) throw notOurs(name, call)
  return createGateway({ url: call.gateway.url, key: token, http: call.http, signal: call.signal, timeoutMs: 70_000 })
}

const filters = (call: Invocation) => ({
  kind: call.option('kind'),
  label: call.option('label'),
  from: call.option('from'),
  urgent: call.has('urgent') || undefined,
})

export const inbox: Run = async (call) => {
  const gateway = asAgent(mailboxName(call.args[0], call), call)
  const unread = call.has('unread') || undefined
  const query = { ...filters(call), unread, state: call.option('state'), limit: call.option('limit') }
  const page = PAGE.parse(await gateway.get('/v1/inbox', query))
  if (call.out.json) {
    call.out.document(page)
    return 0
  }
  if (page.items.length === 0) call.out.text('nothing waits\n')
  else
    call.out.table(
      ['KIND', 'PRIORITY', 'FROM', 'SINCE', 'READ', 'TEXT'],
      page.items.map(({ kind, priority, from, createdAt, readAt, text }) => [
        kind,
        priority,
        from,
        moment(createdAt, call.clock.now(), call.timeFormat),
        readAt ? 'yes' : 'no',
        oneLine(text).slice(0, 60),
      ]),
    )
  return 0
}

export const next: Run = async (call) => {
  const gateway = asAgent(mailboxName(call.args[0], call), call)
  const { kind, urgent, ...asked } = filters(call)
  const leaseFor = call.duration('lease-for')
  const body = {
    ...asked,
    ...(urgent && { urgent }),
    ...(kind !== undefined && { kind: kind.split(',') }),
    ...(leaseFor !== undefined && { leaseSeconds: Math.round(leaseFor / 1_000) }),
  }
  const until = call.clock.elapsed() + (call.duration('within') ?? 0)
  for (;;) {
    const left = Math.max(0, (until - call.clock.elapsed()) / 1_000)
    const wait = Math.min(WAIT_SECONDS_MAX, left)
    const answer = await gateway.send('POST', `/v1/inbox/lease?wait=${wait}`, body)
    const taken = LEASE.safeParse(answer).data
    if (taken) {
      if (call.out.json) call.out.document(taken)
      else showLease(taken, call)
      return 0
    }
    if (left > wait) continue
    if (call.out.json) call.out.document({ lease: null })
    else call.out.note('nothing came')
    return EXIT.timeout
  }
}

function showLease({ lease, from, kind, expires, task, text }: z.infer<typeof LEASE>, { out }: Invocation): void {
  out.fields([
    ['Lease', lease],
    ['Task', task.id],
    ['From', from],
    ['Kind', kind],
    ['Expires', expires],
  ])
  out.text(`\n${text}\n`)
}

async function settle(call: Invocation, verb: string, body: object): Promise<number> {
  const gateway = asAgent(mailboxName(call.option('agent'), call), call)
  const lease = encodeURIComponent(call.args[0] as string)
  const answer = await gateway.send('POST', `/v1/leases/${lease}/${verb}`, body)
  if (call.out.json) call.out.document(answer)
  else recordFields(answer, call)
  return 0
}

const textOf = (call: Invocation): string | undefined =>
  call.parts.find(({ flag }) => flag === 'text')?.value ?? call.option('text')

export const done: Run = (call) => {
  const file = call.parts.find(({ flag }) => flag === 'file')?.value ?? call.option('file')
  const text = file === undefined ? textOf(call) : readText(file)
  if (call.has('message') && text === undefined) throw usage('what does the message say?', '--text "…"')
  return settle(call, 'complete', {
    ...(text !== undefined && { text }),
    ...(call.has('message') && { as: 'message' }),
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? 0 : path, 'utf8')
  } catch (error) {
    throw usage(`--file: ${path} cannot be read: ${(error as Error).message}`)
  }
}

const said = (call: Invocation) => {
  const text = textOf(call)
  return text === undefined ? {} : { text }
}
export const fail: Run = (call) => settle(call, 'fail', { ...said(call), ...(call.has('retry') && { retry: true }) })
export const reject: Run = (call) => settle(call, 'reject', said(call))
export const ask: Run = (call) => {
  if (textOf(call) === undefined) throw usage('what is the question?', '--text "…"')
  return settle(call, 'ask', said(call))
}

export const presence: Run = async (call) => {
  const name = mailboxName(call.args[0], call)
  const agent = z
    .looseObject({ presence: z.looseObject({}).optional() })
    .parse(await call.gateway.get(`/v1/agents/${encodeURIComponent(name)}`))
  if (!agent.presence) {
    const hint = `${call.program} agent show ${name}`
    throw new CliError('WAYPOST_ERR_NOT_A_MAILBOX', `${name} does not collect its messages`, { hint })
  }
  if (call.out.json) call.out.document({ agent: name, ...agent.presence })
  else recordFields({ agent: name, ...agent.presence }, call)
  return 0
}

export const receipts: Run = async (call) => {
  const id = encodeURIComponent(call.args[0] as string)
  const answer = z.looseObject({ receipt: z.looseObject({}) }).parse(await call.gateway.get(`/v1/tasks/${id}/receipts`))
  if (call.out.json) call.out.document(answer)
  else recordFields(answer.receipt, call)
  return 0
}
