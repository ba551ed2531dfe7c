/**
 * The tables. Every key starts with the tenant; ids are UUIDv7 made in the application; no sequences, no triggers, no
 * foreign keys on hot tables (they cost 4–15 %), so that distributed Postgres engines stay open (D25).
 *
 *   tasks ─┬─ task_events   append-only: the truth; bodies as text, exactly as they are sent
 *          ├─ deliveries    what is owed to agents and webhooks; slim, settled in place
 *          ├─ push_configs  who wants to be told
 *          ├─ submissions   idempotency: one row per key, kept as long as the task
 *          └─ parents ── task_children   tasks that are worked on by others' tasks
 *   channels ── channel_members · channel_posts
 *   agents · lanes · contacts · api_keys · replicas · attempts · audit · audit_heads
 */
import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
const createdAt = () => instant('created_at').notNull().defaultNow()

/** The head: narrow, updated in place. `state` is the number of the proto enum; `last_seq` counts the log's events from 1. */
export const tasks = pgTable(
  'tasks',
  {
    tenant: text('tenant').notNull(),
    id: uuid('id').notNull(),
    agent: text('agent').notNull(),
    caller: text('caller').notNull(),
    contextId: text('context_id').notNull(),
    state: smallint('state').notNull(),
    lastSeq: integer('last_seq').notNull(),
    hasPush: boolean('has_push').notNull().default(false),
    statusAt: instant('status_at').notNull(),
    createdAt: createdAt(),
    /** Must be finished by then. */
    deadline: instant('deadline'),
    /** The caller wants it canceled; whoever learns the agent's id for it asks the agent. */
    cancelAt: instant('cancel_at'),
    upstreamTask: text('upstream_task'),
    upstreamContext: text('upstream_context'),
    /** W3C traceparent and tracestate as they came, separated by a blank. */
    trace: text('trace'),
    /** Its caller collects, and is told in its own mailbox how it ends: 1 quietly, 2 so that it is woken; null: it is not. */
    home: smallint('home'),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.id] }),
    // ListTasks must be in the order of the status (spec §3.1.4): costs HOT updates, 9–15 % of a task's whole life.
    index('tasks_by_status').on(t.tenant, t.caller, t.agent, t.statusAt.desc(), t.id.desc()),
    // One conversation's tasks, whoever is asking: all that ask name the context, most of them the rest as well.
    index('tasks_in_context').on(t.tenant, t.contextId, t.caller, t.agent),
    index('tasks_by_deadline').on(t.tenant, t.deadline).where(sql`deadline is not null and state in (1, 2, 6, 8)`),
  ],
)

/** `kind`: 0 the opening Task, 1 a status update, 2 an artifact update. `body` is the canonical StreamResponse, one line. */
export const taskEvents = pgTable(
  'task_events',
  {
    tenant: text('tenant').notNull(),
    taskId: uuid('task_id').notNull(),
    seq: integer('seq').notNull(),
    kind: smallint('kind').notNull(),
    body: text('body').notNull(),
    /** Messages that this event adds to the task's history, a JSON array; null: none. */
    history: text('history'),
    /** Request circumstances of a message to the agent (accepted modes, extensions, metadata), JSON; null: none. */
    request: text('request'),
    at: instant('at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.taskId, t.seq] })],
)

export const submissions = pgTable(
  'submissions',
  {
    tenant: text('tenant').notNull(),
    caller: text('caller').notNull(),
    agent: text('agent').notNull(),
    key: text('key').notNull(),
    taskId: uuid('task_id').notNull(),
    /** The event that holds the message, to compare with. */
    seq: integer('seq').notNull(),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.caller, t.agent, t.key] }),
    // For the purge, which knows a task and not its keys. Ids are in the order of time: it grows at its end only.
    index('submissions_by_task').on(t.tenant, t.taskId),
  ],
)

/**
 * The queue. `state` is the index in DELIVERY_STATES. The delivery that opens a task has the task's id, so that the
 * partial index by task is not on the hot path. `position` orders deliveries of one ordering key: the database's
 * microseconds for messages, the event's sequence for webhooks.
 */
