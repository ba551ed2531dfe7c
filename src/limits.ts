/** Every bound in the system, unit in its name, reason beside it. What happens at a bound is tested. */
import assert from 'node:assert/strict'

const KiB = 1024
const MiB = 1024 * KiB
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

export const LIMITS = {
  // What a request may be (SR-60, SR-61)
  /** A request body. Larger content belongs behind a URL part. */
  requestBytesMax: 4 * MiB,
  /** JSON nesting of a whole request; JSON.stringify dies at 10,000 levels, protobuf at 49 lists. */
  jsonDepthMax: 64,
  /** Nesting inside `data` and `metadata`. */
  dataDepthMax: 24,
  jsonNodesMax: 100_000,
  partsMax: 256,
  textPartBytesMax: 1 * MiB,
  metadataBytesMax: 64 * KiB,
  /** 1–128 characters of `[A-Za-z0-9._:~-]` for ids of ours; what peers call theirs is only bounded. */
  idCharsMax: 128,
  messageIdCharsMax: 256,
  contextIdCharsMax: 256,
  extensionsMax: 32,
  referenceTaskIdsMax: 64,
  urlCharsMax: 2_048,
  /** Four times what file systems take. */
  filenameCharsMax: 1_024,
  jsonRpcIdCharsMax: 256,
  /** How many violations one answer names, and how much of the caller's input it repeats (SR-65). */
  violationsMax: 20,
  echoCharsMax: 64,
  /** Server timers: Node's defaults leave a slow body open for more than 100 s (E16). */
  headersTimeoutMs: 5_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 5_000,
  connectionsCheckMs: 1_000,
  headerBytesMax: 16 * KiB,
  headersCountMax: 100,
  connectionsMax: 10_000,
  /** A new certificate is seen within this. */
  certificateEveryMs: 10_000,
  requestsPerSocketMax: 10_000,

  // Waiting and streaming (SR-64)
  /** A comment line this often: proxies drop idle connections at 30–60 s. Before a JSON-RPC answer a blank: clients do after 5 s. */
  heartbeatMs: 15_000,
  answerSilenceMs: 3_000,
  streamsPerCallerMax: 100,
  streamsPerTaskMax: 50,
  streamsMax: 5_000,
  /** A reader that holds this much unsent is closed; it resumes by its last id and loses nothing. */
  streamBufferBytesMax: 1 * MiB,
  /** A reader that takes nothing for this long is closed. */
  streamStallMs: 30_000,
  streamAgeMaxMs: HOUR_MS,
  /** How long a 1.0 stream stays open on AUTH_REQUIRED (7.14); INPUT_REQUIRED closes at once. */
  interruptedStreamMs: 5 * MINUTE_MS,
  blockingWaitersMax: 5_000,
  /** A stream whose message is with a reachable agent opens this late at most, so that a lone Message can be its first event (D15). */
  firstAnswerMs: 300,
  /** How long a cancel waits for the agent's word before it answers the task as it is. */
  cancelWaitMs: 5_000,
  /** Events between two stored looks at how many tasks wait for an agent. */
  queueCountEveryMs: 2_000,
  /** Events read from the log in one go by a follower. */
  followPageEvents: 500,
  /** The safety net under the wake-up hints (D7). */
  followPollMs: 1_000,
  /** One NOTIFY per process and this time at most: NOTIFY in the write path costs 71–88 % of throughput. */
  notifyEveryMs: 20,

  // The store
  /** A statement that took longer is lost, and the pool with it (D5); the database ends it earlier by itself. */
  statementMs: 8_000,
  serverStatementMs: 5_000,
  poolConnections: 12,
  reconnectMaxMs: 1_000,
  /** A gateway that starts without its database tries again with pauses that grow from this one to that. */
  databaseWaitFirstMs: 250,
  databaseWaitLongestMs: 5_000,
  /** One shared statement: more rows give nothing (measured flat from 64 to 256). */
  batchRowsMax: 256,
  batchBytesMax: 1 * MiB,
  batchLanes: 2,
  /** Beyond this many waiting rows the answer is 503 with Retry-After, not memory. */
  batchQueueMax: 20_000,

  // Deliveries
  /** A replica that has not said a word for this long is taken for dead. Three heartbeats fit in. */
  leaseMs: 15_000,
  leaseHeartbeatMs: 4_000,
  sweepEveryMs: 2_000,
  /** What has ended long ago is looked for this often. */
  purgeEveryMs: 10 * MINUTE_MS,
  /** Every lane is looked at this often, woken or not. */
  pollMs: 1_000,
  /** One claim: round-robin over lanes, so that one backlog of a million does not starve others. */
  claimMax: 200,
  /** Attempts side by side in one process, over all lanes. */
  attemptsInFlightMax: 512,
  attemptsMax: 20,
  backoffFirstMs: 1_000,
  backoffLongestMs: 10 * MINUTE_MS,
  /** Retry-After is honoured within these; a hostile value must not park a lane. */
  retryAfterMinMs: 1_000,
  retryAfterMaxMs: HOUR_MS,
  /** Five failures in a row, or half of twenty, open a breaker. */
  breakerFailures: 5,
  probeFirstMs: 1_000,
  probeLongestMs: 30_000,
  /** A tenant's bytes are all read to be counted. */
  tenantBytesEveryMs: 5 * MINUTE_MS,
  queuePerAgentMax: 100_000,
  maxInflight: 16,
  ttlSeconds: 7 * 24 * 3_600,

  // Agents that collect
  /** A shorter lease would be lost to one slow statement; twelve hours are a working day. Renewable without end. */
  leaseSecondsMin: 5,
  leaseSecondsMax: 43_200,
  /** How long a call rings if its sender does not say, and at most. */
  ringSeconds: 30,
  ringSecondsMax: 600,
  /** Deliveries that one lease call takes. */
  leaseMax: 64,
  /** A lease call waits this long for work: proxies drop what is silent for 60 s. */
  pollWaitMaxMs: 50_000,
  /** A wait of this length or more ends up to this share of it earlier: after a restart thousands begin to wait at once. */
  pollEarlyFromMs: 20_000,
  pollEarlyShare: 0.2,
  /** Lease calls that wait in one process; each is a connection. */
  pollsMax: 8_000,
  /** One timer for all of them: how late a wait may end, and a hint be told. */
  pollTickMs: 250,
  /** Lease calls of one agent and second in one process. */
  leaseCallsPerSecond: 1_000,
  /** Every so many-th delivery is taken by age, so that what is not urgent is taken at all. */
  oldestEvery: 8,
  /** What waits in one mailbox: messages and bytes in all, and messages of one sender (administrators are not counted). */
  mailboxMessagesMax: 10_000,
  mailboxBytesMax: 256 * MiB,
  mailboxPerSenderMax: 500,
  contactsMax: 1_000,
  /** Between the reminder to who has not acknowledged and the word to who waits for it. */
  ackReminderMs: 10 * MINUTE_MS,
  /** How long a result waits in its sender's mailbox. The task keeps it anyway. */
  resultSeconds: 30 * 24 * 3_600,
  checkpointBytesMax: 64 * KiB,
  /** How long the holder of a lease has to agree to a cancel. */
  cancelGraceMs: 10_000,
  /** Further messages of a sender that one answer shows. */
  newMessagesMax: 50,
  /** That an agent was seen is written down this often at most. */
  seenEveryMs: 15_000,
  /** Agents that want to be woken are looked for, and looked at, this often; who was seen more recently is there. */
  wakersEveryMs: 5_000,
  wakeLookMs: 1_000,
  wakeAwaySeconds: 60,
  hintStreamsMax: 4_000,
  /** WebSockets of agents in one process and of one agent; frames of one socket that are being done at a time. */
  socketsMax: 2_000,
  socketsPerAgentMax: 64,
  socketFramesMax: 64,
  socketPingMs: 20_000,
  /** What a socket that broke had taken is another's after this and one sweep: ten seconds, and one more. */
  socketGraceSeconds: 9,

  // Channels
  /** One post is one statement: with a thousand recipients of 1 KB each 23 ms on PostgreSQL, 128 ms embedded. */
  channelMembersMax: 1_000,
  channelsPerTenantMax: 10_000,
  /** What one post makes of its content, over all recipients. */
  fanOutBytesMax: 64 * MiB,
  /** Posts that who joins later gets at most. */
  channelReplayMax: 100,
  /** How long answers may be waited for. */
  collectSecondsMax: 30 * 24 * 3_600,
  /** Open children that one look reads, that one statement takes, and parents that are taken care of side by side. */
  childrenPage: 2_000,
  collectChildren: 64,
  collectAtOnce: 16,
  /** Statements for one parent in one go: a thousand answers and the races beside. */
  collectRounds: 256,
  /** Open children whose ends this process sees at once; of others a second later. */
  childrenKnownMax: 100_000,
  /** Of a member's answer this much is kept in the parent, however many answer. */
  answerBytesMin: 16 * KiB,
  /** Rooms without credentials: open so long, with so much in them, so many from one address. */
  demoRoomSeconds: 24 * 3_600,
  demoRoomBytesMax: 512 * KiB,
  demoRoomsPerAddressMax: 3,
  /** Readers of rooms and conversations that one process tells what is new; each looks once a second. */
  tailsMax: 500,
  /** Tasks that one look for conversations goes back over. */
  conversationScanMax: 5_000,
  /** Participants that a process remembers to have let in. */
  participantsKnownMax: 10_000,

  // MCP
  /** Calls that one process has open at /mcp, in all and of one caller: each is a connection and may wait 45 s. */
  mcpCallsMax: 2_000,
  mcpCallsPerCallerMax: 64,
  /** Connections to MCP servers that stand as agents; of those nobody uses the oldest goes. */
  mcpServersMax: 256,
  /** A program may have to be fetched and compiled before it answers. */
  mcpConnectMs: 30_000,
  /** Servers that do not know the newer revision may say nothing at all. */
  mcpProbeMs: 3_000,
  /** Tool calls that stand open because their sender has been asked something, in one process; and each for how long. */
  mcpQuestionsMax: 1_000,
  mcpQuestionMs: HOUR_MS,

  // Webhooks
  webhookAttemptsMax: 16,
  webhookBackoffFirstMs: 5_000,
  webhookBackoffLongestMs: 2 * HOUR_MS,
  webhookAgeMaxMs: 24 * HOUR_MS,
  webhookTotalMs: 20_000,
  /** What a receiver has agreed to holds this long; and how long it has to say so. */
  webhookProofDays: 30,
  webhookChallengeMs: 10_000,
  webhookReplyBytesMax: 16 * KiB,
  webhookBodyBytesMax: 256 * KiB,
  webhookInflightPerReceiver: 5,
  pushConfigsPerTaskMax: 10,

  // What an agent may answer (SR-63)
  agentReplyBytesMax: 16 * MiB,
  streamLineBytesMax: 1 * MiB,
  streamEventBytesMax: 2 * MiB,
  eventsPerTaskMax: 50_000,
  bytesPerTaskMax: 50 * MiB,
  artifactsPerTaskMax: 1_000,
  connectMs: 5_000,
  agentHeadersMs: 10_000,
  /** A blocking answer may take its time, an event stream may not be silent. */
  agentReplyMs: 10 * MINUTE_MS,
  agentIdleMs: 45_000,
  agentPollFirstMs: 500,
  agentPollLongestMs: 10_000,
  /** Chunks of one stream are gathered this long, or until this many bytes, into one statement (E28). */
  recordGatherMs: 20,
  recordGatherBytes: 16 * KiB,

  // Cards
  cardBytesMax: 256 * KiB,
  cardFetchMs: 10_000,
  cardFreshMs: 5 * MINUTE_MS,
  cardMaxAgeSeconds: 60,
  /** Extended cards that one agent is asked for at a time: each is a call of its own. */
  extendedCardsInFlight: 16,
  /** Signatures of one card that are looked at, and keys that may be trusted for one. */
  cardSignaturesMax: 8,
  cardKeysMax: 32,
  /** Keys at an address that a card names: fetched within, fresh for, asked again for an unknown one after, of use for. */
  jwksFetchMs: 5_000,
  jwksBytesMax: 256 * KiB,
  jwksFreshMs: 10 * MINUTE_MS,
  jwksAgainMs: 30_000,
  jwksStaleMs: 24 * HOUR_MS,

  // Signing
  /** Every replica looks this often for a new key; a new one signs after three looks. */
  signingKeysEveryMs: 2_000,
  /** Published at a time. A verifier reads them all. */
  signingKeysMax: 8,
  /** No shorter than a webhook's signature is good for; no longer than anybody remembers why it is there. */
  keyGraceSecondsMin: 600,
  keyGraceSecondsMax: 30 * 24 * 3_600,

  // Callers
  /** A verified credential is trusted this long without asking again (SR-09); revocation is seen within it. */
  credentialCacheMs: 5_000,
  credentialCacheMax: 10_000,
  /** The same for a token of an issuer, which cannot be revoked one by one; never beyond its end. */
  tokenCacheMs: 60_000,
  /** An agent as it was looked up; what another replica changed is seen within it. */
  agentCacheMs: 1_000,
  agentCacheMax: 10_000,
  authFailuresPerMinute: 10,
  /** Callers that one process keeps count of; those that have not asked for a while are not among them. */
  rateBucketsMax: 10_000,
  agentsPerTenantMax: 10_000,
  /** Those of the gateway's own machine that came without a key: one program gone wild must leave room for the others. */
  enrolledAgentsMax: 1_000,
  keysPerTenantMax: 10_000,

  /** Refusals that one process writes down a minute; rows of the audit that one request verifies. */
  denialsNotedPerMinute: 100,
  auditPageRowsMax: 1_000,

  // Running
  drainMs: 20_000,
  stopGraceMs: 5_000,
  logLineCharsMax: 8_192,
} as const

assert(LIMITS.leaseHeartbeatMs * 3 < LIMITS.leaseMs)
assert(LIMITS.serverStatementMs < LIMITS.statementMs)

/** The same bounds as a type with plain numbers, so that a test or a setting can tighten one. */
export type Limits = { readonly [Name in keyof typeof LIMITS]: number }
