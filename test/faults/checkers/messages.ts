/** What was acknowledged, refused, repeated and carried: C1 to C5, C10, C17, and the order within conversations. */
import { type Case, type Checker, COMPLETED, found, INTERRUPTED_NUMBERS, idOf, TERMINAL_NUMBERS } from './checker.ts'

/** C1: what was acknowledged is there, and has ended or waits for its sender. */
export const acknowledgedIsKept: Checker = ({ evidence, books }) => {
  const violations = evidence.sent.flatMap(({ messageId, taskIds }) =>
    [...taskIds].flatMap((id) => {
      const task = books.tasks.get(id)
      if (!task) return [`lost: task ${id} of message ${messageId}`]
      const over = TERMINAL_NUMBERS.has(task.state) || INTERRUPTED_NUMBERS.has(task.state)
      return over ? [] : [`never ended: task ${id} of ${task.agent}, state ${task.state}`]
    }),
  )
  return found('C1 acknowledged is kept and ends', evidence.sent.length, violations)
}

/** P27: what is purged had ended, and was owed to nobody; it goes whole. */
export const purgeIsNarrow: Checker = ({ books }) =>
  found('P27 purge is narrow', books.purged.size, books.wronglyPurged)

/** C2: what was refused for good has left nothing behind: not in the log, not with an agent. */
export const refusedIsNothing: Checker = ({ evidence, books, agents }) => {
  const refused = evidence.sent.filter(
    ({ refused, taskIds, unknown }) => refused !== undefined && taskIds.size === 0 && !unknown,
  )
  const heard = new Set<string>()
  for (const { agent } of agents)
    for (const { text = '' } of agent.log.entries)
      for (const [token] of text.matchAll(/op-[a-z]+-\d+-\d+/g)) heard.add(token)
  const violations = refused.flatMap(({ token, refused: reason }) => [
    ...(books.tokens.has(token) ? [`${token} was refused (${reason}), and is in the log`] : []),
    ...(heard.has(token) ? [`${token} was refused (${reason}), and an agent has it`] : []),
  ])
  const accepted = evidence.sent.filter(({ bad, taskIds }) => bad && taskIds.size > 0)
  for (const { bad, token } of accepted) violations.push(`${token} should have been refused (${bad}), and was accepted`)
  return found('C2 refused leaves nothing', refused.length, violations)
}

/** C3: however often and by whatever way it was sent, one message made one task. */
export const oneTaskPerMessage: Checker = ({ evidence, books, watch }) => {
  const violations: string[] = []
  const byMessage = new Map<string, Set<string>>()
  for (const { messageId, taskIds, caller, agent, bad } of evidence.sent) {
    if (bad) continue
    const key = `${caller} ${agent} ${messageId}`
    const known = byMessage.get(key) ?? new Set()
    for (const id of taskIds) known.add(id)
    byMessage.set(key, known)
  }
  for (const [key, ids] of byMessage) if (ids.size > 1) violations.push(`message ${key} made ${[...ids].join(' and ')}`)
  const opening = evidence.sent.filter(({ follows, bad }) => !follows && !bad).length
  const probes = watch ? [...books.tasks.values()].filter(({ caller }) => caller.includes('prober')).length : 0
  if (books.tasks.size - probes > opening) violations.push(`${books.tasks.size - probes} tasks for ${opening} messages`)
  return found('C3 one task per message', byMessage.size, violations)
}

/** C4: who knows a message again has done it once in each of its lives; at most once is at most once; what completed was done. */
export const executedOnce: Checker = ({ evidence, agents, books, faults, leaseMs }) => {
  const violations: string[] = []
  // By the database's clock leases have run out then whose holders live, for all they can know: only who dedupes is safe (F11).
  const zero = performance.now() - evidence.history.now()
  const jumps = faults.filter(({ name }) => name.startsWith('F11')).map(({ began }) => began + zero)
  const untimely = (at: number) => jumps.some((jump) => at >= jump && at <= jump + 2 * leaseMs)
  let checked = 0
  for (const { name, agent, dedupes, once } of agents) {
    const times = new Map<string, number>()
    const lives = new Map<string, Set<number>>()
    for (const { messageId, life, at } of agent.runs) {
      if (once && untimely(at)) {
        lives.set(messageId, (lives.get(messageId) ?? new Set()).add(life))
        continue
      }
      const key = dedupes ? `${messageId} ${life}` : messageId
      times.set(key, (times.get(key) ?? 0) + 1)
      lives.set(messageId, (lives.get(messageId) ?? new Set()).add(life))
    }
    checked += times.size
    if (dedupes || once)
      for (const [key, count] of times)
        if (count > 1) violations.push(`message ${key} was executed ${count} times by ${name}`)
    for (const { messageId, taskIds, agent: theirs, follows, bad } of evidence.sent) {
      if (theirs !== name || bad || follows) continue
      const task = books.tasks.get(idOf(taskIds) ?? '')
      if (task?.state === COMPLETED && !lives.has(messageId))
        violations.push(`message ${messageId} is completed, and ${name} has never executed it`)
    }
  }
  return found('C4 executed once', checked, violations)
}

