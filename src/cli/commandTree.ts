/** The A2A client's verbs, after the a2a-cli specification 0.2; they work with any agent. */
import type { CommandRow, OptionRow } from './commandRow.ts'

export const A2A = 'A2A client:'

/** On every command. */
export const GLOBAL_OPTIONS: readonly OptionRow[] = [
  ['-o, --output <format>', 'text, json or wide (default: text)'],
  ['-q, --quiet', 'nothing on stderr but errors'],
  ['--verbose', 'show everything that was exchanged with the agent'],
  ['--debug', 'requests and answers on stderr; credentials stay hidden'],
  ['--color <when>', 'auto, always or never; operator tables only (default: auto)'],
  ['--time-format <form>', 'relative, iso or raw (default: relative)'],
  ['--config <path>', 'a dotenv file instead of the nearest .env'],
  ['--gateway <url>', 'the gateway (default: WAYPOST_URL, else http://localhost:4280)'],
  ['--key <key>', 'key for the gateway (default: WAYPOST_KEY, else .waypost/admin.key)'],
]

const AGENT: readonly OptionRow[] = [
  ['-a, --agent-card <ref>', 'the agent: @name of the gateway, a host, a URL, or a card file'],
  ['--bearer <token>', 'bearer token for the agent'],
  ['--api-key <key>', 'API key for the agent'],
  ['--transport <binding>', 'JSONRPC or HTTP+JSON; repeatable, best first', 'repeat'],
  ['--svc-param <name:value>', 'service parameter, sent as a header; repeatable', 'repeat'],
  ['--a2a-version <version>', 'protocol version to signal'],
  ['--insecure', 'do not check TLS certificates (development only)'],
]

const WAIT: readonly OptionRow[] = [
  ['--timeout <duration>', 'give up waiting after this (30s, 5m); the task goes on'],
  ['--poll-interval <duration>', 'how often to ask while waiting (default: 2s)'],
  ['--exit-status', 'exit 10 if the task failed, 11 if it needs input, 12 if rejected or canceled'],
]

const task = async () => import('./commands/task.ts')
const push = async () => import('./commands/pushConfig.ts')

const SEND: CommandRow = {
  path: 'send',
  args: '[text...]',
  group: A2A,
  about: 'send a message to start or continue a task, and wait for the outcome',
  options: [
    ...AGENT,
    ['--text <text>', 'a text part; repeatable', 'part'],
    ['--file <path|url>', 'a file part, inline or by reference; repeatable', 'part'],
    ['--data <path|->', 'a JSON part from a file or stdin; repeatable', 'part'],
    ['--media-type <type>', 'media type of the part before it', 'part'],
    ['--async', 'do not wait'],
    ['--wait', 'wait (the default)'],
    ['--stream', 'follow the events live; with -o json one JSON object per line'],
    ['--context-id <id>', 'start the task in this context'],
    ['--context <id>', '', 'hidden'],
    ['--task-id <id>', 'continue this task'],
    ['--task <id>', '', 'hidden'],
    ['--message-id <uuid>', 'repeat a send whose outcome is unknown'],
    ['--metadata <json>', 'metadata of the request, a JSON object'],
    ...WAIT,
  ],
  examples: [
    'send -a @echo --text "hello"',
    'send -a @echo --text "hello" --async',
    'send -a @echo --task-id ID --text "yes"',
  ],
  run: async () => (await import('./commands/send.ts')).send,
}

