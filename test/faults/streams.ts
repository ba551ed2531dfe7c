/** Streams as clients read them: the first event answers whoever opened it, the rest is written down until it ends. */
import type { StreamResponse } from '../../src/a2a/events.ts'
import { isInterrupted, isTerminal } from '../../src/a2a/tasks.ts'
import { doorOf, type Place, wayOf } from './asking.ts'
import { nap } from './dice.ts'
import type { Sent, StreamRecord } from './record.ts'
import type { Answer, Asking, Heard } from './speech.ts'

export interface StreamWish extends Pick<Asking, 'agent' | 'name' | 'params'> {
  readonly op: string
  readonly sent?: Sent
  readonly taskId?: string
  /** As the header has it. */
  readonly after?: string | undefined
}

/** How long whoever opens a stream waits for its first event. */
const FIRST_MS = 5_000

const textOf = (parts: readonly { text?: string | undefined }[]) => parts.map(({ text }) => text ?? '').join('')

/** Kind, state and content in short. */
export function signOf(event: StreamResponse): string {
  if ('task' in event) return `T ${event.task.status.state}`
  if ('statusUpdate' in event) return `S ${event.statusUpdate.status.state}`
  if ('artifactUpdate' in event)
    return `A ${event.artifactUpdate.artifact.artifactId} ${textOf(event.artifactUpdate.artifact.parts)}`
  return 'M'
}

const stateIn = (event: StreamResponse) =>
  'task' in event ? event.task.status.state : 'statusUpdate' in event ? event.statusUpdate.status.state : undefined

const taskIn = (event: StreamResponse) =>
  'task' in event
    ? event.task.id
    : 'statusUpdate' in event
      ? event.statusUpdate.taskId
      : 'artifactUpdate' in event
        ? event.artifactUpdate.taskId
        : undefined

/** Resolves with the first event as the answer, or with the refusal; the stream goes on by itself. */
export function openStream(place: Place, wish: StreamWish): Promise<Answer> {
  const { client, evidence, leaksIn } = place
  if (client.openStreams >= place.streamsMax) return Promise.resolve({ type: 'info', reason: 'NOT_ASKED', text: '' })
  const way = wayOf(place)
  const door = doorOf(place)
  const from = evidence.history.now()
  const after = /^\d+$/.test(wish.after ?? '') ? Number(wish.after) : undefined
  const record: StreamRecord = {
    client: client.index,
    way,
    openedAt: from,
    heard: [],
    ...(wish.taskId && { taskId: wish.taskId }),
    ...(after !== undefined && !way.endsWith('GRPC') && { after }),
  }
  const leaving = new AbortController()
  // Some go away in the middle, and come back with the last id that they have.
  const patience = client.dice.next() < 0.2 ? 1 + client.dice.below(4) : Number.POSITIVE_INFINITY
  const leaks = new Set<string>()
  client.openStreams++
  return new Promise((resolve) => {
    let answered = false
    const answer = (given: Answer) => {
      if (answered) return
      answered = true
      evidence.history.note({
        op: wish.op,
        from,
        proc: client.index,
        caller: client.party.caller,
        type: given.type,
        way,
        replica: door.replica,
        ...(wish.sent && { messageId: wish.sent.messageId }),
        ...(record.taskId && { taskId: record.taskId }),
        ...(given.reason && { reason: given.reason }),
        ...(leaks.size > 0 && { leaks: [...leaks] }),
      })
      resolve(given)
    }
    const onEvent = ({ event, id, raw }: Heard) => {
      const taskId = taskIn(event)
      if (taskId) record.taskId ??= taskId
      record.heard.push({ sign: signOf(event), ...(id !== undefined && { id }), ...(raw !== undefined && { raw }) })
      answer({ type: 'ok', result: 'task' in event ? event : 'message' in event ? event : {}, text: '' })
      if (record.heard.length >= patience && !isEnd(event)) leaving.abort()
    }
    const onText = (text: string) => {
      for (const leak of leaksIn(text, client.party.caller)) leaks.add(leak)
    }
    const lastEventId = wish.after === undefined ? {} : { lastEventId: wish.after }
    void nap(FIRST_MS).then(() => answered || leaving.abort())
    client.party.speech
      .stream({
        ...wish,
        agent: client.party.addressOf(wish.agent),
        way,
        door,
        signal: leaving.signal,
        onEvent,
        onText,
        ...lastEventId,
      })
      .then((end) => {
        record.end = end.kind === 'refused' ? `refused ${end.answer.reason ?? ''}` : end.kind
        answer(end.kind === 'refused' ? end.answer : { type: 'info', reason: 'NO_ANSWER', text: '' })
      })
      .catch((error) => {
        record.end = `garbled: ${String(error).slice(0, 200)}`
        answer({ type: 'info', reason: 'GARBLED', text: String(error) })
      })
      .finally(() => {
        client.openStreams--
        record.endedAt = evidence.history.now()
        // What leaks after the first event is a line of its own.
        if (leaks.size > 0)
          evidence.history.note({
            op: `${wish.op} end`,
            from,
            proc: client.index,
            caller: client.party.caller,
            type: 'ok',
            way,
            replica: door.replica,
            leaks: [...leaks],
          })
      })
    evidence.streams.push(record)
  })
}

const isEnd = (event: StreamResponse): boolean => {
  const state = stateIn(event)
  return state !== undefined && (isTerminal(state) || isInterrupted(state))
}
