/** The operator's verbs: one management route each, and what runs on this machine. */

import { SETTINGS, type Setting } from '../config.ts'
import { AGENTS } from './agentTree.ts'
import type { CommandRow, OptionRow } from './commandRow.ts'
import { A2A, CLIENT_COMMANDS, GLOBAL_OPTIONS } from './commandTree.ts'
import { DATA } from './dataTree.ts'
import { DRY, GATEWAY, YES } from './rows.ts'

const REPAIR = 'Looking and mending:'

const key = async () => import('./commands/key.ts')
const audit = async () => import('./commands/audit.ts')
const deliveries = async () => import('./commands/deliveries.ts')

const KEYS: readonly CommandRow[] = [
  {
    path: 'key create',
    args: '[name]',
    group: GATEWAY,
    about: 'make a key; its secret is shown once',
    options: [
      ['--permits <list>', 'send, read, cancel, push, agent, observe, admin or operator, with commas'],
      ['--scope <list>', 'narrower: agent:NAME:send, task:read, task:cancel, push:write, card:read, mailbox:NAME'],
      ['--agents <list>', 'only these agents (default: all)'],
      ['--rate <n[/burst]>', 'messages a second, and how many at once; or off (default: as WAYPOST_SEND_RATE says)'],
      ['--expires <duration>', 'ends by itself (30d)'],
    ],
    examples: [
      'key create billing --permits send,read --agents invoices',
      'key create acme-admin --tenant acme --permits admin',
    ],
    run: async () => (await key()).create,
  },
  {
    path: 'key list',
    group: GATEWAY,
    about: 'keys, without their secrets',
    options: [['--all', 'revoked ones too']],
    run: async () => (await key()).list,
  },
  {
    path: 'key revoke',
    args: '<id>',
    group: GATEWAY,
    about: 'end a key',
    options: [YES],
    examples: ['key revoke ID --yes'],
    run: async () => (await key()).revoke,
  },
  {
    path: 'key rotate-master',
    group: GATEWAY,
    about: 'seal everything anew under WAYPOST_MASTER_KEY, so that the key before it can be forgotten',
    examples: ['key rotate-master'],
    run: async () => (await key()).rotateMaster,
  },
  {
    path: 'key signing',
    group: GATEWAY,
    about: 'the keys that sign cards and webhooks',
    run: async () => (await key()).signing,
  },
  {
    path: 'key rotate-signing',
    group: GATEWAY,
    about: 'sign with a new key; the old one stays published for a grace',
    options: [
      ['--grace <duration>', 'how long (default: WAYPOST_KEY_GRACE_SECONDS, a day)'],
      ['--compromised', 'others know the old keys: no grace at all'],
      YES,
    ],
    examples: ['key rotate-signing', 'key rotate-signing --compromised --yes'],
    run: async () => (await key()).rotateSigning,
  },
]

const LIMIT: OptionRow = ['--limit <n>', 'how many']

const AUDIT: readonly CommandRow[] = [
  {
    path: 'audit list',
    group: REPAIR,
    about: 'who did what to what, newest first',
    options: [
      ['--actor <caller>', 'only what this caller did'],
      ['--action <action>', 'only this, as agent.paused'],
      ['--subject <id>', 'only what was done to this agent, key or task'],
      LIMIT,
    ],
    examples: ['audit list --subject invoices'],
    run: async () => (await audit()).list,
  },
  {
    path: 'audit verify',
    group: REPAIR,
    about: 'check that nobody has changed, removed or moved what is in the audit',
    options: [['--expect <n:hash>', 'what an earlier verification printed as Last: it must still be so']],
    examples: ['audit verify'],
    run: async () => (await audit()).verify,
  },
]

const FILTER: readonly OptionRow[] = [
  ['--agent <name>', 'only those of this agent'],
  ['--task <id>', 'only those of this task'],
]
const KIND: OptionRow = ['--kind <kind>', 'only a2a, mailbox, webhook or mcp']

