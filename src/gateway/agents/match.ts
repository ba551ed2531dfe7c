/**
 * Which agents fit a need: by skill, tag, words and media types, then by presence and load. Pure; every point has its
 * reason, so that whoever delegates can see why.
 */
import type { Agent } from './agent.ts'
import type { PresenceState } from './presence.ts'

export interface Need {
  /** What is to be done, in words. */
  readonly text?: string | undefined
  /** Ids or names of skills. */
  readonly skills?: readonly string[] | undefined
  readonly tags?: readonly string[] | undefined
  /** Media types that it must take, and must give. */
  readonly inputModes?: readonly string[] | undefined
  readonly outputModes?: readonly string[] | undefined
}

export interface Candidate {
  readonly agent: Pick<Agent, 'name' | 'card' | 'registration'>
  readonly state: PresenceState
  /** Messages that wait for it. */
  readonly waiting: number
}

export interface Reason {
  readonly what: 'skill' | 'tag' | 'words' | 'presence' | 'load'
  readonly points: number
  readonly text: string
}

export interface Match {
  readonly name: string
  readonly score: number
  /** The skill that fits best. */
  readonly skill?: string
  readonly reasons: readonly Reason[]
}

/** A skill by its name outweighs all that can be said of presence and load; a tag or a few words do not. */
const POINTS = { skill: 60, tag: 15, wordsMost: 30 }
const PRESENCE: Record<PresenceState, number> = {
  online: 20,
  unknown: 5,
  offline: 0,
  paused: -20,
  'pending-approval': -20,
}
const LOAD_MOST = 15

interface Ability {
  readonly id: string
  readonly name: string
  readonly words: string
  readonly tags: readonly string[]
}

/** The best first; agents without anything in common with the need are left out, and so are wrong media types. */
export function rank(need: Need, candidates: readonly Candidate[]): Match[] {
  return candidates
    .flatMap((candidate) => matchOf(need, candidate) ?? [])
    .sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1))
}

function matchOf(need: Need, { agent, state, waiting }: Candidate): Match | undefined {
  if (!takes(need.inputModes, modesOf(agent, 'Input')) || !takes(need.outputModes, modesOf(agent, 'Output')))
    return undefined
  const abilities = abilitiesOf(agent)
  const fits = abilities.map((ability) => ({ ability, reasons: fitOf(need, ability) }))
  const general = wordsReason(
    need.text,
    `${agent.name} ${agent.card?.description ?? agent.registration.description ?? ''}`,
  )
  const best = fits.reduce((a, b) => (sum(b.reasons) > sum(a.reasons) ? b : a), {
    ability: undefined as Ability | undefined,
    reasons: general,
  })
  if (best.reasons.length === 0) return undefined
  const reasons = [...best.reasons, presenceReason(state), ...loadReason(waiting)]
  const skill = best.ability?.id
  return { name: agent.name, score: sum(reasons), ...(skill !== undefined && { skill }), reasons }
}

const sum = (reasons: readonly Reason[]): number => reasons.reduce((all, { points }) => all + points, 0)

function abilitiesOf({ card, registration }: Candidate['agent']): Ability[] {
  return (card?.skills ?? registration.skills ?? []).map(
    ({ id, name = id, description = '', tags = [], examples = [] }) => ({
      id,
      name,
      words: [id, name, description, ...tags, ...examples].join(' '),
      tags,
    }),
  )
}

function fitOf({ skills = [], tags = [], text }: Need, ability: Ability): Reason[] {
  const reasons: Reason[] = []
  const asked = skills.find((skill) => same(skill, ability.id) || same(skill, ability.name))
  if (asked !== undefined) reasons.push({ what: 'skill', points: POINTS.skill, text: `has the skill ${ability.id}` })
  for (const tag of tags)
    if (ability.tags.some((own) => same(own, tag)))
      reasons.push({ what: 'tag', points: POINTS.tag, text: `${ability.id} is tagged ${tag}` })
  return [...reasons, ...wordsReason(text, ability.words)]
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Words of three letters and more, once each, without their most usual endings. */
const wordsOf = (text: string): Set<string> =>
  new Set(
    (text.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []).map((word) => word.replace(/(?<=.{3})(ing|ed|es|s)$/, '')),
  )

function wordsReason(asked: string | undefined, own: string): Reason[] {
  if (asked === undefined) return []
  const wanted = wordsOf(asked)
  const found = [...wordsOf(own)].filter((word) => wanted.has(word))
  if (found.length === 0) return []
  const points = Math.max(1, Math.round((POINTS.wordsMost * found.length) / wanted.size))
  return [{ what: 'words', points, text: `speaks of ${found.slice(0, 8).join(', ')}` }]
}

const presenceReason = (state: PresenceState): Reason => ({
  what: 'presence',
  points: PRESENCE[state],
  text: `is ${state}`,
})

/** Each doubling of the queue counts the same. */
function loadReason(waiting: number): Reason[] {
  if (waiting === 0) return []
  const points = -Math.min(LOAD_MOST, Math.ceil(Math.log2(1 + waiting)))
  return [{ what: 'load', points, text: `${waiting} messages wait for it` }]
}

function modesOf({ card, registration }: Candidate['agent'], way: 'Input' | 'Output'): readonly string[] {
  const own = card?.[`default${way}Modes`] ?? []
  const skills: readonly { inputModes?: readonly string[] | undefined; outputModes?: readonly string[] | undefined }[] =
    card?.skills ?? registration.skills ?? []
  return [...own, ...skills.flatMap((skill) => skill[way === 'Input' ? 'inputModes' : 'outputModes'] ?? [])]
}

/** Who says nothing of its media types is not judged. */
function takes(wanted: readonly string[] | undefined, offered: readonly string[]): boolean {
  if (!wanted || offered.length === 0) return true
  return wanted.every((want) =>
    offered.some(
      (mode) => same(mode, want) || mode === '*/*' || (mode.endsWith('/*') && want.startsWith(mode.slice(0, -1))),
    ),
  )
}