/** What dies does not settle; whatever else breaks a send off may give its attempt back uncounted. */
const DEATHS = /^(F01|F02|F59|F60)/

/** C4: the same key for every attempt at a message; and if only deaths have come between, each that the agent saw is counted. */
export const sameKeyEachAttempt: Checker = ({ agents, books, faults }) => {
  const violations: string[] = []
  const counted = new Map(books.deliveries.map(({ id, attempt }) => [id, attempt]))
  const onlyDeaths = faults.length > 0 && faults.every(({ name }) => DEATHS.test(name))
  let checked = 0
  for (const { name, agent } of agents) {
    const keys = new Map<string, Map<string, number[]>>()
    for (const { messageId, operation, headers, at } of agent.log.entries) {
      if (!messageId || !operation.startsWith('Send')) continue
      const key = String(headers['idempotency-key'] ?? 'none')
      const mine = keys.get(messageId) ?? new Map<string, number[]>()
      mine.set(key, [...(mine.get(key) ?? []), at])
      keys.set(messageId, mine)
    }
    checked += keys.size
    for (const [messageId, mine] of keys) {
      if (mine.size > 1)
        violations.push(`message ${messageId} went to ${name} under ${mine.size} keys: ${[...mine.keys()].join(', ')}`)
      for (const [key, times] of mine) {
        const attempts = counted.get(key)
        if (attempts !== undefined && times.length > attempts && onlyDeaths)
          violations.push(
            `message ${messageId} was sent to ${name} ${times.length} times, and ${attempts} attempts were counted`,
          )
      }
    }
  }
  return found('C4 one key, every attempt counted', checked, violations)
}

/** C10: a task that was answered CANCELED is not sent afterwards. A request that is on its way may still arrive. */
const ON_ITS_WAY_MS = 1_500
export const canceledIsNotSent: Checker = ({ evidence, agents }) => {
  const canceled = evidence.sent.filter(({ canceledAt }) => canceledAt !== undefined)
  const first = new Map<string, number>()
  for (const { agent } of agents)
    for (const { messageId, at } of agent.runs) if (!first.has(messageId)) first.set(messageId, at)
  const violations = canceled.flatMap(({ messageId, canceledAt = 0, agent }) => {
    const at = first.get(messageId)
    return at !== undefined && at > canceledAt + ON_ITS_WAY_MS
      ? [`canceled message ${messageId} came to ${agent} ${Math.round(at - canceledAt)} ms later`]
      : []
  })
  return found('C10 canceled is not sent', canceled.length, violations)
}

/** C17: of each delivery that is collected one word is accepted, and none that came after another had the lease. */
export const collectedOnce: Checker = ({ evidence, collects, books }) => {
  const accepted = new Map<string, Set<string>>()
  const violations: string[] = []
  for (const { delivery, lease, status, taskId } of evidence.settled) {
    if (status >= 500) violations.push(`the mailbox answered ${status} for task ${taskId}`)
    if (status !== 200) continue
    const mine = accepted.get(delivery) ?? new Set()
    accepted.set(delivery, mine.add(lease))
  }
  for (const [delivery, leases] of accepted)
    if (leases.size > 1) violations.push(`delivery ${delivery} was completed under ${leases.size} leases`)
  for (const { delivery, leasedAt, attempt } of evidence.settled) {
    const later = evidence.settled.find(
      (one) => one.delivery === delivery && one.leasedAt > leasedAt && one.attempt <= attempt && one.lease !== delivery,
    )
    if (later && later.attempt < attempt)
      violations.push(`delivery ${delivery}: attempt ${later.attempt} came after ${attempt}`)
  }
  for (const { id, agent, state } of books.tasks.values())
    if (
      agent === collects &&
      state === COMPLETED &&
      !evidence.settled.some(({ taskId, status }) => taskId === id && status === 200)
    )
      if (!evidence.settled.some(({ taskId }) => taskId === id))
        violations.push(`task ${id} of ${agent} is completed, and nobody has said so`)
  return found('C17 collected once', accepted.size, violations)
}

/** The first execution of messages of one conversation follows the order in which their sends were acknowledged. */
export const orderedConversations: Checker = ({ evidence, agents }) => {
  const violations: string[] = []
  let checked = 0
  for (const { name, agent } of agents) {
    const first = new Map<string, number>()
    agent.runs.forEach(({ messageId }, at) => {
      if (!first.has(messageId)) first.set(messageId, at)
    })
    const conversations = new Map<string, Case['evidence']['sent'][number][]>()
    for (const one of evidence.sent) {
      if (one.agent !== name || one.bad || one.taskIds.size === 0) continue
      conversations.set(one.contextId, [...(conversations.get(one.contextId) ?? []), one])
    }
    for (const [contextId, messages] of conversations) {
      const order = messages.sort((a, b) => a.nth - b.nth).flatMap(({ messageId }) => first.get(messageId) ?? [])
      checked += order.length
      if (order.some((at, n) => n > 0 && at < (order[n - 1] as number)))
        violations.push(`conversation ${contextId} at ${name} was overtaken`)
    }
  }
  return found('conversations in order', checked, violations)
}
