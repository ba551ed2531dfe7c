/** A channel as the rest of the house sees it: an agent whose name begins with `#`. */
import { z } from 'zod'
import { A2AError } from '../../a2a/errors.ts'
import { LIMITS } from '../../limits.ts'
import { type Caller, isAdmin } from '../../ports.ts'
import type { ChannelRow } from '../../store/channels.ts'
import { type Agent, policyOf } from '../agents/agent.ts'
import { AGENT_NAME, isPlainText, RESERVED_NAMES, type Registration } from '../agents/registration.ts'

/** Agents cannot have it in their names. */
const MARK = '#'

export const channelAddress = (name: string): string => `${MARK}${name}`
/** undefined: the name of an agent. */
export const channelIn = (agent: string): string | undefined => (agent.startsWith(MARK) ? agent.slice(1) : undefined)
/** Where posts wait that any one member takes. */
export const channelLane = (name: string): string => `channel:${name}`

const text = (charsMax: number) =>
  z.string().min(1).max(charsMax).refine(isPlainText, { error: 'no control or invisible characters' })
export const ChannelName = z
  .string()
  .transform((name) => name.toLowerCase().replace(/^#/, ''))
  .refine((name) => AGENT_NAME.test(name), { error: '1–63 characters: a–z, 0–9, then also - _ .' })
  .refine((name) => !RESERVED_NAMES.has(name), { error: 'this name is reserved' })
export const MemberName = z
  .string()
  .transform((name) => name.toLowerCase())
  .refine((name) => AGENT_NAME.test(name), { error: 'the name of an agent' })

const Collect = z.string().regex(/^(none|first|all|quorum:[1-9]\d{0,3})$/, {
  error: 'none, first, all or quorum:<number>',
})
const shared = {
  title: text(256).optional(),
  description: text(4_096).optional(),
  collect: Collect.optional(),
  collectSeconds: z.int().min(1).max(LIMITS.collectSecondsMax).optional(),
  policy: z
    .strictObject({ post: z.enum(['anyone', 'members', 'owner']), join: z.enum(['anyone', 'owner']) })
    .partial()
    .optional(),
  visibility: z.enum(['tenant', 'members']).optional(),
}
export const ChannelDocument = z
  .strictObject({
    name: ChannelName.optional(),
    mode: z.enum(['all', 'one']).optional(),
    members: z.array(MemberName).max(LIMITS.channelMembersMax).optional(),
    ...shared,
  })
  .refine(({ mode, collect = 'none' }) => mode !== 'one' || collect === 'none', {
    error: 'where any one member takes a post there is nothing to collect',
    path: ['collect'],
  })
export type ChannelDocument = z.infer<typeof ChannelDocument>
export const ChannelChanges = z.strictObject(shared)

export const ruleOf = (collect: string): Pick<ChannelRow, 'rule' | 'needed'> => {
  const [rule, number] = collect.split(':') as [ChannelRow['rule'], string | undefined]
  return { rule, needed: Number(number ?? 0) }
}
export const collectOf = ({ rule, needed }: Pick<ChannelRow, 'rule' | 'needed'>): string =>
  rule === 'quorum' ? `quorum:${needed}` : rule

/** It, or whoever opened it. */
export const manages = (row: Pick<ChannelRow, 'tenant' | 'owner'>, by: Caller): boolean =>
  by.tenant === row.tenant && (isAdmin(by) || (row.owner === by.id && by.kind !== 'anonymous'))
/** The agent whose token this is. */
export const agentOf = (by: Caller): string | undefined =>
  by.kind === 'agent' && by.id.startsWith('agent:') ? by.id.slice('agent:'.length) : undefined

export const noChannel = (name: string): A2AError =>
  new A2AError('AGENT_NOT_FOUND', `there is no channel "#${name.slice(0, LIMITS.echoCharsMax)}"`)

/** What it can do, for its card. */
function skillsOf(row: ChannelRow): NonNullable<Registration['skills']> {
  const { title, mode } = row
  const name = title ?? channelAddress(row.name)
  const description =
    mode === 'one'
      ? 'What is sent here is done by any one of the members'
      : `What is sent here goes to each member${row.rule === 'none' ? '' : `; answers are collected: ${collectOf(row)}`}`
  return [
    { id: 'post', name: `Post to ${name}`, description, tags: ['channel', mode === 'one' ? 'queue' : 'broadcast'] },
  ]
}

export function asAgent(row: ChannelRow): Agent {
  const name = channelAddress(row.name)
  const registration: Registration = {
    name,
    connector: row.mode === 'one' ? { kind: 'mailbox' } : { kind: 'channel' },
    description: row.description ?? row.title ?? `The channel ${name}`,
    visibility: 'private',
    maxInflight: 1_000,
    skills: skillsOf(row),
  }
  return {
    tenant: row.tenant,
    name,
    owner: row.owner,
    connector: registration.connector,
    policy: policyOf(registration),
    registration,
    modifiedAt: new Date(row.modifiedAt),
    createdAt: new Date(row.createdAt),
    provisioned: false,
    destination: channelLane(row.name),
  }
}
