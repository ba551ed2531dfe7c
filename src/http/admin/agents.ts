/** /v1/agents: register, search, change, remove; and the operator's verbs on one agent. */
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import { type Agent, tellsCard } from '../../gateway/agents/agent.ts'
import type { Contacts } from '../../gateway/agents/contacts.ts'
import { isAvailable } from '../../gateway/agents/presence.ts'
import { isVisible } from '../../gateway/agents/present.ts'
import type { Agents } from '../../gateway/agents/registry.ts'
import { mayChange } from '../../gateway/agents/writes.ts'
import { LIMITS } from '../../limits.ts'
import type { Clock } from '../../platform/clock.ts'
import { type Caller, DEFAULT_TENANT, isAdmin } from '../../ports.ts'
import type { Db } from '../../store/db.ts'
import { type QueueRow, readQueues } from '../../store/queues.ts'
import { type Access, checked, type Face, type FaceContext, jsonBody, newFace, PAGE, pageOf } from '../face.ts'
import { createLook, type Look, placesOf, show } from './agentView.ts'

export interface AgentRoutesTools {
  readonly agents: Agents
  readonly contacts: Contacts
  readonly access: Access
  readonly db: Db
  readonly clock: Clock
  readonly pageKey: Buffer
  readonly publicUrl: () => string
  /** Who comes from this machine without a key may register a mailbox. */
  readonly enrolls: boolean
  /** Something may go to this destination again: look at it now. */
  readonly wake: (tenant: string, destination: string) => void
}

/** Who registers without a key, on this machine; all of these are one owner. */
const ENROLLED: Caller = { tenant: DEFAULT_TENANT, id: 'local', kind: 'local', permits: new Set() }
/** Agents that are read at most to find the available ones of a page. */
const AVAILABLE_SCAN_MAX = 500
const DRAIN_WAIT_MAX_SECONDS = 60
const DRAIN_LOOK_MS = 200

const flag = z.enum(['', 'true', 'false', '1', '0']).transform((value) => value !== 'false' && value !== '0')
export const SEARCH = z.strictObject({
  q: z.string().min(1).max(200).optional(),
  skill: z.string().min(1).max(128).optional(),
  tag: z.string().min(1).max(64).optional(),
  available: flag.optional(),
  ...PAGE,
})
export const REGISTER_QUERY = z.strictObject({ format: z.enum(['json', 'env']).optional() })
/** What of the registration is to be another; the whole is checked as a registration is. `null` takes a member away. */
export const CHANGES = z.record(z.string(), z.unknown())
export const REMOVE_QUERY = z.strictObject({ force: flag.optional() })
export const PAUSE = z.strictObject({ reason: z.string().max(500).optional() })
/** `change`: the one that was looked at, as `pending.change` names it. */
export const APPROVE = z.strictObject({ change: z.string().max(64).optional() })
export const DRAIN = PAUSE.extend({ waitSeconds: z.number().min(0).max(DRAIN_WAIT_MAX_SECONDS).default(25) })

export function agentRoutes(tools: AgentRoutesTools): Face {
  const { agents, access, wake } = tools
  const face = newFace()
  const look = createLook(tools)

  face.post('/v1/agents', async (context) => {
    const { format } = checked(REGISTER_QUERY, context.req.query())
    const by = (tools.enrolls ? await access.orLocal(context) : await access.require(context)) ?? ENROLLED
    const { created, agent, token } = await agents.register(await jsonBody(context), by)
    wake(agent.tenant, agent.destination)
    const status = created ? 201 : 200
    const location = { Location: `/v1/agents/${agent.name}` }
    const places = placesOf(agent, tools.publicUrl())
    if (format === 'env') {
      const lines = [`GW_AGENT=${agent.name}`, `GW_URL=${places.url}`, ...(token ? [`GW_TOKEN=${token}`] : [])]
      return context.text(`${lines.join('\n')}\n`, status, location)
    }
    return context.json({ name: agent.name, ...places, created, ...(token && { token }) }, status, location)
  })

  face.get('/v1/agents', async (context) => {
    const by = await access.require(context, 'card')
    const query = checked(SEARCH, context.req.query())
    const { q, skill, tag, available } = query
    const page = pageOf<string>(query, tools.pageKey, ['agents', by.tenant, by.id, q, skill, tag, available])
    const filter = { tenant: by.tenant, ...(q && { q }), ...(skill && { skill }), ...(tag && { tag }) }
    const found = await search(tools, by, { ...filter, ...(by.agents && { names: [...by.agents] }) }, page, available)
    return context.json(
      page.answer(
        found,
        ({ agent, lane }) => show(agent, lane, by, tools.publicUrl()),
        ({ agent }) => agent.name,
      ),
    )
  })

  face.get('/v1/agents/:agent', async (context) => {
    const by = await access.require(context, 'card')
    return context.json(await look(await visible(context, by, agents), by, true))
  })

  face.patch('/v1/agents/:agent', async (context) => {
    const by = await access.require(context)
    const changes = checked(CHANGES, await jsonBody(context))
    const agent = await agents.patch(context.req.param('agent'), changes, by)
    if (agent.policy.policy === 'open') await tools.contacts.release(agent, null)
    wake(agent.tenant, agent.destination)
    return context.json(await look(agent, by, true))
  })

  face.delete('/v1/agents/:agent', async (context) => {
    const by = await access.require(context)
    const { force } = checked(REMOVE_QUERY, context.req.query())
    await agents.remove(context.req.param('agent'), by, { force: force ?? false })
    return context.json({ name: context.req.param('agent').toLowerCase(), removed: true })
  })

  addVerbs(face, tools, look)
  return face
}