const DELIVERIES: readonly CommandRow[] = [
  {
    path: 'dlq list',
    group: REPAIR,
    about: 'dead letters: what will not be tried again by itself',
    options: [...FILTER, KIND, LIMIT],
    run: async () => (await deliveries()).listDead,
  },
  {
    path: 'dlq show',
    args: '<delivery>',
    group: REPAIR,
    about: 'everything about one delivery',
    run: async () => (await deliveries()).show,
  },
  {
    path: 'dlq replay',
    args: '[delivery...]',
    group: REPAIR,
    about: 'try dead letters anew, by id or by filter',
    options: [...FILTER, KIND, ['--all', 'all of them'], YES, DRY],
    examples: ['dlq replay ID', 'dlq replay --agent @invoices --dry-run', 'dlq replay --all --yes'],
    run: async () => (await deliveries()).replay,
  },
  {
    path: 'webhook listen',
    group: REPAIR,
    about: 'receive webhooks on this machine and check their signatures',
    options: [
      ['--task <id>', 'register for this task'],
      ['--agent <name>', 'register for every unfinished task of this agent, those to come included'],
      ['-a, --agent-card <ref>', 'the agent of the task, if it is not of this gateway'],
      ['--forward-to <url>', 'pass every event on'],
      ['--port <port>', 'port (default: any free one)'],
      ['--bind <address>', 'address to listen on (default: 127.0.0.1)'],
      ['--advertise <url>', 'where the gateway reaches this receiver, if elsewhere'],
      ['--secret <secret>', 'signing secret, whsec_… (default: a new one)'],
    ],
    examples: ['webhook listen --task ID', 'webhook listen --agent @echo --forward-to http://localhost:3000/hook'],
    run: async () => (await import('./commands/webhookListen.ts')).listen,
  },
  {
    path: 'webhook attempts',
    group: REPAIR,
    about: 'what receivers answered',
    options: [
      ['--task <id>', 'only those of this task'],
      ['--outcome <outcome>', 'delivered, retry, dead or superseded'],
      LIMIT,
    ],
    examples: ['webhook attempts --task ID'],
    run: async () => (await deliveries()).listAttempts,
  },
  {
    path: 'webhook replay',
    args: '<delivery...>',
    group: REPAIR,
    about: 'send webhooks anew',
    options: [YES],
    run: async () => (await deliveries()).replay,
  },
  {
    path: 'task explain',
    args: '<taskId>',
    group: REPAIR,
    about: 'where is my message, and why',
    examples: ['task explain ID'],
    run: async () => (await import('./commands/taskExplain.ts')).explain,
  },
  ...AUDIT,
]

/** The gateway's settings are its flags, from the one list in config.ts. */
const settingOptions = (): OptionRow[] =>
  (Object.values(SETTINGS) as Setting[]).map(({ flag, means, env }) => [`--${flag} <value>`, `${means} [${env}]`])

export const operatorCommands = (): readonly CommandRow[] => [
  {
    path: 'serve',
    group: GATEWAY,
    about: 'run the gateway',
    options: settingOptions(),
    examples: ['serve', 'serve --port 4380'],
    run: async () => (await import('./commands/serve.ts')).serve,
  },
  {
    path: 'status',
    group: GATEWAY,
    about: 'is the gateway well, what waits',
    run: async () => (await import('./commands/status.ts')).status,
  },
  ...AGENTS,
  ...[...KEYS, ...DATA],
  ...DELIVERIES,
  {
    path: 'doctor',
    group: REPAIR,
    about: 'check this machine, the settings, the gateway',
    run: async () => (await import('./commands/doctor.ts')).doctor,
  },
  {
    path: 'migrate status',
    group: REPAIR,
    about: 'which migrations the database has',
    run: async () => (await import('./commands/migrate.ts')).status,
  },
  {
    path: 'migrate up',
    group: REPAIR,
    about: 'apply what is pending',
    run: async () => (await import('./commands/migrate.ts')).up,
  },
  {
    path: 'healthcheck',
    args: '[minimal|complete]',
    group: REPAIR,
    about: 'exit 0 when the gateway is alive (minimal) or able to serve (complete)',
    run: async () => (await import('./commands/status.ts')).healthcheck,
  },
  {
    path: 'explain',
    args: '[code]',
    group: REPAIR,
    about: 'what an error code means, and what to do',
    examples: ['explain WAYPOST_ERR_QUEUE_FULL'],
    run: async () => (await import('./commands/explain.ts')).explainCode,
  },
  {
    path: 'completion',
    args: '<shell>',
    group: A2A,
    about: 'print a completion script for bash, zsh or fish',
    examples: ['completion bash > ~/.local/share/bash-completion/completions/waypost'],
    run: async () =>
      (await import('./commands/completion.ts')).completionOf(
        [...CLIENT_COMMANDS, ...operatorCommands()],
        GLOBAL_OPTIONS,
      ),
  },
  {
    path: 'cheat',
    args: '[topic]',
    group: REPAIR,
    about: 'commands to copy',
    run: async () => (await import('./commands/cheat.ts')).cheat,
  },
]