export const deliveries = pgTable(
  'deliveries',
  {
    tenant: text('tenant').notNull(),
    id: uuid('id').notNull(),
    kind: text('kind').notNull(),
    destination: text('destination').notNull(),
    orderingKey: text('ordering_key').notNull(),
    position: bigint('position', { mode: 'number' }).notNull(),
    priority: smallint('priority').notNull().default(2),
    taskId: uuid('task_id').notNull(),
    seq: integer('seq').notNull(),
    configId: text('config_id'),
    state: smallint('state').notNull(),
    // Microseconds: rounded to milliseconds, half of what is due now would be due in the future.
    dueAt: timestamp('due_at', { withTimezone: true }).notNull().defaultNow(),
    expiresAt: instant('expires_at'),
    attempt: smallint('attempt').notNull().default(0),
    /** The fencing token: every write made under a lease carries it. */
    lease: uuid('lease'),
    /** The replica that holds the lease; null: an agent that collects, until `leased_until`. */
    owner: uuid('owner'),
    leasedUntil: instant('leased_until'),
    /** The name that an agent which collects gave itself: after a restart it gets back what it held. */
    worker: text('worker'),
    /** Something was reported under the present lease: giving it back counts as an attempt. */
    touched: boolean('touched'),
    /** What the agent wants the next attempt to know, JSON. */
    checkpoint: text('checkpoint'),
    /** How a lease was settled last (lease, verb, hash of the body, answer), JSON: the same again gets the same answer. */
    receipt: text('receipt'),
    /** Index in MAIL_KINDS; null: a task. */
    mailKind: smallint('mail_kind'),
    labels: text('labels').array(),
    /** Of several that wait with the same key only the newest matters. */
    dedupeKey: text('dedupe_key'),
    /** Its agent says that it has looked at it; that settles nothing. */
    readAt: instant('read_at'),
    /** To be acknowledged by then; and when its agent was reminded. */
    ackBy: instant('ack_by'),
    remindedAt: instant('reminded_at'),
    createdAt: createdAt(),
    settledAt: instant('settled_at'),
    code: text('code'),
    reason: text('reason'),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.id] }),
    index('deliveries_due').on(t.tenant, t.destination, t.priority, t.dueAt, t.id).where(sql`state = 0`),
    index('deliveries_in_order').on(t.tenant, t.destination, t.orderingKey, t.position, t.id).where(sql`state = 0`),
    // One in flight per ordering key, by the database itself: a race between two replicas ends in an error, not in disorder.
    uniqueIndex('deliveries_in_flight').on(t.tenant, t.destination, t.orderingKey).where(sql`state = 1`),
    index('deliveries_expiring').on(t.expiresAt).where(sql`state = 0 and expires_at is not null`),
    index('deliveries_dead').on(t.tenant, t.settledAt).where(sql`state in (3, 5)`),
    index('deliveries_by_task').on(t.tenant, t.taskId).where(sql`id <> task_id`),
    // Rare, and no row of another kind is in them.
    index('deliveries_by_dedupe')
      .on(t.tenant, t.destination, t.dedupeKey)
      .where(sql`state = 0 and dedupe_key is not null`),
    index('deliveries_to_acknowledge').on(t.ackBy).where(sql`state in (0, 1) and ack_by is not null`),
  ],
)

/** One row per attempt that is worth explaining: each at a webhook, and each counted one that failed (an offline agent's are not). */
export const attempts = pgTable(
  'attempts',
  {
    tenant: text('tenant').notNull(),
    deliveryId: uuid('delivery_id').notNull(),
    attempt: smallint('attempt').notNull(),
    taskId: uuid('task_id').notNull(),
    destination: text('destination').notNull(),
    endedAt: instant('ended_at').notNull().defaultNow(),
    durationMs: integer('duration_ms').notNull(),
    outcome: text('outcome').notNull(),
    status: integer('status'),
    code: text('code'),
    reason: text('reason'),
    lease: uuid('lease').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.deliveryId, t.lease] }),
    index('attempts_by_task').on(t.tenant, t.taskId, t.endedAt),
  ],
)

/** `token`, `credentials`, `secret` are sealed (AES-256-GCM, bound to their row). */
export const pushConfigs = pgTable(
  'push_configs',
  {
    tenant: text('tenant').notNull(),
    taskId: uuid('task_id').notNull(),
    id: text('id').notNull(),
    url: text('url').notNull(),
    destination: text('destination').notNull(),
    version: text('version').notNull(),
    token: text('token'),
    scheme: text('scheme'),
    credentials: text('credentials'),
    secret: text('secret'),
    createdAt: createdAt(),
    disabledAt: instant('disabled_at'),
    disabledReason: text('disabled_reason'),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.taskId, t.id] })],
)

/** A task that others' tasks work on: by what rule their answers end it. */
export const parents = pgTable(
  'parents',
  {
    tenant: text('tenant').notNull(),
    taskId: uuid('task_id').notNull(),
    /** `first`, `quorum`, `all`; `none`: it ended at once; `relay`: all that its only child tells is its own. */
    rule: text('rule').notNull(),
    needed: integer('needed').notNull(),
    /** The channel that it was posted to; null: none. */
    channel: text('channel'),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.taskId] })],
)

