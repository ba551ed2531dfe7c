import { describe, expect, test } from 'vitest'
import type { AgentSkill } from '../../../src/a2a/agentCard.ts'
import { type Candidate, rank } from '../../../src/gateway/agents/match.ts'

const candidate = (name: string, skills: Partial<AgentSkill>[], more: Partial<Candidate> = {}): Candidate => ({
  agent: {
    name,
    registration: {
      name,
      connector: { kind: 'mailbox' },
      skills: skills.map((skill) => ({ id: 's', ...skill })),
    } as never,
  },
  state: 'online',
  waiting: 0,
  ...more,
})
const names = (matches: ReturnType<typeof rank>) => matches.map(({ name }) => name)

describe('who fits a need', () => {
  const translator = candidate('polyglot', [
    { id: 'translate', description: 'Translates documents', tags: ['language'] },
  ])
  const summer = candidate('adder', [{ id: 'sum', description: 'Adds numbers', tags: ['math'] }])

  test('by skill, tag or words; who has nothing in common is no candidate', () => {
    expect(names(rank({ skills: ['Translate'] }, [translator, summer]))).toEqual(['polyglot'])
    expect(names(rank({ tags: ['MATH'] }, [translator, summer]))).toEqual(['adder'])
    expect(names(rank({ text: 'please translate this document' }, [translator, summer]))).toEqual(['polyglot'])
    expect(rank({ text: 'bake a cake' }, [translator, summer])).toEqual([])
  })

  test('every point has its reason, and the best skill is named', () => {
    const [match] = rank({ skills: ['sum'], tags: ['math'], text: 'add numbers' }, [summer])
    expect(match).toMatchObject({ name: 'adder', skill: 'sum' })
    expect(match?.reasons.map(({ what }) => what)).toEqual(['skill', 'tag', 'words', 'presence'])
    expect(match?.reasons.reduce((sum, { points }) => sum + points, 0)).toBe(match?.score)
  })

  test('presence and load decide among equals, and never against a skill', () => {
    const twin = (name: string, more: Partial<Candidate>) => candidate(name, [{ id: 'sum', tags: ['math'] }], more)
    const twins = [
      twin('held', { state: 'paused' }),
      twin('away', { state: 'offline' }),
      twin('full', { waiting: 1_000 }),
      twin('free', {}),
    ]
    expect(names(rank({ skills: ['sum'] }, twins))).toEqual(['free', 'full', 'away', 'held'])
    const talker = candidate('talker', [{ id: 'chat', description: 'sum sum sum', tags: ['sum'] }])
    expect(names(rank({ skills: ['sum'], text: 'sum' }, [talker, twin('held', { state: 'paused' })]))).toEqual([
      'held',
      'talker',
    ])
  })

  test('media types that it does not take or give exclude it; silence does not', () => {
    const images = candidate('painter', [{ id: 'draw', inputModes: ['text/plain'], outputModes: ['image/*'] }])
    const silent = candidate('silent', [{ id: 'draw' }])
    const all = [images, silent]
    expect(names(rank({ skills: ['draw'], outputModes: ['image/png'] }, all))).toEqual(['painter', 'silent'])
    expect(names(rank({ skills: ['draw'], outputModes: ['audio/mpeg'] }, all))).toEqual(['silent'])
    expect(names(rank({ skills: ['draw'], inputModes: ['image/png'] }, all))).toEqual(['silent'])
  })
})
