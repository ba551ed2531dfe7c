/** The A2A client's verbs, after the a2a-cli specification 0.2; they work with any agent. */
import { AGENT, WAIT } from './agentOptions.ts'
import type { CommandRow, OptionRow } from './commandRow.ts'

export { GLOBAL_OPTIONS } from './agentOptions.ts'

export const A2A = 'A2A client:'

/** Nothing here streams, but whoever asks for JSON lines gets one (a2a-cli App. B). */
const ONE_LINE: OptionRow = ['--stream', '', 'hidden']

const task = async () => import('./commands/task.ts')
const push = async () => import('./commands/pushConfig.ts')

const CLIENT_SECRET = 'others on this machine see it in the process list; prefer A2ACLI_CLIENT_SECRET'

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
    ['--wait', 'wait until the task has ended or needs you (the default)'],
    ['--wait-for <what>', 'done (the default), or leased: the agent has taken it'],
    ['--no-wait', '', 'hidden'],
    ['--return-immediately', '', 'hidden'],
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
      ['--wait', 'wait until it has ended or needs you (default: show it as it is)'],
      ['--watch', '', 'hidden'],
      ONE_LINE,
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
      ['--status <state>', '', 'hidden'],
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
    options: [...AGENT, ONE_LINE],
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
    run: async () => (await import('./commands/taskDownload.ts')).taskDownload,
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
      ['--trust <jwks>', "keys that may sign it, a file (default: the signature's own jku, from the card's origin)"],
      ONE_LINE,
    ],
    examples: ['card get -a @echo', 'card get -a https://agent.example.test --validate'],
    run: async () => (await import('./commands/card.ts')).cardGet,
  },
  ...TASKS,
  ...PUSH,
  {
    path: 'auth login',
    group: A2A,
    about: "sign in at an agent's authorization server (OAuth 2.1, OpenID Connect)",
    options: [
      ...AGENT,
      ['--client-id <id>', 'who this program is there'],
      ['--client-secret <secret>', `its secret; ${CLIENT_SECRET}`],
      ['--grant <grant>', 'device-code or client-credentials (default: what the card offers and the secret allows)'],
      ['--scheme <name>', 'which scheme of the card (default: the first that serves)'],
      ['--scope <scope>', "repeatable (default: the card's)", 'repeat'],
    ],
    examples: ['auth login -a https://agent.example.test --client-id my-cli'],
    run: async () => (await import('./commands/auth.ts')).login,
  },
  {
    path: 'auth logout',
    group: A2A,
    about: 'forget the token of an agent',
    options: AGENT,
    run: async () => (await import('./commands/auth.ts')).logout,
  },
  {
    path: 'chat',
    group: A2A,
    about: 'talk with an agent, turn by turn; without a terminal: a line of stdin is a turn',
    options: [
      ...AGENT,
      ['--context-id <id>', 'go on in this context'],
      ['--task-id <id>', 'go on with this task'],
      ...WAIT,
    ],
    examples: ['chat -a @echo', 'printf "hello\\nand again\\n" | waypost chat -a @echo'],
    run: async () => (await import('./commands/chat.ts')).chat,
  },
  {
    path: 'conformance',
    group: A2A,
    about: "smoke-check a live agent, check by check of the A2A kit (TCK), or with the kit's own checkout",
    options: [
      ...AGENT,
      ['--kit <folder>', 'run this checkout of the a2a-tck instead; it needs its Python packages'],
      ['--python <program>', 'the Python that has them (default: python3)'],
      ['--exit-status', 'exit 10 if a check failed'],
    ],
    examples: ['conformance -a @echo', 'conformance -a https://agent.example.test --kit ../a2a-tck'],
    run: async () => (await import('./commands/conformance.ts')).conformance,
  },
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
    options: [...AGENT, ...WAIT, ['--async', 'do not wait'], ['--metadata <json>', 'metadata of every request']],
    run: async () => (await import('./commands/config.ts')).show,
  },
]
