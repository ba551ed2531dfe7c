/** A mailbox by hand: what waits, taking it, answering it, and whom it takes messages from. */
import type { CommandRow, OptionRow } from './commandRow.ts'

const MAILBOX = 'Mailbox:'
const commands = async () => import('./commands/inbox.ts')
const contacts = async () => import('./commands/contact.ts')
const OF: OptionRow = ['--agent <name>', 'whose mailbox (default: WAYPOST_AGENT)']
const TEXT: OptionRow = ['--text <text>', 'what is said with it']
const FILTERS: readonly OptionRow[] = [
  ['--kind <kinds>', 'task, note, result, call or post, with commas'],
  ['--label <label>', 'with this label'],
  ['--from <caller>', 'of this sender'],
  ['--urgent', 'only what is urgent'],
]

const settling = (verb: 'done' | 'fail' | 'reject' | 'ask', about: string, more: readonly OptionRow[]): CommandRow => ({
  path: verb,
  args: '<lease>',
  group: MAILBOX,
  about,
  options: [OF, TEXT, ...more],
  examples: [`${verb} LEASE --agent shout --text "…"`],
  run: async () => (await commands())[verb],
})

export const INBOX: readonly CommandRow[] = [
  {
    path: 'inbox',
    args: '[name]',
    group: MAILBOX,
    about: 'what waits in a mailbox; takes nothing',
    options: [
      ...FILTERS,
      ['--unread', 'only what has no read mark'],
      ['--state <state>', 'waiting, leased, or held: what waits for your consent (default: waiting)'],
      ['--limit <n>', 'at most so many (default: 50)'],
    ],
    examples: ['inbox shout', 'inbox shout --kind result'],
    run: async () => (await commands()).inbox,
  },
  {
    path: 'next',
    args: '[name]',
    group: MAILBOX,
    about: 'take the next message; exit 5 when nothing comes',
    options: [
      ...FILTERS,
      ['--within <duration>', 'wait so long for one (default: 0s)'],
      ['--lease-for <duration>', 'it is yours so long (default: as the agent is registered)'],
    ],
    examples: ['next shout --within 30s', 'next shout --kind result -o json'],
    run: async () => (await commands()).next,
  },
  settling('done', 'a lease is done: the result as --text, or from a file', [
    ['--file <path|->', 'the result'],
    ['--message', 'it is a message: whoever still waits gets it instead of the task'],
  ]),
  settling('fail', 'a lease has failed', [['--retry', 'give it back, to be tried again']]),
  settling('reject', 'refuse what was sent', []),
  settling('ask', 'ask the sender something', []),
  {
    path: 'presence',
    args: '<name>',
    group: MAILBOX,
    about: 'whether an agent that collects is there, and how it is woken',
    examples: ['presence shout'],
    run: async () => (await commands()).presence,
  },
  {
    path: 'receipts',
    args: '<taskId>',
    group: MAILBOX,
    about: 'when a message was accepted, taken, settled',
    examples: ['receipts ID'],
    run: async () => (await commands()).receipts,
  },
  {
    path: 'search',
    args: '<words...>',
    group: MAILBOX,
    about: 'what was said in what you have sent or been sent: words, "a phrase", or, -not',
    options: [
      ['--participant <who>', 'with this one: a caller, or agent:<name>'],
      ['--context-id <id>', 'in this conversation'],
      ['--kind <kinds>', 'task, note, call or post, with commas'],
      ['--since <time>', 'opened since then, ISO 8601'],
      ['--until <time>', 'opened before then'],
      ['--limit <n>', 'at most so many (default: 50)'],
    ],
    examples: ['search invoice march', 'search invoice --participant agent:bob'],
    run: async () => (await import('./commands/search.ts')).search,
  },
  {
    path: 'contact list',
    group: MAILBOX,
    about: 'whom a mailbox takes messages from, and who asks',
    options: [OF, ['--state <state>', 'asked, accepted or refused']],
    examples: ['contact list --agent shout --state asked'],
    run: async () => (await contacts()).list,
  },
  {
    path: 'contact accept',
    args: '<caller>',
    group: MAILBOX,
    about: 'take messages from this caller; what waited for it goes on',
    options: [OF, ['--rights <list>', 'send, urgent, call, post, with commas (default: send,call,post)']],
    examples: ['contact accept key:alice --agent shout'],
    run: async () => (await contacts()).accept,
  },
  {
    path: 'contact refuse',
    args: '<caller>',
    group: MAILBOX,
    about: 'take nothing from this caller; what waits is rejected',
    options: [OF],
    run: async () => (await contacts()).refuse,
  },
  {
    path: 'contact remove',
    args: '<caller>',
    group: MAILBOX,
    about: 'forget a contact',
    options: [OF],
    run: async () => (await contacts()).remove,
  },
]