/** `outcome`: what the child's end was to its parent; null: it is still waited for. */
export const taskChildren = pgTable(
  'task_children',
  {
    tenant: text('tenant').notNull(),
    parentId: uuid('parent_id').notNull(),
    childId: uuid('child_id').notNull(),
    member: text('member').notNull(),
    outcome: text('outcome'),
    settledAt: instant('settled_at'),
    /** `relay`: the last of the child's events that stands in the parent's log. */
    relayedSeq: integer('relayed_seq').notNull().default(1),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.parentId, t.childId] }),
    uniqueIndex('task_children_by_child').on(t.tenant, t.childId),
    // What is still waited for: the safety net under the signals reads it round and round.
    index('task_children_open').on(t.tenant, t.parentId, t.childId).where(sql`outcome is null`),
  ],
)

/** An address that stands for many. `roster` counts the changes of its members: a post is made for exactly one roster. */
export const channels = pgTable(
  'channels',
  {
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    /** `channel`, or `room`: known by its unguessable name alone. */
    kind: text('kind').notNull().default('channel'),
    owner: text('owner').notNull(),
    title: text('title'),
    description: text('description'),
    mode: text('mode').notNull(),
    rule: text('rule').notNull(),
    needed: integer('needed').notNull().default(0),
    collectSeconds: integer('collect_seconds'),
    posting: text('posting').notNull(),
    joining: text('joining').notNull(),
    visibility: text('visibility').notNull(),
    /** The number of the last post, +1 for each from 1. */
    lastSeq: integer('last_seq').notNull().default(0),
    /** Posts up to this one are no longer shown. */
    clearedSeq: integer('cleared_seq').notNull().default(0),
    roster: integer('roster').notNull().default(0),
    bytes: bigint('bytes', { mode: 'number' }).notNull().default(0),
    bytesMax: bigint('bytes_max', { mode: 'number' }),
    /** Where it was opened from without credentials. */
    openedFrom: text('opened_from'),
    createdAt: createdAt(),
    modifiedAt: instant('modified_at').notNull().defaultNow(),
    expiresAt: instant('expires_at'),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.name] }),
    index('channels_expiring').on(t.expiresAt).where(sql`expires_at is not null`),
    index('channels_opened_from').on(t.openedFrom).where(sql`opened_from is not null`),
  ],
)

/** `agent` false: a name that somebody gave himself in a room; nothing is delivered to it. */
export const channelMembers = pgTable(
  'channel_members',
  {
    tenant: text('tenant').notNull(),
    channel: text('channel').notNull(),
    member: text('member').notNull(),
    agent: boolean('agent').notNull().default(true),
    /** Which posts it gets, JSON; null: all. */
    filter: text('filter'),
    joinedAt: instant('joined_at').notNull().defaultNow(),
    joinedSeq: integer('joined_seq').notNull(),
    by: text('by').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.channel, t.member] }),
    index('channel_members_by_member').on(t.tenant, t.member),
  ],
)

/** A channel's posts, numbered without a gap; the content is the task's. */
export const channelPosts = pgTable(
  'channel_posts',
  {
    tenant: text('tenant').notNull(),
    channel: text('channel').notNull(),
    seq: integer('seq').notNull(),
    taskId: uuid('task_id').notNull(),
    caller: text('caller').notNull(),
    /** How the sender calls itself. */
    sender: text('sender').notNull(),
    /** It has proved to be that. */
    verified: boolean('verified').notNull(),
    recipients: integer('recipients').notNull(),
    at: instant('at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.channel, t.seq] }), index('channel_posts_by_task').on(t.tenant, t.taskId)],
)

/** `registration` is the document as registered; `card` the upstream's own, canonical; `credentials` sealed. */
export const agents = pgTable(
  'agents',
  {
    tenant: text('tenant').notNull(),
    name: text('name').notNull(),
    owner: text('owner').notNull(),
    registration: jsonb('registration').notNull(),
    credentials: text('credentials'),
    card: jsonb('card'),
    cardFetchedAt: instant('card_fetched_at'),
    /** What has been seen and approved of who the agent is: origins, security schemes, signing keys. */
    identity: jsonb('identity'),
    /** A card that says otherwise, and waits for an operator; until then nothing is delivered. */
    pending: jsonb('pending'),
    /** Why the last card that was fetched has not been taken. */
    cardProblem: jsonb('card_problem'),
    /** When the fronted card last changed. */
    modifiedAt: instant('modified_at').notNull().defaultNow(),
    pausedAt: instant('paused_at'),
    pausedReason: text('paused_reason'),
    provisioned: boolean('provisioned').notNull().default(false),
    createdAt: createdAt(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.name] }),
    // The name is the address, which says nothing of the tenant.
    uniqueIndex('agents_by_name').on(t.name),
  ],
)

