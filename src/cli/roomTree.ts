/** The verbs on rooms: channels in which people and scripts talk, with one history for all. */
import type { CommandRow } from './commandRow.ts'
import { GATEWAY, YES } from './rows.ts'

const room = async () => import('./commands/room.ts')

export const ROOMS: readonly CommandRow[] = [
  {
    path: 'room create',
    args: '[name]',
    group: GATEWAY,
    about: 'a room to talk in; agents that join get what is said as deliveries',
    options: [['--description <text>', 'what it is for']],
    examples: ['room create lobby'],
    run: async () => (await room()).create,
  },
  { path: 'room list', group: GATEWAY, about: 'rooms that you may see', run: async () => (await room()).list },
  {
    path: 'room members',
    args: '<room>',
    group: GATEWAY,
    about: 'one room and who is in it',
    examples: ['room members ROOM'],
    run: async () => (await room()).members,
  },
  {
    path: 'room join',
    args: '<room>',
    group: GATEWAY,
    about: 'enter it: with an agent’s token the agent, which then gets what is said; else you',
    examples: ['room join ROOM'],
    run: async () => (await room()).join,
  },
  {
    path: 'room post',
    args: '<room> [text...]',
    group: GATEWAY,
    about: 'say something; @name in it gives it to that agent as a task',
    examples: ['room post ROOM "who looks at this, @reviewer?"'],
    run: async () => (await room()).post,
  },
  {
    path: 'room read',
    args: '<room>',
    group: GATEWAY,
    about: 'what was said, the oldest first',
    options: [
      ['--after <n>', 'what comes after this number (default: 0)'],
      ['--limit <n>', 'at most so many (default: 100)'],
      ['--follow', 'and what is being said, until Ctrl-C; with -o json one line for each'],
    ],
    examples: ['room read ROOM --after 40', 'room read ROOM --follow'],
    run: async () => (await room()).read,
  },
  {
    path: 'room tail',
    args: '<room>',
    group: GATEWAY,
    about: 'the last that was said',
    options: [
      ['--lines <n>', 'so many (default: 10)'],
      ['--follow', 'and what is being said, until Ctrl-C; with -o json one line for each'],
    ],
    examples: ['room tail ROOM --follow'],
    run: async () => (await room()).tail,
  },
  {
    path: 'room clear',
    args: '<room>',
    group: GATEWAY,
    about: 'hide what was said so far; its owner may',
    options: [YES],
    examples: ['room clear ROOM --yes'],
    run: async () => (await room()).clear,
  },
]
