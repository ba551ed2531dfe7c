import { expect, test } from 'vitest'
import { uuidv7 } from '../../src/platform/ids.ts'
import { startAgent } from '../support/agent.ts'
import { startPostgres } from '../support/databases.ts'
import { framesOf } from '../support/frames.ts'
import { ADMIN_KEY, aReplica } from '../support/replicas.ts'
import { dice } from './dice.ts'

const CHUNKS = Number(process.env.RESUME_CHUNKS ?? 2_000)
const CUTS = Number(process.env.RESUME_CUTS ?? 100)
const headers = { 'content-type': 'application/json', 'a2a-version': '1.0', authorization: `Bearer ${ADMIN_KEY}` }

/** Reads a stream until `enough` frames have come or it ends; then the connection is cut. */
async function readSome(
  url: string,
  body: unknown,
  lastId: number,
  enough: number,
): Promise<{ frames: { id: number; data: string }[]; ended: boolean; refused: boolean }> {
  const cut = new AbortController()
  const frames: { id: number; data: string }[] = []
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, ...(lastId > 0 && { 'last-event-id': String(lastId) }) },
      body: JSON.stringify(body),
      signal: cut.signal,
    })
    if (!response.headers.get('content-type')?.includes('event-stream'))
      return { frames, ended: false, refused: (await response.text()).includes('-32004') }
    for await (const { id, result } of framesOf(response)) {
      frames.push({ id, data: JSON.stringify(result) })
      if (frames.length >= enough) {
        cut.abort()
        return { frames, ended: false, refused: false }
      }
    }
    return { frames, ended: true, refused: false }
  } catch {
    return { frames, ended: false, refused: false }
  }
}

test(`one task of ${CHUNKS} chunks, its stream cut ${CUTS} times over two replicas with restarts: the pieces are the log`, async () => {
  const random = dice(Number(process.env.FAULTS_SEED ?? 1))
  const postgres = await startPostgres({ durable: true })
  const databaseUrl = await postgres.create()
  const agent = await startAgent({ dedupe: true })
  const cards = { talker: { connector: { kind: 'a2a', url: agent.url }, redelivery: 'atLeastOnce' } }
  const replicas = [await aReplica({ databaseUrl, cards }), await aReplica({ databaseUrl, cards })]
  try {
    for (const replica of replicas) await replica.start()
    const send = {
      jsonrpc: '2.0',
      id: 1,
      method: 'SendStreamingMessage',
      params: { message: { messageId: uuidv7(), role: 'ROLE_USER', parts: [{ text: `chunks:${CHUNKS}` }] } },
    }
    const got: { id: number; data: string }[] = []
    const opening = await readSome(`${replicas[0]?.url}/agents/talker`, send, 0, 3)
    got.push(...opening.frames)
    const taskId = (JSON.parse(opening.frames[0]?.data ?? '{}') as { task: { id: string } }).task.id
    const subscribe = { jsonrpc: '2.0', id: 1, method: 'SubscribeToTask', params: { id: taskId } }
    let cuts = 1
    for (let ended = false; !ended; cuts++) {
      const replica = random.pick(replicas)
      if (cuts % 25 === 0) {
        await replica.kill('SIGKILL')
        await replica.start()
      }
      const piece = await readSome(
        `${replica.url}/agents/talker`,
        subscribe,
        got.at(-1)?.id ?? 0,
        1 + random.below(Math.ceil((2 * CHUNKS) / CUTS)),
      )
      got.push(...piece.frames)
      ended = piece.ended || piece.refused || /TASK_STATE_(COMPLETED|FAILED)/.test(got.at(-1)?.data ?? '')
    }
    const { default: connect } = await import('postgres')
    const sql = connect(databaseUrl, { max: 1, onnotice: () => {} })
    const log = (await sql`select seq, body from task_events where task_id = ${taskId} order by seq`) as unknown as {
      seq: number
      body: string
    }[]
    await sql.end()
    process.stderr.write(`\n${log.length} events in the log, ${got.length} read over ${cuts} connections\n`)
    expect(got.map(({ id }) => id)).toEqual(log.map(({ seq }) => seq))
    expect(got.map(({ data }) => data)).toEqual(log.map(({ body }) => JSON.stringify(JSON.parse(body))))
    const texts = log.flatMap(({ body }) => JSON.parse(body).artifactUpdate?.artifact.parts[0].text ?? [])
    expect(texts.join('')).toBe(Array.from({ length: CHUNKS }, (_, n) => `c${n + 1} `).join(''))
  } finally {
    await Promise.all(replicas.map((replica) => replica.remove()))
    await agent.stop()
    await postgres.stop()
  }
}, 600_000)
