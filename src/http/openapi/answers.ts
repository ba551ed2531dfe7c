/** What the routes of our own face answer. A test holds the answers of a running gateway against these. */
import { z } from 'zod'
import { Part } from '../../a2a/parts.ts'
import { Message, TASK_STATES, Task, TaskState } from '../../a2a/tasks.ts'
import { DELIVERY_STATES, MAIL_KINDS } from '../../delivery.ts'
import { BUCKETS, MAILBOX_STATES } from '../../gateway/agents/mailboxPresence.ts'
import { LEVELS } from '../../gateway/tasks/wishes.ts'
import { CONTACT_STATES } from '../../store/contacts.ts'

const text = z.string()
const some = text.optional()
const count = z.int().min(0)
const at = z.iso.datetime()
const when = at.optional()
const Places = z.object({ address: text, url: text, card: text })

export const Problem = z.object({
  ...{ type: text, title: text, status: z.int(), detail: text },
  /** Stable. */
  ...{ code: text, hint: some, traceId: text },
  violations: z.array(z.object({ field: text, description: text })).optional(),
})
export const NewMessage = z.object({ delivery: text, message: Message })

const Presence = z.object({
  ...{ state: z.enum(MAILBOX_STATES), lastSeen: when, lastWorked: when, nextExpected: when },
  ...{ wakeable: z.enum(['socket', 'webhook', 'none']), waiting: z.enum(BUCKETS), oldestWaiting: when },
})
export const Agent = Places.extend({
  name: text,
  state: z.enum(['online', 'offline', 'paused', 'pending-approval', 'unknown']),
  ...{ reason: some, since: when, lastSeenAt: when, nextProbeAt: when },
  connector: z.looseObject({ kind: text }),
  description: some,
  skills: z.array(z.object({ id: text, name: text, tags: z.array(text) })),
  ...{ queued: count, running: count, oldestAt: when, presence: Presence.optional() },
  ...{ visibility: z.enum(['public', 'private']), access: z.enum(['keys', 'anonymous']), provisioned: z.boolean() },
  ...{ tenant: some, owner: some },
  signature: z.looseObject({ state: text }).optional(),
  approvedOrigins: z.array(text).optional(),
  pending: z.looseObject({ change: text, since: at }).optional(),
  cardProblem: z.object({ code: text, reason: text, at: when }).optional(),
  ...{ createdAt: when, modifiedAt: when, cardFetchedAt: when, pausedAt: when },
  policy: z.looseObject({}).optional(),
  registration: z.looseObject({ name: text }).optional(),
  hasCredentials: z.boolean().optional(),
})
export const Registered = Places.extend({ name: text, created: z.boolean(), token: some })
export const Probed = Agent.extend({
  probe: z.object({ ok: z.boolean(), ms: count, reason: some, code: some }),
})
export const Drained = Agent.extend({ drained: z.boolean() })
export const Token = z.object({ name: text, token: text })
export const Removed = z.object({ name: text, removed: z.literal(true) })
export const Match = Places.extend({
  ...{ name: text, score: z.number(), skill: some },
  reasons: z.array(z.object({ what: z.enum(['skill', 'tag', 'words', 'presence', 'load']), points: z.number(), text })),
})

export const Key = z.object({
  ...{ id: text, name: text, tenant: text, caller: text, kind: text, permits: z.array(text) },
  ...{ agents: z.array(text).optional(), rate: some, createdBy: text },
  ...{ createdAt: when, expiresAt: when, revokedAt: when, lastUsedAt: when },
})
export const NewKey = Key.extend({ key: text })
export const SigningKey = z.object({ id: text, state: text, signsFrom: when, publishedUntil: when })
export const Resealed = z.object({ resealed: count, changed: count, lost: z.array(text) })
export const Issuer = z.object({ issuer: text, keys: count.optional(), problem: some })

