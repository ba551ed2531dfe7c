/** Logs, states, streams and reads: C5 to C9, C11, C15, C23. */
import type { HeardEvent, StreamRecord } from '../record.ts'
import { signOf } from '../streams.ts'
import {
  bodyOf,
  type Case,
  type Checker,
  COMPLETED,
  type EventRow,
  found,
  idOf,
  isTerminalState,
  stateIn,
} from './checker.ts'

/** C6, C8: sequences 1..n without a gap; one end at most, and nothing after it. */
export const gaplessAndFinal: Checker = ({ books }) => {
  const violations: string[] = []
  for (const [id, events] of books.events) {
    if (events.some(({ seq }, at) => seq !== at + 1))
      violations.push(`task ${id}: sequences ${events.map(({ seq }) => seq).join(',')}`)
    if (books.tasks.get(id)?.last_seq !== events.length)
      violations.push(`task ${id}: head says ${books.tasks.get(id)?.last_seq}, log has ${events.length}`)
    const end = events.findIndex((row) => isTerminalState(stateIn(row)))
    if (end >= 0 && end !== events.length - 1)
      violations.push(`task ${id}: event ${end + 1} is an end, and ${events.length - 1 - end} follow`)
  }
  for (const id of books.tasks.keys()) if (!books.events.has(id)) violations.push(`task ${id} has no log`)
  return found('C6 C8 logs are gapless, and final', books.events.size, violations)
}

const S = (name: string) => `TASK_STATE_${name}`
const ENDS = ['COMPLETED', 'FAILED', 'CANCELED', 'REJECTED'].map(S)
const WAITS = ['INPUT_REQUIRED', 'AUTH_REQUIRED'].map(S)
/** An answer to a question puts its task back on the shelf. */
const NEXT: Readonly<Record<string, readonly string[]>> = {
  [S('SUBMITTED')]: [S('SUBMITTED'), S('WORKING'), ...WAITS, ...ENDS],
  [S('WORKING')]: [S('WORKING'), ...WAITS, ...ENDS],
  [S('INPUT_REQUIRED')]: [S('SUBMITTED'), S('WORKING'), ...WAITS, ...ENDS],
  [S('AUTH_REQUIRED')]: [S('SUBMITTED'), S('WORKING'), ...WAITS, ...ENDS],
}

/** C9: states follow the table. */
export const legalTransitions: Checker = ({ books }) => {
  const violations: string[] = []
  for (const [id, events] of books.events) {
    let state = S('SUBMITTED')
    for (const row of events) {
      const next = stateIn(row) ?? state
      if (!(NEXT[state] ?? [state]).includes(next)) violations.push(`task ${id}: ${state} to ${next} at ${row.seq}`)
      state = next
    }
  }
  return found('C9 states follow the table', books.events.size, violations)
}

/** What a script makes of its message, by the artifact's id. */
function expectedOf(text: string): [id: string, text: string] | undefined {
  const [name = '', first = ''] = (text.split(' ')[0] ?? '').split(':')
  const pieces = (letter: string, count: number) =>
    Array.from({ length: count }, (_, at) => `${letter}${at + 1} `).join('')
  if (name === 'echo') return ['artifact-1', `echo: ${text}`]
  if (name === 'artifact') return ['artifact-1', 'Generated text content']
  if (name === 'chunks') return ['chunked', pieces('c', Number(first || 3))]
  if (name === 'pace') return ['paced', pieces('p', Number(first || 5))]
  if (name === 'duplicate') return ['artifact-1', 'once']
  return undefined
}

/** The text of each artifact as a reader of the log puts it together. */
export function foldArtifacts(events: readonly EventRow[]): Map<string, string> {
  const texts = new Map<string, string>()
  for (const row of events) {
    const update = bodyOf(row).artifactUpdate
    if (!update) continue
    const { artifactId, parts } = update.artifact
    const text = parts.map((part) => part.text ?? '').join('')
    texts.set(artifactId, update.append ? (texts.get(artifactId) ?? '') + text : text)
  }
  return texts
}

