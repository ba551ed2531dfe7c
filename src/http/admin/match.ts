/** /v1/match: who could do it, the best first, and why. */
import { z } from 'zod'
import { rank } from '../../gateway/agents/match.ts'
import { presenceOf } from '../../gateway/agents/presence.ts'
import type { Agents } from '../../gateway/agents/registry.ts'
import type { Db } from '../../store/db.ts'
import { type Access, checked, type Face, jsonBody, newFace } from '../face.ts'
import { search } from './agents.ts'
import { placesOf } from './agentView.ts'

export interface MatchRoutesTools {
  readonly agents: Agents
  readonly access: Access
  readonly db: Db
  readonly publicUrl: () => string
}

/** Agents that are looked at; who has more, narrows them by a tag or a skill. */
const CANDIDATES_MAX = 500

const words = (longest: number) => z.array(z.string().min(1).max(longest)).min(1).max(16).optional()
export const NEED = z
  .strictObject({
    text: z.string().min(1).max(2_000).optional(),
    skills: words(128),
    tags: words(64),
    inputModes: words(128),
    outputModes: words(128),
    limit: z.int().min(1).max(50).default(10),
  })
  .refine(({ text, skills, tags }) => text !== undefined || skills !== undefined || tags !== undefined, {
    error: 'text, skills or tags must be given',
  })

export function matchRoutes(tools: MatchRoutesTools): Face {
  const face = newFace()
  face.post('/v1/match', async (context) => {
    const by = await tools.access.require(context, 'card')
    const { limit, ...need } = checked(NEED, await jsonBody(context))
    const filter = { tenant: by.tenant, ...(by.agents && { names: [...by.agents] }) }
    const found = await search(tools, by, filter, { fetch: CANDIDATES_MAX, after: undefined }, undefined)
    const byName = new Map(found.map((one) => [one.agent.name, one]))
    const candidates = found.map(({ agent, lane }) => ({
      agent,
      state: presenceOf(agent, lane).state,
      waiting: lane?.waiting ?? 0,
    }))
    const items = rank(need, candidates)
      .slice(0, limit)
      .flatMap((match) => {
        const one = byName.get(match.name)
        return one ? [{ ...match, ...placesOf(one.agent, tools.publicUrl()) }] : []
      })
    return context.json({ items })
  })
  return face
}