const state = z.enum(DELIVERY_STATES)
export const Delivery = z.object({
  ...{ id: text, kind: text, state, task: text, sequence: count, destination: text },
  ...{ agent: some, config: some, code: some, reason: some, attempt: count, priority: count },
  ...{ createdAt: when, nextAttemptAt: when, expiresAt: when, settledAt: when, updatedAt: when, leasedUntil: when },
})
const Replayed = z.object({ id: text, taskId: text })
export const ReplayedOne = Replayed.extend({ replayed: z.literal(true) })
export const ReplayedMany = z.object({
  ...{ dryRun: z.boolean(), matched: count, more: z.boolean(), replayed: count.optional() },
  items: z.array(z.union([Replayed, Delivery])),
})
const ShortDelivery = z.object({
  ...{ state, attempt: count, code: some, reason: some, nextAttemptAt: when, expiresAt: when },
})
export const TaskRecord = z.object({
  ...{ id: text, agent: text, caller: text, contextId: text, state: TaskState, lastSequence: count },
  ...{ createdAt: when, updatedAt: when, deadline: when, delivery: ShortDelivery.optional() },
})
const Tried = {
  attempt: count,
  outcome: text,
  durationMs: z.number(),
  status: z.int().optional(),
  code: some,
  reason: some,
}
export const Attempt = z.object({ delivery: text, ...Tried, at: when })
export const TaskStory = TaskRecord.extend({
  ...{ cancelAskedAt: when, upstreamTaskId: some, upstreamContextId: some },
  ...{ deliveries: z.array(Delivery), attempts: z.array(Attempt), truncated: z.boolean() },
})
export const Explanation = z.object({
  ...{ task: text, agent: text, state: TaskState, delivery: state.optional(), attempt: count.optional() },
  ...{ why: z.array(text), reasons: z.array(z.object({ code: text, text })), next: text, nextAt: when },
  ...{ ahead: some, expires: some, expiresAt: when, try: z.array(text) },
})
const Receipt = z.object({
  at,
  what: z.enum(['accepted', 'attempted', 'delivered', 'dead', 'expired', 'withdrawn', 'status', 'cancelAsked']),
  ...{ delivery: some, kind: some, attempt: count.optional(), outcome: some, status: z.int().optional() },
  ...{ code: some, reason: some, sequence: count.optional() },
})
const Recipient = z.object({
  ...{ agent: text, task: text, state: TaskState, delivery: state.optional(), attempt: count },
  ...{ outcome: some, reason: some, at: when, updatedAt: when },
})
export const Receipts = z.object({
  receipt: z.object({ recipient: text, accepted: when, leased: when, settled: when, expired: when, dead: when }),
  ...{ items: z.array(Receipt), recipients: z.array(Recipient).optional(), truncated: z.boolean() },
})
/** An event as A2A's latest version has it. */
const event = z.looseObject({})
export const LogEvent = z.object({ sequence: count, event })

export const Webhook = z.object({
  ...{ id: text, task: text, agent: text, caller: text, url: text, delivered: count, waiting: count, dead: count },
  ...{ createdAt: when, disabledAt: when, lastAttemptAt: when },
  ...{ disabledReason: some, lastOutcome: some, lastStatus: z.int().optional() },
})
export const WebhookAttempt = z.object({
  ...{ delivery: text, task: text, sequence: count, ...Tried, config: some, at: when },
})
export const AuditEntry = z.object({
  ...{ id: text, sequence: count, at: when, actor: text, action: text, subject: text },
  ...{ detail: z.looseObject({}).optional(), hash: text },
})
export const AuditCheck = z.object({
  ...{ ok: z.boolean(), checked: count, last: z.unknown().optional(), next: z.unknown().optional() },
  broken: z.looseObject({ fault: text, reason: text }).optional(),
})
export const Erased = z.object({
  ...{ done: z.boolean().optional(), tasks: count, left: count.optional() },
  ...{ dryRun: z.boolean().optional(), open: count.optional() },
})

export const Channel = Places.extend({
  ...{ name: text, title: some, description: some, collectSeconds: count.optional() },
  ...{ mode: z.enum(['all', 'one']), collect: text, policy: z.object({ post: text, join: text }) },
  ...{ visibility: z.enum(['tenant', 'members']), members: count, posts: count, owner: some },
  ...{ createdAt: when, modifiedAt: when, expiresAt: when },
})
export const Member = z.object({
  agent: text,
  verified: z.literal(false).optional(),
  ...{ filter: z.looseObject({}).optional(), joinedAfter: count, joinedAt: when },
})
export const Joined = z.object({ member: text, joined: z.boolean(), replayed: count })
export const Left = z.object({ channel: text, left: z.literal(true) })
export const Post = z.object({
  ...{ seq: count, at: when, sender: text, verified: z.boolean(), text, messageId: some },
  ...{ parts: z.array(Part).optional(), task: text, contextId: text, recipients: count, state: TaskState.optional() },
})
export const Posts = z.object({ items: z.array(Post), next: count.optional() })
export const Conversation = z.object({ contextId: text, tasks: count, firstAt: when, lastAt: when })
export const Said = z.object({
  ...{ at, task: text, sequence: count, caller: text, agent: text, event, messages: z.array(Message).optional() },
})
export const FoundText = z.object({
  ...{ task: text, contextId: text, caller: text, agent: text, state: TaskState, sequence: count, at: when, text },
})
export const ConversationPage = z.object({
  contextId: text,
  participants: z.array(z.object({ id: text, sent: count, received: count })),
  ...{ items: z.array(Said), next: some },
})