/** C5: what an agent has said is written once, by whoever holds the lease: a second writer would say pieces twice. */
export const writtenOnce: Checker = ({ evidence, books, collects }) => {
  const violations: string[] = []
  let checked = 0
  for (const { taskIds, text, follows, bad, agent } of evidence.sent) {
    const id = idOf(taskIds)
    const expected = expectedOf(text)
    if (!id || follows || bad || !expected || agent === collects || books.tasks.get(id)?.state !== COMPLETED) continue
    checked++
    const made = foldArtifacts(books.events.get(id) ?? []).get(expected[0])
    if (made !== expected[1])
      violations.push(
        `task ${id} of ${agent}: artifact ${expected[0]} is ${JSON.stringify(made?.slice(0, 120))}, not ${JSON.stringify(expected[1].slice(0, 120))}`,
      )
  }
  return found('C5 written once, by one writer', checked, violations)
}

const signs = new WeakMap<EventRow, string>()
function signIn(row: EventRow): string {
  let sign = signs.get(row)
  if (sign === undefined) {
    sign = signOf(bodyOf(row) as never)
    signs.set(row, sign)
  }
  return sign
}

/** Where the stream leaves the log; undefined: it is a piece of it. */
function strays({ heard, after, way }: StreamRecord, events: readonly EventRow[]): string | undefined {
  const [first, ...rest] = heard
  if (!first || first.sign === 'M') return undefined
  if (first.id === undefined) return straysWithoutIds(first.sign.startsWith('T') ? rest : heard, events)
  const snapshot = first.sign.startsWith('T')
  if (!snapshot && after !== undefined && first.id !== after + 1)
    return `asked for what follows ${after}, got ${first.id}`
  for (const [at, one] of heard.entries()) {
    if (at > 0 && one.id !== (first.id as number) + at) return `ids ${heard.map(({ id }) => id).join(',')}`
    if (at === 0 && snapshot) continue
    const row = events[(one.id ?? 0) - 1]
    if (!row) return `event ${one.id} is not in the log`
    if (one.raw !== undefined && JSON.stringify(JSON.parse(row.body)) !== one.raw)
      return `event ${one.id} is ${one.raw.slice(0, 160)}, the log has ${row.body.slice(0, 160)}`
    if (way.startsWith('1.0') && one.sign !== signIn(row))
      return `event ${one.id} is ${one.sign}, the log has ${signIn(row)}`
  }
  return undefined
}

function straysWithoutIds(heard: readonly HeardEvent[], events: readonly EventRow[]): string | undefined {
  if (heard.length === 0) return undefined
  const log = events.map(signIn)
  for (let from = 0; from + heard.length <= log.length; from++)
    if (heard.every(({ sign }, at) => sign === log[from + at])) return undefined
  return `${heard.map(({ sign }) => sign).join(' | ')} is no piece of ${log.join(' | ')}`
}

/** C6: every stream is a piece of its task's log, without a gap, a repetition or another order. */
export const streamsArePieces: Checker = ({ evidence, books }) => {
  const streams = evidence.streams.filter(
    ({ taskId, heard, way }) => taskId && heard.length > 0 && !(way === '0.3 GRPC'),
  )
  const violations = streams.flatMap((stream) => {
    const wrong = strays(stream, books.events.get(stream.taskId ?? '') ?? [])
    return wrong ? [`stream of task ${stream.taskId} (${stream.way}, client ${stream.client}): ${wrong}`] : []
  })
  for (const { end, way, taskId } of evidence.streams)
    if (end?.startsWith('garbled')) violations.push(`stream of task ${taskId} (${way}): ${end}`)
  return found('C6 streams are pieces of the log', streams.length, violations)
}

const REST = /^[TS] TASK_STATE_(COMPLETED|FAILED|CANCELED|REJECTED|INPUT_REQUIRED|AUTH_REQUIRED)$/

/** C7: a stream that ended in good order has said how its task stands; none is open when its task has ended and all is well. */
export const streamsEndRight: Checker = ({ evidence, books }) => {
  const violations: string[] = []
  for (const { taskId, end, heard, way, openedAt } of evidence.streams) {
    const last = heard.at(-1)?.sign ?? ''
    const task = books.tasks.get(taskId ?? '')
    if (end === undefined && task && [3, 4, 5, 7].includes(task.state))
      violations.push(
        `a stream of task ${taskId} (${way}, opened ${Math.round(openedAt)} ms) is still open, and the task has ended; last ${last}`,
      )
    if (end === 'ended' && heard.length > 0 && !REST.test(last) && last !== 'M' && !way.endsWith('GRPC'))
      violations.push(`a stream of task ${taskId} (${way}) ended after ${last}, and did not say why`)
  }
  return found('C7 streams end, and say why', evidence.streams.length, violations)
}

