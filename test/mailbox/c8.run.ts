/** C8: what a stranger, a late worker or a program gone wild may try: refused as documented, alike for unknown and foreign, and nothing grows. */

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'vitest'
import { LIMITS } from '../../src/limits.ts'
import { openReport, percentile, type Report } from './report.ts'
import { nap, openStage, operator, type Stage } from './stage.ts'

const GUESSES = 1_000
const REGISTRATIONS = 10_000
/** Resident memory that all the refusals may leave behind. */
const GROWTH_MIB_MAX = 64

interface Answer {
  readonly status: number
  readonly code: string
  /** Without what differs from one request to the next. */
  readonly shape: string
  readonly ms: number
  // biome-ignore lint/suspicious/noExplicitAny: documents of many forms
  readonly json: any
}

test('C8', async () => {
  const report = openReport(
    'C8',
    'foreign tokens, guessed and expired leases, oversized updates, registrations without end',
  )
  const stage = await openStage()
  try {
    const [mine, foreign] = [await stage.agent('mine'), await stage.agent('foreign')]
    await guesses(stage, mine, foreign, report)
    await expired(stage, mine, report)
    await oversized(stage, mine, report)
    await tokens(stage, mine, report)
    await registrations(stage, report)
  } finally {
    await stage.close()
  }
  report.end()
}, 1_800_000)

