/** The verbs on channels, and calls. */
import type { CommandRow } from './commandRow.ts'
import { GATEWAY, YES } from './rows.ts'

const channel = async () => import('./commands/channel.ts')

export const CHANNELS: readonly CommandRow[] = [
  {
    path: 'channel create',
    args: '[name]',
    group: GATEWAY,
    about: 'an address that gives what is sent to it to its members',
    options: [
      ['--title <text>', 'for people'],
      ['--members <list>', 'agents, with commas'],
      ['--mode <mode>', 'all: each member gets it; one: any one member takes it (default: all)'],
      ['--collect <rule>', 'none, first, all or quorum:N: whose answers end a post (default: none)'],
      ['--collect-seconds <n>', 'how long answers are waited for'],
      ['--post <who>', 'anyone, members or owner (default: members)'],
      ['--join <who>', 'anyone or owner (default: anyone)'],
      ['--visibility <who>', 'tenant or members (default: tenant)'],
    ],
    examples: ['channel create reviews --members ann,bob --collect quorum:2', 'channel create jobs --mode one'],
    run: async () => (await channel()).create,
  },
  { path: 'channel list', group: GATEWAY, about: 'channels that you may see', run: async () => (await channel()).list },
  {
    path: 'channel show',
    args: '<name>',
    group: GATEWAY,
    about: 'one channel and its members',
    examples: ['channel show reviews'],
    run: async () => (await channel()).show,
  },
  {
    path: 'channel join',
    args: '<name> [agent]',
    group: GATEWAY,
    about: 'let an agent get what is posted (default: the agent whose token this is)',
    options: [
      ['--from <where>', 'now, beginning, a post’s number or last:N: what it gets of earlier posts (default: now)'],
    ],
    examples: ['channel join reviews ann --from last:10'],
    run: async () => (await channel()).join,
  },
  {
    path: 'channel leave',
    args: '<name> [agent]',
    group: GATEWAY,
    about: 'what waits for it and was not taken is withdrawn',
    examples: ['channel leave reviews ann'],
    run: async () => (await channel()).leave,
  },
  {
    path: 'channel post',
    args: '<name> [text...]',
    group: GATEWAY,
    about: 'send to a channel; the same as send -a "#name"',
    options: [['--async', 'do not wait for answers']],
    examples: ['channel post reviews "who looks at this?"'],
    run: async () => (await channel()).post,
  },
  {
    path: 'channel remove',
    args: '<name>',
    group: GATEWAY,
    about: 'the channel, its members and its history; what was posted stays with who got it',
    options: [YES, ['--force', 'also if messages wait there that nobody has taken']],
    examples: ['channel remove reviews --yes'],
    run: async () => (await channel()).remove,
  },
  {
    path: 'call',
    args: '<agent> [text...]',
    group: GATEWAY,
    about: 'ring at an agent: answered when it is taken, declined when it is rejected',
    options: [
      ['--ring <seconds>', 'how long (default: 30)'],
      ['--no-answer <what>', 'inbox: leave it like any message; fail (default: inbox)'],
      ['--async', 'do not wait'],
    ],
    examples: ['call @ann "have you a minute?" --ring 20 --no-answer fail'],
    run: async () => (await channel()).ring,
  },
]
