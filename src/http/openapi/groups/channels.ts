/** Channels, conversations and rooms: more than two who talk. */
import { ChannelChanges, ChannelDocument } from '../../../gateway/channels/channel.ts'
import * as channels from '../../admin/channels.ts'
import * as conversations from '../../admin/conversations.ts'
import { SEARCH } from '../../admin/search.ts'
import { Joining, NewRoom, Saying } from '../../rooms/room.ts'
import * as rooms from '../../rooms/rooms.ts'
import * as shown from '../answers.ts'
import { type Entry, type Group, LAST_EVENT, pageOf, stream } from '../entry.ts'

const NOT_THERE = ['AGENT_NOT_FOUND'] as const
const OWNERS = ['AGENT_NOT_FOUND', 'PERMISSION_DENIED'] as const

export const CHANNELS: Group = {
  name: 'Channels',
  about:
    'An address `#name` that gives what is sent there to its members: to each, or to any one of them. Posts are sent by A2A.',
  entries: {
    'POST /v1/channels': {
      summary: 'Open a channel',
      body: ChannelDocument,
      example: { name: 'builds', members: ['ann', 'bob'], collect: 'first' },
      answers: { 201: shown.Channel },
      codes: ['AGENT_NOT_FOUND', 'CONFLICT', 'CONFIG_LIMIT'],
    },
    'GET /v1/channels': { summary: 'List channels', query: channels.LIST, answers: { 200: pageOf(shown.Channel) } },
    'GET /v1/channels/:name': {
      summary: 'Look at one channel',
      answers: { 200: shown.Channel },
      codes: NOT_THERE,
    },
    'PATCH /v1/channels/:name': {
      summary: 'Change a channel',
      body: ChannelChanges,
      example: { title: 'What is built' },
      answers: { 200: shown.Channel },
      codes: OWNERS,
    },
    'DELETE /v1/channels/:name': {
      summary: 'Close a channel',
      query: channels.REMOVE,
      answers: { 200: shown.Removed },
      codes: [...OWNERS, 'CONFLICT'],
    },
    'GET /v1/channels/:name/posts': {
      summary: 'What was posted, in order',
      query: channels.POSTS,
      answers: { 200: shown.Posts },
      codes: NOT_THERE,
    },
    'GET /v1/channels/:name/members': {
      summary: 'Who is in it',
      answers: { 200: pageOf(shown.Member) },
      codes: NOT_THERE,
    },
    'POST /v1/channels/:name/members': {
      summary: 'Join, or let an agent join',
      about: 'With `from` it gets what was posted before, too.',
      body: channels.JOIN,
      example: { agent: 'ann', from: 'last:10' },
      answers: { 201: shown.Joined, 200: shown.Joined },
      codes: [...OWNERS, 'CONFIG_LIMIT'],
    },
    'DELETE /v1/channels/:name/members': {
      summary: 'Leave a channel',
      query: channels.LEAVE,
      answers: { 200: shown.Left },
      codes: OWNERS,
    },
    'DELETE /v1/channels/:name/members/:agent': {
      summary: 'Take an agent out of a channel',
      answers: { 200: shown.Left },
      codes: [...OWNERS, 'INVALID_PARAMS'],
    },
  },
}

export const CONVERSATIONS: Group = {
  name: 'Conversations',
  about: 'Everything that was said in one context, for those who take part in it.',
  entries: {
    'GET /v1/search': {
      summary: 'What was said, by its words',
      about:
        'Words, "a phrase", `or`, `-not`. Everybody finds in what it has sent or been sent; an administrator in all, and that is written into the audit.',
      query: SEARCH,
      answers: { 200: pageOf(shown.FoundText) },
    },
    'GET /v1/conversations': {
      summary: 'List conversations, the newest first',
      query: conversations.LIST,
      answers: { 200: pageOf(shown.Conversation) },
    },
    'GET /v1/conversations/:id': {
      summary: 'One conversation, from its beginning',
      query: conversations.ONE,
      answers: { 200: shown.ConversationPage },
      codes: ['TASK_NOT_FOUND'],
    },
    'GET /v1/conversations/:id/events': {
      summary: 'What is said in it, as it is said',
      headers: LAST_EVENT,
      answers: { 200: stream('what was said', shown.Said) },
      codes: ['TASK_NOT_FOUND', 'RATE_LIMITED'],
    },
  },
}

const ROOM = {
  '': {
    GET: { summary: 'Look at a room', answers: { 200: shown.RoomWithMembers }, codes: NOT_THERE, mayName: true },
  },
  '/join': {
    POST: {
      summary: 'Come in',
      about: 'An agent with its token becomes a member that gets what is said; anybody else is a name in the list.',
      body: Joining,
      example: { agentName: 'ann' },
      answers: { 200: shown.Entered },
      codes: [...OWNERS, 'CONFIG_LIMIT'],
      mayName: true,
    },
  },
  '/messages': {
    POST: {
      summary: 'Say something',
      about: 'Who is named with `@name` gets it as a task.',
      body: Saying,
      example: { sender: 'ann', content: 'who looks at this? @bob' },
      answers: { 201: shown.RoomSaid },
      codes: [...OWNERS, 'RATE_LIMITED', 'MESSAGE_ID_REUSED', 'CONFIG_LIMIT', 'STORAGE_FULL'],
      mayName: true,
    },
    GET: {
      summary: 'What was said',
      query: rooms.READ,
      answers: { 200: shown.RoomMessages },
      codes: NOT_THERE,
      mayName: true,
    },
    DELETE: { summary: 'Hide what was said until now', answers: { 200: shown.Cleared }, codes: OWNERS },
  },
  '/history': {
    GET: {
      summary: 'What was said (another name of the same)',
      query: rooms.READ,
      answers: { 200: shown.RoomMessages },
      codes: NOT_THERE,
      mayName: true,
    },
  },
  '/stream': {
    GET: {
      summary: 'What is said, as it is said',
      query: rooms.READ,
      headers: LAST_EVENT,
      answers: { 200: stream('`event` is `message`', shown.RoomMessage) },
      codes: [...NOT_THERE, 'RATE_LIMITED'],
      mayName: true,
    },
  },
} satisfies Record<string, Record<string, Entry>>

const roomsUnder = (base: string): Record<string, Entry> =>
  Object.fromEntries(
    Object.entries(ROOM).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, entry]) => [`${method} ${base}/rooms/:id${path}`, entry]),
    ),
  )

export const ROOMS: Group = {
  name: 'Rooms',
  about:
    'A view on channels for those who only know a link: `/agent/…` without a key where that is switched on, `/api/…` with one.',
  entries: {
    'POST /agent/demo/room': {
      summary: 'Open a room without a key',
      body: NewRoom,
      example: { name: 'lobby' },
      answers: { 201: shown.Room },
      codes: ['METHOD_NOT_FOUND', 'CONFIG_LIMIT'],
    },
    'POST /api/rooms': {
      summary: 'Open a room',
      body: NewRoom,
      example: { name: 'lobby' },
      answers: { 201: shown.Room },
      codes: ['CONFIG_LIMIT'],
    },
    'GET /api/rooms': { summary: 'List rooms', query: rooms.LIST, answers: { 200: pageOf(shown.Room) } },
    ...roomsUnder('/agent'),
    ...roomsUnder('/api'),
  },
}