async function ask(
  stage: Stage,
  path: string,
  token: string | undefined,
  body: unknown = {},
  method = 'POST',
): Promise<Answer> {
  const began = performance.now()
  const response = await fetch(stage.url + path, {
    method,
    headers: {
      'content-type': 'application/json',
      'a2a-version': '1.0',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    ...(method !== 'GET' && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const ms = performance.now() - began
  const json = text.startsWith('{') ? JSON.parse(text) : undefined
  const { traceId: _, instance: __, ...same } = json ?? {}
  const code = json?.code ?? json?.error?.data?.[0]?.reason ?? ''
  return { status: response.status, code, shape: JSON.stringify(same), ms, json }
}

async function aLease(
  stage: Stage,
  name: string,
  token: string,
  leaseSeconds = 600,
): Promise<{ lease: string; task: string }> {
  const message = { messageId: randomUUID(), role: 'ROLE_USER', parts: [{ text: 'x' }] }
  const params = { message, configuration: { returnImmediately: true } }
  const key = operator.authorization.slice('Bearer '.length)
  await ask(stage, `/agents/${name}`, key, { jsonrpc: '2.0', id: 1, method: 'SendMessage', params })
  const { json } = await ask(stage, '/v1/inbox/lease?wait=20', token, { leaseSeconds })
  return { lease: json.lease, task: json.task.id }
}

/** Everything that is stored of tasks and deliveries, as one number: nothing refused may change it. */
async function stored({ rows }: Stage): Promise<string> {
  const [row] = await rows<{ hash: string }>(`
    select md5(coalesce((select string_agg(e::text, '' order by task_id, seq) from task_events e), '') ||
      coalesce((select string_agg(state::text || coalesce(lease::text, '') || coalesce(checkpoint, ''), '' order by id) from deliveries), '')) as hash`)
  return row?.hash ?? ''
}

const VERBS = ['renew', 'update', 'complete', 'fail', 'reject', 'ask', 'auth', 'release']

async function guesses(stage: Stage, mine: string, foreign: string, report: Report): Promise<void> {
  const { lease, task } = await aLease(stage, 'mine', mine)
  const before = await stored(stage)
  const wrong: string[] = []
  const told = new Map<string, Set<string>>()
  const times: { foreign: number[]; unknown: number[] } = { foreign: [], unknown: [] }
  // The same form as a real one, so that only what is behind it differs.
  const guessed = () => lease.replace(/[0-9a-f]/g, () => Math.floor(Math.random() * 16).toString(16))
  const body = (verb: string) => (verb === 'update' || verb === 'complete' ? { text: 'mine now' } : {})
  for (let n = 0; n < GUESSES; n++) {
    const verb = VERBS[n % VERBS.length] as string
    for (const [kind, id] of [
      ['foreign', lease],
      ['unknown', guessed()],
    ] as const) {
      const answer = await ask(stage, `/v1/leases/${id}/${verb}`, foreign, body(verb))
      times[kind].push(answer.ms)
      told.set(verb, (told.get(verb) ?? new Set()).add(`${answer.status} ${answer.shape}`))
      if (answer.status !== 404 || answer.code !== 'LEASE_NOT_FOUND')
        wrong.push(`${verb} of a ${kind} lease: ${answer.status} ${answer.code}`)
    }
  }
  report.none('a foreign and a guessed lease are not found', wrong, 2 * GUESSES)
  report.none(
    'both are answered with the same words',
    [...told]
      .filter(([, answers]) => answers.size > 1)
      .map(([verb, answers]) => `${verb}: ${[...answers].join(' or ')}`),
    told.size,
  )
  const [slow, fast] = [percentile(times.foreign, 0.5), percentile(times.unknown, 0.5)]
  report.check(
    'and within the same time',
    Math.abs(slow - fast) < Math.max(1, 0.5 * Math.min(slow, fast)),
    `median ${slow.toFixed(2)} and ${fast.toFixed(2)} ms`,
  )
  const get = async (id: string) =>
    ask(stage, '/agents/mine', foreign, { jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id } })
  const [theirs, none] = [await get(task), await get(randomUUID())]
  report.check(
    'a foreign task is an unknown one',
    theirs.shape === none.shape && theirs.code === 'TASK_NOT_FOUND',
    `${theirs.code}, ${none.code}`,
  )
  const seen = [
    await ask(stage, '/v1/inbox', foreign, {}, 'GET'),
    await ask(stage, '/v1/inbox?state=leased', foreign, {}, 'GET'),
  ]
  report.check(
    'a foreign inbox shows nothing of it',
    seen.every(({ json }) => json?.items?.length === 0),
    'both pages empty',
  )
  report.check(
    'nothing of all that was stored',
    before === (await stored(stage)),
    'events, leases, checkpoints unchanged',
  )
  const settled = await ask(stage, `/v1/leases/${lease}/complete`, mine, { text: 'done' })
  report.check('who holds the lease settles it', settled.status === 200, settled.status)
}

async function expired(stage: Stage, mine: string, report: Report): Promise<void> {
  const { lease } = await aLease(stage, 'mine', mine, LIMITS.leaseSecondsMin)
  const next = await ask(stage, '/v1/inbox/lease?wait=30', mine)
  const before = await stored(stage)
  const answers: Answer[] = []
  for (const verb of VERBS)
    answers.push(await ask(stage, `/v1/leases/${lease}/${verb}`, mine, verb === 'update' ? { text: 'late' } : {}))
  report.none(
    'an expired lease is lost, whatever is said under it',
    answers
      .filter(({ status, code }) => status !== 409 || code !== 'lease_lost')
      .map(({ status, code }) => `${status} ${code}`),
    answers.length,
  )
  report.check('and changes nothing', before === (await stored(stage)), 'events, leases, checkpoints unchanged')
  const settled = await ask(stage, `/v1/leases/${next.json?.lease}/complete`, mine, { text: 'done' })
  report.check(
    'whoever has it now settles it, on the second attempt',
    settled.status === 200 && next.json?.attempt === 2,
    `attempt ${next.json?.attempt}`,
  )
}

const many = (count: number, text = 'x') => Array.from({ length: count }, () => ({ text }))

async function oversized(stage: Stage, mine: string, report: Report): Promise<void> {
  const { lease } = await aLease(stage, 'mine', mine)
  const before = await stored(stage)
  const deep = `{"checkpoint":${'['.repeat(200)}${']'.repeat(200)}}`
  const cases: readonly [string, unknown, number][] = [
    ['a body beyond the limit', { text: 'x'.repeat(LIMITS.requestBytesMax) }, 413],
    ['a checkpoint beyond the limit', { checkpoint: 'x'.repeat(LIMITS.checkpointBytesMax + 1) }, 413],
    ['more parts than there may be', { parts: many(LIMITS.partsMax + 1) }, 400],
    ['JSON that is too deep', deep, 400],
    ['a member that there is not', { txt: 'x' }, 400],
    ['progress beyond all', { progress: 101 }, 400],
  ]
  const wrong: string[] = []
  for (const [what, body, status] of cases) {
    const answer = await ask(stage, `/v1/leases/${lease}/update`, mine, body)
    if (answer.status !== status || answer.code === '') wrong.push(`${what}: ${answer.status} ${answer.code}`)
  }
  report.none('updates that are too large or malformed are refused', wrong, cases.length)
  report.check(
    'and nothing of them is stored',
    before === (await stored(stage)),
    'events, leases, checkpoints unchanged',
  )
  const settled = await ask(stage, `/v1/leases/${lease}/complete`, mine, { text: 'done' })
  report.check('the lease is as it was', settled.status === 200, settled.status)
}

async function tokens(stage: Stage, mine: string, report: Report): Promise<void> {
  const rotated = await ask(stage, '/v1/agents/mine/rotate-key', mine)
  const [, id = ''] = mine.split('_')
  const cases: readonly [string, string | undefined][] = [
    ['none', undefined],
    ['nonsense', 'x'],
    ['of a form, of nobody', `wp_${'a'.repeat(id.length)}_${'b'.repeat(43)}`],
    ['a known id, another secret', `wp_${id}_${'b'.repeat(43)}`],
  ]
  const answers: Answer[] = []
  for (const [, token] of cases) {
    answers.push(await ask(stage, '/v1/inbox/lease', token))
    await nap(10)
  }
  report.none(
    'tokens that are none are refused',
    answers.filter(({ status }) => status !== 401).map(({ status, code }) => `${status} ${code}`),
    cases.length,
  )
  report.check(
    'with the same words for all that look like one',
    new Set(answers.slice(1).map(({ shape }) => shape)).size === 1,
    answers[1]?.shape.slice(0, 120) ?? '',
  )
  report.check('a token gives another', rotated.status === 200 && rotated.json?.token !== mine, rotated.status)
}

async function registrations(stage: Stage, report: Report): Promise<void> {
  const pid = stage.replicas[0]?.pid() as number
  const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024
  const counts = new Map<string, number>()
  let memory = 0
  for (let n = 0; n < REGISTRATIONS; n += 20) {
    const batch = Array.from({ length: 20 }, (_, at) => ask(stage, '/v1/agents', undefined, { name: `wild-${n + at}` }))
    for (const { status, code } of await Promise.all(batch))
      counts.set(`${status} ${code}`.trim(), (counts.get(`${status} ${code}`.trim()) ?? 0) + 1)
    if (n === 2 * LIMITS.enrolledAgentsMax) memory = resident()
  }
  const grown = resident() - memory
  const made = counts.get('201') ?? 0
  report.fact(
    `${REGISTRATIONS} registrations without a key`,
    [...counts].map(([code, count]) => `${count} × ${code}`).join(', '),
  )
  // Those that are under way at the same time do not see each other.
  report.check(
    `no more than ${LIMITS.enrolledAgentsMax} (and a few at once) are taken`,
    made >= LIMITS.enrolledAgentsMax && made < LIMITS.enrolledAgentsMax + 20,
    made,
  )
  report.check(
    'the others are told so',
    counts.get('429 CONFIG_LIMIT') === REGISTRATIONS - made,
    `${counts.get('429 CONFIG_LIMIT')} × 429 CONFIG_LIMIT`,
  )
  const [row] = await stage.rows<{ agents: number; keys: number }>(
    "select (select count(*)::int from agents where name like 'wild-%') as agents, (select count(*)::int from api_keys where caller like 'agent:wild-%') as keys",
  )
  report.check(
    'what is refused leaves no row',
    row?.agents === made && row?.keys === made,
    `${row?.agents} agents, ${row?.keys} keys`,
  )
  report.check(
    'and no memory',
    grown < GROWTH_MIB_MAX,
    `${grown.toFixed(0)} MiB in ${REGISTRATIONS - 2 * LIMITS.enrolledAgentsMax} refusals`,
  )
  const own = await ask(stage, '/v1/agents', operator.authorization.slice('Bearer '.length), { name: 'the-operators' })
  report.check('with a key there is still room', own.status === 201, own.status)
}
