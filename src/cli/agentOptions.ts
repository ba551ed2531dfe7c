/** Options that many client verbs share. What each is when nothing is said stands in its help (a2a-cli §6.5). */
import type { OptionRow } from './commandRow.ts'

/** On every command. */
export const GLOBAL_OPTIONS: readonly OptionRow[] = [
  ['-o, --output <format>', 'text, json or wide (default: text)'],
  ['-q, --quiet', 'nothing on stderr but errors and warnings'],
  ['--verbose', 'everything that was exchanged with the agent (default: concise)'],
  ['--debug', 'requests and answers on stderr; credentials stay hidden'],
  ['--color <when>', 'auto, always or never; operator tables only (default: auto)'],
  ['--time-format <form>', 'relative, iso or raw (default: relative)'],
  ['--config <path>', 'a dotenv file instead of the nearest .env'],
  ['--gateway <url>', 'the gateway (default: WAYPOST_URL, else http://localhost:4280)'],
  ['--key <key>', 'key for the gateway (default: WAYPOST_KEY, else .waypost/admin.key)'],
  ['--tenant <name>', "act in this tenant of the gateway; with an operator's key (default: the key's own)"],
]

const SEEN = 'others on this machine see it in the process list and the shell keeps it in its history; prefer'

/** Who is talked to, and how. */
export const AGENT: readonly OptionRow[] = [
  ['-a, --agent-card <ref>', 'the agent: @name of the gateway, a host, a URL, or a card file'],
  ['--bearer <token>', `bearer token for the agent; ${SEEN} A2ACLI_BEARER`],
  ['--api-key <key>', `API key for the agent; ${SEEN} A2ACLI_API_KEY`],
  ['--transport <binding>', "JSONRPC, HTTP+JSON or GRPC; repeatable, best first (default: the card's order)", 'repeat'],
  ['--svc-param <name:value>', 'service parameter, sent as a header; repeatable', 'repeat'],
  ['--extension <uri>', 'an A2A extension that you follow; repeatable', 'repeat'],
  ['--a2a-version <version>', 'protocol version to signal (default: 1.0)'],
  ['--client-cert <path>', 'certificate of this client, PEM (mutual TLS)'],
  ['--client-key <path>', 'its key, PEM'],
  ['--ca-cert <path>', 'who may have signed the certificate of the agent, PEM'],
  ['--insecure', 'do not check TLS certificates (default: they are checked); development only'],
]

export const WAIT: readonly OptionRow[] = [
  ['--timeout <duration>', 'give up waiting after this: 30s, 5m; the task goes on (default: never)'],
  ['--poll-interval <duration>', 'how often to ask while waiting (default: 2s)'],
  ['--wait-auth', 'wait on while the task asks for authorization that it gets elsewhere'],
  ['--exit-status', 'exit 10 if the task failed, 11 if it needs input, 12 if rejected or canceled'],
]
