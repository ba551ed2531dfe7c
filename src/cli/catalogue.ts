/** What `waypost explain` knows: every WAYPOST_ERR_* with its cause, its effect, its remedy, an example. */

export interface Page {
  readonly cause: string
  readonly effect: string
  readonly fix: string
  readonly example: string
}

const page = (cause: string, effect: string, fix: string, example: string): Page => ({ cause, effect, fix, example })

/** Starting and running the gateway. */
const RUNNING = {
  WAYPOST_ERR_CONFIG: page(
    'a setting has a value that cannot be used, or two settings contradict each other',
    'the gateway does not start',
    'correct the settings that the message names; flags beat environment beats waypost.config.json',
    'waypost config show',
  ),
  WAYPOST_ERR_NODE_VERSION: page(
    'this Node is older than 20.19',
    'nothing is installed or started',
    'install a supported Node, best 24 LTS',
    'nvm install 24 && npm start',
  ),
  WAYPOST_ERR_BOOTSTRAP: page(
    'installing dependencies or building failed',
    'nothing is started',
    'read the lines above the error; run the failed step by hand',
    'npm ci && npm run build',
  ),
  WAYPOST_ERR_DATA_LOCKED: page(
    'another gateway uses the same data directory',
    'this one does not start: two on one embedded database would lose tasks',
    'stop the other, choose another directory, or use PostgreSQL for several replicas',
    'WAYPOST_DATA=./other waypost serve',
  ),
  WAYPOST_ERR_OPEN_BIND: page(
    'HOST is not a loopback address while WAYPOST_AUTH is off',
    'the gateway does not start: anybody on the network could send in your name',
    'require keys, or bind 127.0.0.1',
    'WAYPOST_AUTH=required HOST=0.0.0.0 waypost serve',
  ),
  WAYPOST_ERR_PORT_IN_USE: page(
    'another program listens on the port',
    'the gateway does not start; it never takes another port silently',
    'stop that program, or choose a port',
    'waypost serve --port 4380',
  ),
  WAYPOST_ERR_DB_UNREACHABLE: page(
    'the database at DATABASE_URL does not answer',
    'the gateway is not ready; running replicas answer 503 and take up again by themselves',
    'check address, password and network; the gateway keeps trying',
    'waypost doctor',
  ),
  WAYPOST_ERR_DB_VERSION: page(
    'the PostgreSQL server is older than what the statements need',
    'the gateway does not start',
    'upgrade the server; PostgreSQL 15 or newer is supported',
    'waypost doctor',
  ),
  WAYPOST_ERR_SCHEMA_NEWER: page(
    'the database was migrated by a newer version of this program',
    'this version does not start: it would write what the newer one does not expect',
    'start the newer version, or restore a backup made before the upgrade',
    'waypost migrate status',
  ),
  WAYPOST_ERR_MIGRATION_FAILED: page(
    'a migration could not be applied, or its file was edited after it had been',
    'the gateway does not start; each file is applied whole or not at all',
    'read the database error; restore the released file',
    'waypost migrate up',
  ),
  WAYPOST_ERR_PG_DATADIR_MAJOR: page(
    'the embedded database was written by another PostgreSQL major version',
    'the gateway does not start',
    'start the version that wrote it, or begin with an empty directory',
    'WAYPOST_DATA=./fresh waypost serve',
  ),
  WAYPOST_ERR_KEY_MISSING: page(
    'WAYPOST_MASTER_KEY is not given although DATABASE_URL is',
    'the gateway does not start: stored credentials could not be read by every replica',
    'make one and give it to every replica',
    'export WAYPOST_MASTER_KEY=$(openssl rand -base64 32)',
  ),
  WAYPOST_ERR_SEAL: page(
    'a stored credential cannot be opened with this master key',
    'calls that need this credential fail; everything else goes on',
    'start with the WAYPOST_MASTER_KEY that it was stored with, or register the credential again',
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_CLOCK_SKEW: page(
    'this machine and the database disagree about the time by more than a minute',
    'leases and order are safe, they use the database clock; receivers may reject webhook signatures',
    'enable time synchronisation',
    'waypost doctor',
  ),
  WAYPOST_ERR_STORE: page(
    'a statement failed or was not answered in time',
    'the operation was refused or its outcome is unknown; the message says which',
    'repeat it with the same messageId: what was done already is not done twice',
    'waypost status',
  ),
  WAYPOST_ERR_SHUTTING_DOWN: page(
    'the gateway is stopping',
    'no new requests are taken; work in hand is handed over, not failed',
    'repeat at another replica, or when it is back',
    'waypost healthcheck complete',
  ),
} as const satisfies Record<string, Page>

/** Tasks, agents and deliveries. */
const CARRYING = {
  WAYPOST_ERR_CARD_INVALID: page(
    'the agent card breaks the A2A schema; the message names the member',
    'the agent cannot be addressed until it serves a valid card; what was accepted waits',
    'correct the card at the agent',
    'waypost card get --validate -a https://agent.example.test',
  ),
  WAYPOST_ERR_CARD_SIGNATURE: page(
    'a signature on the card does not verify',
    'the card is shown as unverified',
    'sign it anew, after the last change of the card',
    'waypost card get -a @name -o json',
  ),
  WAYPOST_ERR_AGENT_NOT_FOUND: page(
    'no agent of this name is registered',
    'nothing was sent',
    'check the name, or register the agent',
    'waypost agent list',
  ),
  WAYPOST_ERR_AGENT_UNAVAILABLE: page(
    'the agent is offline and its policy whenOffline is reject',
    'the message was not accepted',
    'send later, or let it queue: whenOffline queue',
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_AGENT_OFFLINE: page(
    'the agent does not answer',
    'none for you: tasks wait and are delivered when it is back, at once when it calls in',
    'start the agent; have it looked at now with probe',
    'waypost agent probe <name>',
  ),
  WAYPOST_ERR_AGENT_PAUSED: page(
    'an operator has paused the agent',
    'messages are accepted and wait',
    'resume it',
    'waypost agent resume <name>',
  ),
  WAYPOST_ERR_QUEUE_FULL: page(
    'too many messages wait for this agent',
    'the message was not accepted; what was accepted before is safe',
    'send later (Retry-After says when), or find out why it does not drain',
    'waypost agent show <name>',
  ),
  WAYPOST_ERR_TASK_EXPIRED: page(
    'the message waited longer than its time to live, or past its deadline',
    'the task is FAILED with this reason',
    'send it again, or give it longer with ttlSeconds in the metadata',
    'waypost task explain <taskId>',
  ),
  WAYPOST_ERR_LEASE_LOST: page(
    'the lease ran out before the agent reported, and the delivery belongs to another attempt now',
    'the report was refused and changed nothing',
    'lease again; renew in time',
    'waypost task explain <taskId>',
  ),
  WAYPOST_ERR_MESSAGE_ID_REUSED: page(
    'this messageId was used before, for other content',
    'nothing was accepted',
    'use a new messageId (a UUID) for every message',
    'waypost send -a @echo --text hello',
  ),
  WAYPOST_ERR_EGRESS_BLOCKED: page(
    'the address belongs to a network that outbound calls may not reach',
    'nothing was sent there',
    'allow the network if it is yours, as narrowly as you can',
    'WAYPOST_EGRESS_ALLOW=10.1.2.0/24:443 waypost serve',
  ),
  WAYPOST_ERR_WEBHOOK_DISABLED: page(
    'the receiver answered 410, or failed for 24 hours',
    'its events are dead letters',
    'mend the receiver, then replay',
    'waypost dlq replay --kind webhook --dry-run',
  ),
  WAYPOST_ERR_CONFIG_LIMIT: page(
    'the task has as many push configurations as it may have',
    'this one was not created',
    'delete one',
    'waypost task push-config list <taskId>',
  ),
} as const satisfies Record<string, Page>

/** Requests that were not good. */
const ASKING = {
  WAYPOST_ERR_NOT_FOUND: page(
    'there is nothing of this name or id that your key may see',
    'nothing happened',
    'check the id',
    'waypost task list',
  ),
  WAYPOST_ERR_DELIVERY_NOT_FOUND: page(
    'there is no delivery of this id',
    'nothing happened',
    'list what can be replayed',
    'waypost dlq list',
  ),
  WAYPOST_ERR_DELIVERY_NOT_DEAD: page(
    'only a dead or expired delivery can be tried anew; this one is still under way, or done',
    'nothing happened',
    'see how it stands',
    'waypost dlq show <delivery>',
  ),
  WAYPOST_ERR_KEY_NOT_FOUND: page(
    'there is no key of this id, or it was revoked before',
    'nothing happened',
    'list the keys',
    'waypost key list',
  ),
  WAYPOST_ERR_PERMISSION_DENIED: page(
    'your key does not permit this',
    'nothing happened',
    'use a key with the permit, or have one made',
    'waypost key create --permits send,read,cancel',
  ),
  WAYPOST_ERR_INVALID_REQUEST: page(
    'the request is not formed as its route wants it',
    'nothing happened',
    'correct what the message names',
    'waypost help',
  ),
  WAYPOST_ERR_INVALID_PARAMS: page(
    'a value is not valid; the message names the field',
    'nothing happened',
    'correct the field',
    'waypost help send',
  ),
  WAYPOST_ERR_JSON_PARSE: page(
    'the body is not JSON',
    'nothing happened',
    'correct the body',
    'waypost send -a @echo --data order.json',
  ),
  WAYPOST_ERR_METHOD_NOT_FOUND: page(
    'there is no such operation',
    'nothing happened',
    'check the name and the version',
    'waypost card get -a @echo',
  ),
  WAYPOST_ERR_METHOD_NOT_ALLOWED: page(
    'the route exists, but not with this verb',
    'nothing happened',
    'see the Allow header',
    'waypost help',
  ),
  WAYPOST_ERR_PAYLOAD_TOO_LARGE: page(
    'the request, or a part of it, is larger than allowed; the message says by what limit',
    'nothing was accepted',
    'put large content behind a URL part',
    'waypost send -a @echo --file https://files.example.test/report.pdf',
  ),
  WAYPOST_ERR_UNSUPPORTED_MEDIA_TYPE: page(
    'the request has a Content-Type that the route does not take',
    'nothing happened',
    'send application/json',
    'waypost send -a @echo --text hello',
  ),
  WAYPOST_ERR_NOT_ACCEPTABLE: page(
    'the Accept header excludes every form that can be answered',
    'nothing happened',
    'accept application/json',
    'waypost card get -a @echo',
  ),
  WAYPOST_ERR_RATE_LIMITED: page(
    'too many requests, or too many failed sign-ins',
    'the request was not taken',
    'wait as long as Retry-After says',
    'waypost status',
  ),
  WAYPOST_ERR_CONFLICT: page(
    'it exists already and is not yours, or it changed meanwhile',
    'nothing happened',
    'look at it as it is now, then decide',
    'waypost agent list',
  ),
  WAYPOST_ERR_UNAVAILABLE: page(
    'the gateway cannot commit now: database, overload, or stopping',
    'nothing was accepted',
    'repeat after Retry-After; the same messageId is safe',
    'waypost healthcheck complete',
  ),
  WAYPOST_ERR_OUTCOME_UNKNOWN: page(
    'the answer of the database was lost: the message may have been accepted',
    'unknown, until you ask again',
    'send the same message again, with the same messageId: there will be one task',
    'waypost send -a @echo --message-id <uuid> --text hello',
  ),
  WAYPOST_ERR_INTERNAL: page(
    'a mistake in the gateway',
    'the operation failed',
    'report it with the trace id',
    'waypost doctor',
  ),
} as const satisfies Record<string, Page>

export const CATALOGUE: Readonly<Record<string, Page>> = { ...RUNNING, ...CARRYING, ...ASKING }