const TASKS: readonly CommandRow[] = [
  {
    path: 'task get',
    args: '<taskId>',
    group: A2A,
    about: "show a task's state and artifacts",
    options: [
      ...AGENT,
      ['--wait', 'wait until it has ended or needs you'],
      ['--history <n>', 'with the last n messages'],
      ...WAIT,
    ],
    examples: ['task get ID', 'task get --wait -a @echo ID'],
    run: async () => (await task()).taskGet,
  },
  {
    path: 'task list',
    group: A2A,
    about: 'list tasks, of one agent or of the whole gateway',
    options: [
      ...AGENT,
      ['--state <state>', 'only these: submitted, working, completed, …'],
      ['--context-id <id>', 'only those of this context'],
      ['--limit <n>', 'how many (1 to 100)'],
      ['--page-token <token>', 'the next page'],
      ['--stream', 'with -o json: one task per line'],
    ],
    examples: ['task list', 'task list -a @echo --state working'],
    run: async () => (await task()).taskList,
  },
  {
    path: 'task cancel',
    args: '<taskId>',
    group: A2A,
    about: 'cancel a task',
    options: AGENT,
    examples: ['task cancel ID'],
    run: async () => (await task()).taskCancel,
  },
  {
    path: 'task subscribe',
    args: '<taskId>',
    group: A2A,
    about: "follow a task's events until it has ended or needs you",
    options: [
      ...AGENT,
      ['--stream', 'with -o json: one event per line'],
      ['--last-event-id <id>', 'go on behind this event'],
      ...WAIT,
    ],
    examples: ['task subscribe ID', 'task subscribe ID --last-event-id 4 --stream -o json'],
    run: async () => (await task()).taskSubscribe,
  },
  {
    path: 'task download',
    args: '<taskId>',
    group: A2A,
    about: "save a task's artifacts",
    options: [
      ...AGENT,
      ['--out <folder>', 'where to (default: here)'],
      ['--overwrite', 'replace files that are there'],
    ],
    examples: ['task download ID --out ./results'],
    run: async () => (await task()).taskDownload,
  },
]

const PUSH: readonly CommandRow[] = [
  {
    path: 'task push-config create',
    args: '<taskId>',
    group: A2A,
    about: 'have the events of a task posted to a URL',
    options: [
      ...AGENT,
      ['--url <url>', 'where to'],
      ['--id <id>', 'name of this configuration'],
      ['--token <token>', 'comes back with every event'],
      ['--authentication <scheme credentials>', 'the Authorization header to send: "Bearer abc"'],
    ],
    examples: ['task push-config create ID --url https://hooks.example.test/a2a'],
    run: async () => (await push()).create,
  },
  {
    path: 'task push-config get',
    args: '<taskId> <configId>',
    group: A2A,
    about: 'show one push configuration',
    options: AGENT,
    run: async () => (await push()).get,
  },
  {
    path: 'task push-config list',
    args: '<taskId>',
    group: A2A,
    about: 'list the push configurations of a task',
    options: AGENT,
    run: async () => (await push()).list,
  },
  {
    path: 'task push-config delete',
    args: '<taskId> <configId>',
    group: A2A,
    about: 'delete a push configuration',
    options: AGENT,
    run: async () => (await push()).remove,
  },
]

export const CLIENT_COMMANDS: readonly CommandRow[] = [
  SEND,
  {
    path: 'card get',
    args: '[ref]',
    group: A2A,
    about: 'fetch and show an agent card',
    options: [
      ...AGENT,
      ['--validate', 'check it against the A2A schema'],
      ['--extended', 'the extended card, for those who are signed in'],
    ],
    examples: ['card get -a @echo', 'card get -a https://agent.example.test --validate'],
    run: async () => (await import('./commands/card.ts')).cardGet,
  },
  ...TASKS,
  ...PUSH,
  {
    path: 'demo-server',
    group: A2A,
    about: 'run a small A2A agent and register it at the gateway',
    options: [
      ['--name <name>', 'its name (default: echo)'],
      ['--port <port>', 'its port (default: 9100; 0: any)'],
      ['--bind <address>', 'address to listen on (default: 127.0.0.1)'],
      ['--advertise <url>', 'where the gateway reaches it, if elsewhere'],
      ['--delay <duration>', 'how long it works on a task (default: 0s)'],
      ['--input-required', 'ask back once before answering'],
      ['--register', 'fail when the gateway does not take it'],
      ['--no-register', 'do not register it'],
    ],
    examples: ['demo-server --name echo --delay 2s'],
    run: async () => (await import('./commands/demoServer.ts')).run,
  },
  {
    path: 'config show',
    group: A2A,
    about: 'every setting, its value and where it came from',
    run: async () => (await import('./commands/config.ts')).show,
  },
]