export const Room = z.object({
  ...{ roomId: text, name: text, description: some, url: text, messagesUrl: text, streamUrl: text, address: text },
  ...{ members: count, messages: count, createdAt: when, expiresAt: when },
})
export const RoomWithMembers = Room.extend({ participants: z.array(z.object({ agentName: text, agent: z.boolean() })) })
export const Entered = z.object({ roomId: text, agentName: text, verified: z.boolean() })
const said = {
  ...{ id: count, messageId: some, sender: text, verified: z.boolean(), content: text, timestamp: when },
  ...{ task: text, recipients: count },
}
export const RoomMessage = z.object(said)
export const RoomSaid = z.object({
  roomId: text,
  ...said,
  mentions: z.array(z.object({ agent: text, task: some, error: some })).optional(),
})
export const RoomMessages = z.object({
  ...{ roomId: text, messages: z.array(RoomMessage), cursor: count, more: z.boolean() },
})
export const Cleared = z.object({ roomId: text, cleared: z.literal(true) })

const kind = z.enum(MAIL_KINDS)
const short = z.object({ state: TaskState })
export const Offer = z.object({
  ...{ lease: text, delivery: text, attempt: count, expires: at, deadline: at.nullable(), text, from: text },
  ...{ kind, labels: z.array(text), priority: z.enum(LEVELS), skill: text.nullable(), message: Message, task: Task },
  ...{ checkpoint: z.unknown(), more: count, reclaimed: z.literal(true).optional() },
})
export const Offers = z.object({ items: z.array(Offer) })
export const Mail = z.object({
  ...{ delivery: text, state: z.enum(['waiting', 'leased', 'held']), attempt: count, text, from: text, kind },
  ...{ labels: z.array(text), priority: z.enum(LEVELS), skill: text.nullable().optional(), deadline: at.nullable() },
  ...{ createdAt: when, dueAt: when, expiresAt: when, leasedUntil: when, readAt: when, ackBy: when, worker: some },
  ...{ message: Message, task: z.object({ id: text, contextId: text, status: short }) },
})
export const ReadMarks = z.object({ deliveries: z.array(text), read: z.boolean() })
export const Alive = z.object({
  ...{ lease: text, expires: at, deadline: at.nullable(), cancelRequested: z.boolean() },
  newMessages: z.array(NewMessage),
})
export const Settled = z.object({
  ...{ lease: text, delivery: text, settled: text, retryInMs: z.number().optional() },
  task: z.object({ id: text, contextId: text, status: z.object({ state: z.enum(TASK_STATES) }) }),
})
export const Contact = z.object({
  ...{ contact: text, state: z.enum(CONTACT_STATES), rights: z.array(text), held: count },
  ...{ askedAt: when, decidedAt: when, decidedBy: some },
})
export const Contacts = z.object({ policy: text, items: z.array(Contact) })
export const Live = z.object({ status: z.literal('ok'), name: text, version: text, uptimeSeconds: count })
export const Ready = z.object({
  status: z.enum(['ready', 'not ready']),
  checks: z.array(z.object({ name: text, ok: z.boolean(), detail: some, ms: count.optional() })).optional(),
})
export const OfferOrOffers = z.union([Offer, Offers])
export const RevokedKey = z.object({ id: text, revoked: z.literal(true) })
export const TaskPage = z.object({ items: z.array(TaskRecord), next: some, total: count })
export const LogPage = z.object({ items: z.array(LogEvent), next: some })
export const SchemaIndex = z.object({ schemas: z.array(z.object({ path: text, url: text, about: text })) })