/** What is known of a destination's health: written at transitions only; while closed its deliveries are not claimed (D24). */
export const lanes = pgTable(
  'lanes',
  {
    tenant: text('tenant').notNull(),
    destination: text('destination').notNull(),
    closedAt: instant('closed_at'),
    reason: text('reason'),
    failures: integer('failures').notNull().default(0),
    probeAt: instant('probe_at'),
    seenAt: instant('seen_at'),
    /** An agent that collects: when it last took, renewed or settled. */
    workedAt: instant('worked_at'),
    /** The wake-up that is out, or the last one: when, which in a row, how it went, and when the next is due. */
    wokenAt: instant('woken_at'),
    wakes: integer('wakes').notNull().default(0),
    wakeStatus: text('wake_status'),
    wakeDueAt: instant('wake_due_at'),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.destination] })],
)

/** Who may send to a mailbox that does not take everything. `state`: 0 asked, 1 accepted, 2 refused. */
export const contacts = pgTable(
  'contacts',
  {
    tenant: text('tenant').notNull(),
    agent: text('agent').notNull(),
    contact: text('contact').notNull(),
    state: smallint('state').notNull(),
    rights: text('rights').array().notNull(),
    askedAt: instant('asked_at').notNull().defaultNow(),
    decidedAt: instant('decided_at'),
    decidedBy: text('decided_by'),
  },
  (t) => [primaryKey({ columns: [t.tenant, t.agent, t.contact] })],
)

/** `hash` is SHA-256 of a 256-bit secret; the key itself is shown once and never stored (SR-01). */
export const apiKeys = pgTable(
  'api_keys',
  {
    id: text('id').primaryKey(),
    tenant: text('tenant').notNull(),
    caller: text('caller').notNull(),
    kind: text('kind').notNull().default('key'),
    label: text('label').notNull(),
    permits: text('permits').array().notNull(),
    agents: text('agents').array(),
    hash: text('hash').notNull(),
    /** Messages a second and how many at once, `50/200`, or `off`; null: what callers in general may send. */
    rate: text('rate'),
    createdAt: createdAt(),
    createdBy: text('created_by').notNull(),
    expiresAt: instant('expires_at'),
    revokedAt: instant('revoked_at'),
    lastUsedAt: instant('last_used_at'),
  },
  (t) => [index('api_keys_by_tenant').on(t.tenant, t.createdAt)],
)

/** One row per process incarnation. Its leases are dead when `until` has passed. */
export const replicas = pgTable('replicas', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  startedAt: instant('started_at').notNull().defaultNow(),
  until: instant('until').notNull(),
})

/** What all replicas share and nobody configures: signing keys. Sealed under the master key. */
export const secrets = pgTable('secrets', {
  name: text('name').primaryKey(),
  sealed: text('sealed').notNull(),
  createdAt: createdAt(),
})

/**
 * Append-only: who did what to what. A tenant's rows are a chain: numbered from 1 without a gap, each with the hash of the
 * one before (`prev`) and its own; `store/auditChain.ts` says of what.
 */
export const audit = pgTable(
  'audit',
  {
    tenant: text('tenant').notNull(),
    id: uuid('id').notNull(),
    at: instant('at').notNull().defaultNow(),
    actor: text('actor').notNull(),
    action: text('action').notNull(),
    subject: text('subject').notNull(),
    detail: jsonb('detail'),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    prev: text('prev').notNull(),
    hash: text('hash').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.id] }),
    // No fork, by the database itself.
    uniqueIndex('audit_in_chain').on(t.tenant, t.seq),
  ],
)

/** The last row of each chain: whoever writes the next one takes it from here, one after the other. */
export const auditHeads = pgTable('audit_heads', {
  tenant: text('tenant').primaryKey(),
  seq: bigint('seq', { mode: 'number' }).notNull(),
  at: instant('at').notNull(),
  prev: text('prev').notNull(),
  hash: text('hash').notNull(),
})

/** Whose webhooks may go where: that a place (scheme, host, port, path) agreed to have this tenant's, and until when that holds. */
export const webhookProofs = pgTable(
  'webhook_proofs',
  {
    tenant: text('tenant').notNull(),
    /** SHA-256 of the address without its query. */
    place: text('place').notNull(),
    host: text('host').notNull(),
    challengedAt: instant('challenged_at'),
    provedUntil: instant('proved_until'),
    how: text('how'),
  },
  (t) => [
    primaryKey({ columns: [t.tenant, t.place] }),
    index('webhook_proofs_by_host').on(t.host).where(sql`proved_until is not null`),
  ],
)

/** When a host was last asked, by whomever: strangers must not have it asked more often than they themselves could. */
export const webhookHosts = pgTable('webhook_hosts', {
  host: text('host').primaryKey(),
  challengedAt: instant('challenged_at').notNull(),
})