function addVerbs(face: Face, tools: AgentRoutesTools, look: Look): void {
  const { agents, access, wake, db, clock } = tools

  face.post('/v1/agents/:agent/probe', async (context) => {
    const by = await access.require(context)
    const agent = changeable(await visible(context, by, agents), by)
    const began = clock.elapsed()
    const answer = await agents.probe(agent, context.req.raw.signal, { settles: isAdmin(by) })
    const ms = Math.round(clock.elapsed() - began)
    if (answer.kind === 'ready') wake(agent.tenant, agent.destination)
    const { verdict } = answer.kind === 'failed' ? answer : { verdict: undefined }
    const reached = tellsCard(agent) && answer.kind === 'ready'
    return context.json({
      ...(await look(answer.kind === 'ready' ? answer.agent : agent, by)),
      ...(reached && !agent.pausedAt && { state: 'online' }),
      probe: {
        ok: answer.kind === 'ready',
        ms,
        ...(verdict && verdict.kind !== 'accepted' && { reason: verdict.reason }),
        ...(verdict?.kind === 'refused' && { code: verdict.code }),
      },
    })
  })

  face.post('/v1/agents/:agent/pause', async (context) => {
    const by = await access.require(context)
    const { reason } = checked(PAUSE, await jsonBody(context))
    return context.json(await look(await agents.pause(context.req.param('agent'), reason, by), by))
  })

  face.post('/v1/agents/:agent/resume', async (context) => {
    const by = await access.require(context)
    const agent = await agents.resume(context.req.param('agent'), by)
    wake(agent.tenant, agent.destination)
    return context.json(await look(agent, by))
  })

  face.post('/v1/agents/:agent/approve', async (context) => {
    const by = await access.require(context, 'admin')
    const { change } = checked(APPROVE, await jsonBody(context))
    const agent = await agents.approve(context.req.param('agent'), change, by)
    wake(agent.tenant, agent.destination)
    return context.json(await look(agent, by))
  })

  // Nothing new goes out, what is out comes home: then the agent can be stopped. Senders notice nothing but time.
  face.post('/v1/agents/:agent/drain', async (context) => {
    const by = await access.require(context)
    const { reason = 'draining', waitSeconds } = checked(DRAIN, await jsonBody(context))
    const agent = await agents.pause(context.req.param('agent'), reason, by)
    const until = clock.elapsed() + waitSeconds * 1_000
    const { signal } = context.req.raw
    const running = async () => (await readQueues(db, [agent]))[0]?.leased ?? 0
    let left = await running()
    while (left > 0 && clock.elapsed() < until && !signal.aborted) {
      await clock.sleep(DRAIN_LOOK_MS, signal)
      left = await running()
    }
    return context.json({ ...(await look(agent, by)), drained: left === 0 })
  })

  face.post('/v1/agents/:agent/rotate-key', async (context) => {
    const by = await access.require(context)
    const { graceSeconds } = checked(ROTATION, await jsonBody(context))
    const token = await agents.rotateToken(context.req.param('agent'), by, graceSeconds)
    return context.json({ name: context.req.param('agent').toLowerCase(), token })
  })
}

/** How long the older token is good beside the new one: a week at most. */
export const ROTATION = z.strictObject({ graceSeconds: z.int().min(0).max(604_800).optional() })

async function visible(context: FaceContext, by: Caller, agents: Agents): Promise<Agent> {
  const name = context.req.param('agent') ?? ''
  const agent = await agents.find(by.tenant, name)
  if (!agent || !isVisible(agent, by) || (by.agents && !isAdmin(by) && !by.agents.has(agent.name)))
    throw new A2AError('AGENT_NOT_FOUND', `there is no agent "${name.slice(0, LIMITS.echoCharsMax)}"`)
  return agent
}

function changeable(agent: Agent, by: Caller): Agent {
  if (!mayChange(agent, by)) throw new A2AError('PERMISSION_DENIED', `${agent.name} is another owner's`)
  return agent
}

interface Found {
  readonly agent: Agent
  readonly lane: QueueRow | undefined
}

const lanesOf = async (db: Db, found: readonly Agent[]): Promise<Found[]> => {
  const lanes = await readQueues(db, found)
  return found.map((agent, at) => ({ agent, lane: lanes[at] }))
}

/** Whether an agent is there is not in its row, so pages of available ones are gathered. */
export async function search(
  { agents, db }: Pick<AgentRoutesTools, 'agents' | 'db'>,
  by: Caller,
  filter: { tenant: string; q?: string; skill?: string; tag?: string; names?: readonly string[] },
  { fetch, after }: { fetch: number; after: string | undefined },
  available: boolean | undefined,
): Promise<Found[]> {
  const found: Found[] = []
  let cursor = after
  for (let read = 0; read < AVAILABLE_SCAN_MAX; ) {
    const listed = await agents.list({ ...filter, limit: fetch, ...(cursor !== undefined && { after: cursor }) })
    const seen = await lanesOf(
      db,
      listed.filter((agent) => isVisible(agent, by)),
    )
    const wanted = seen.filter(({ agent, lane }) => available === undefined || isAvailable(agent, lane) === available)
    found.push(...wanted)
    read += listed.length
    cursor = listed.at(-1)?.name
    if (listed.length < fetch || found.length >= fetch) break
  }
  return found.slice(0, fetch)
}