const RANK: Readonly<Record<string, number>> = {
  TASK_STATE_SUBMITTED: 0,
  TASK_STATE_WORKING: 1,
  TASK_STATE_INPUT_REQUIRED: 1,
  TASK_STATE_AUTH_REQUIRED: 1,
}
const rank = (state: string) => RANK[state] ?? 2

/** C11: what began after an answer sees no less than it did; the end stays what it was; what was acknowledged is never unknown. */
export const readsGoForward: Checker = ({ evidence, books }) => {
  const violations: string[] = []
  const followed = new Set(evidence.sent.flatMap(({ follows }) => follows ?? []))
  const byTask = new Map<string, (typeof evidence.history.lines)[number][]>()
  for (const line of evidence.history.lines) {
    if (!line.taskId || !['get', 'send', 'cancel', 'stream'].includes(line.op)) continue
    const mine = byTask.get(line.taskId)
    if (mine) mine.push(line)
    else byTask.set(line.taskId, [line])
  }
  for (const [taskId, lines] of byTask) {
    for (const line of lines) {
      const before = lines.filter(({ at, type }) => type === 'ok' && at < line.from)
      if (line.op === 'get' && line.reason === 'TASK_NOT_FOUND' && before.length > 0 && !books.purged.has(taskId))
        violations.push(`task ${taskId} was acknowledged and then not found (${line.way})`)
      if (line.type !== 'ok' || !line.state || followed.has(taskId)) continue
      for (const { state, at } of before) {
        if (!state) continue
        if (rank(line.state) < rank(state))
          violations.push(
            `task ${taskId} went back from ${state} to ${line.state} ${Math.round(line.from - at)} ms later (${line.op}, ${line.way})`,
          )
        else if (rank(state) === 2 && state !== line.state)
          violations.push(`task ${taskId} ended as ${state} and as ${line.state}`)
      }
    }
  }
  // A snapshot says up to where it goes.
  const seen = new Map<string, { at: number; id: number }[]>()
  for (const { taskId, heard, endedAt, openedAt } of evidence.streams) {
    if (!taskId || heard[0]?.id === undefined || !heard[0].sign.startsWith('T')) continue
    for (const { at, id } of seen.get(taskId) ?? [])
      if (at < openedAt && id > heard[0].id)
        violations.push(`task ${taskId}: a snapshot up to ${heard[0].id} after one up to ${id}`)
    seen.set(taskId, [...(seen.get(taskId) ?? []), { at: endedAt ?? Number.POSITIVE_INFINITY, id: heard[0].id }])
  }
  return found('C11 reads do not go back', evidence.history.lines.length, violations)
}

/** C15: nobody sees anything of another; and of another's task no more than of none. */
export const nothingOfOthers: Checker = ({ evidence }) => {
  const violations: string[] = []
  for (const { op, caller, leaks = [], way } of evidence.history.lines)
    for (const leak of leaks) if (!leak.startsWith('secret')) violations.push(`${caller} saw ${leak} (${op}, ${way})`)
  for (const { op, way, foreign, unknown } of evidence.probes)
    if (foreign !== unknown)
      violations.push(
        `${op} (${way}) of another's task answers ${foreign.slice(0, 200)}, of none ${unknown.slice(0, 200)}`,
      )
  return found('C15 nothing of others', evidence.history.lines.length + evidence.probes.length, violations)
}

/** C23: secrets are in no answer, no log, no row, and with no agent but their own. */
export const secretsStay = ({ evidence, books, spilled, agents }: Case, secrets: readonly string[]) => {
  const violations = [...spilled, ...books.spilled]
  for (const { op, caller, leaks = [], way } of evidence.history.lines)
    for (const leak of leaks) if (leak.startsWith('secret')) violations.push(`${caller} saw a ${leak} (${op}, ${way})`)
  for (const { name, agent } of agents)
    for (const { body } of agent.log.entries)
      for (const secret of secrets)
        if (body.includes(secret)) violations.push(`agent ${name} was told ${secret.slice(0, 6)}…`)
  return found('C23 secrets stay put', secrets.length, violations)
}

/** SR-43: a card does not lead us to another host; its agent goes on where it was registered. */
export const cardsAreNotFollowed: Checker = ({ decoyed = [], faults }) =>
  found(
    'SR-43 a card does not lead us elsewhere',
    faults.filter(({ name }) => name.startsWith('F58')).length,
    decoyed.map((path) => `${path} was asked of another host`),
  )
