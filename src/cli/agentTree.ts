/** The verbs on agents, and what makes one of a program or a host. */
import { CHANNELS } from './channelTree.ts'
import type { CommandRow, OptionRow } from './commandRow.ts'
import type { AgentVerb } from './commands/agent.ts'
import { INBOX } from './inboxTree.ts'
import { MCP } from './mcpTree.ts'
import { ROOMS } from './roomTree.ts'
import { DRY, GATEWAY, YES } from './rows.ts'
import { WORK } from './workTree.ts'

const agent = async () => import('./commands/agent.ts')

const verb = (name: AgentVerb, about: string, options: readonly OptionRow[] = []): CommandRow => ({
  path: `agent ${name}`,
  args: '<name>',
  group: GATEWAY,
  about,
  options,
  examples: [`agent ${name} invoices`],
  run: async () => (await agent()).verb(name),
})

export const AGENTS: readonly CommandRow[] = [
  {
    path: 'agent add',
    args: '<url|name|file.json>',
    group: GATEWAY,
    about: 'register an agent; it need not be up',
    options: [
      ['--name <name>', 'its name here (default: from its card)'],
      ['--mailbox', 'an agent without a server: it collects its tasks itself'],
      ['--mcp', 'the address is that of an MCP server: its tools are the skills'],
      ['--description <text>', 'what it does, until its own card is known'],
      ['--redelivery <policy>', 'atMostOnce or atLeastOnce'],
      ['--max-inflight <n>', 'tasks side by side'],
      ['--access <who>', 'keys or anonymous'],
    ],
    examples: [
      'agent add https://agent.example.test --name invoices',
      'agent add shout --mailbox',
      'agent add agent-cards/echo.json',
    ],
    run: async () => (await agent()).add,
  },
  {
    path: 'agent list',
    group: GATEWAY,
    about: 'agents, who is online, what waits',
    options: [
      ['--query <text>', 'only those that match'],
      ['--skill <id>', 'only those with this skill'],
      ['--tag <tag>', 'only those with this tag'],
      ['--available', 'only those that can take work now'],
    ],
    examples: ['agent list', 'agent list -o wide'],
    run: async () => (await agent()).list,
  },
  {
    path: 'agent match',
    args: '[need...]',
    group: GATEWAY,
    about: 'who could do it, the best first, and why',
    options: [
      ['--skill <skill>', 'has this skill'],
      ['--tag <tag>', 'has a skill with this tag'],
      ['--limit <n>', 'at most so many (default: 10)'],
    ],
    examples: ['agent match translate a contract into Polish', 'agent match --skill translate'],
    run: async () => (await agent()).match,
  },
  {
    path: 'agent show',
    args: '<name>',
    group: GATEWAY,
    about: 'everything about one agent',
    examples: ['agent show invoices'],
    run: async () => (await agent()).show,
  },
  verb('probe', 'look now whether it answers'),
  verb('pause', 'accept its messages, but do not deliver them'),
  verb('resume', 'deliver again'),
  {
    path: 'agent approve',
    args: '<name>',
    group: GATEWAY,
    about: 'accept that its card says another address, authentication or signing key',
    options: [['--change <id>', 'only this change, as agent show names it']],
    examples: ['agent show invoices', 'agent approve invoices'],
    run: async () => (await agent()).approve,
  },
  verb('drain', 'pause, and wait until what is under way has come home'),
  verb('rotate-key', 'a new token for a mailbox; the old one ends', [
    ['--grace <duration>', 'the old one is good for so long beside it (default: 0s; a week at most)'],
  ]),
  {
    path: 'agent remove',
    args: '<name>',
    group: GATEWAY,
    about: 'remove an agent',
    options: [YES, DRY, ['--force', 'although something is still owed to it']],
    examples: ['agent remove invoices --yes'],
    run: async () => (await agent()).remove,
  },
  MCP,
  ...WORK,
  ...INBOX,
  ...CHANNELS,
  ...ROOMS,
]
