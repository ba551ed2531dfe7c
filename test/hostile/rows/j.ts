/** J: abuse of streams. What takes time or tight limits is played where there are such. */
import { uuidv7 } from '../../../src/platform/ids.ts'
import { type Row, refused } from '../rows.ts'

const conduct = ['e2e/badConduct.test.ts']
const sse = ['wire/bindings/sse.test.ts']

export const J: readonly Row[] = [
  { id: 'J-01', what: 'who never reads', at: sse },
  { id: 'J-02', what: 'half a close', at: [...conduct, ...sse] },
  { id: 'J-03', what: 'a reset', at: conduct },
  { id: 'J-04', what: 'one stream too many of a caller', at: conduct },
  { id: 'J-05', what: 'connections that come and go', at: conduct },
  { id: 'J-06', what: 'line ends and NUL in a text', at: conduct },
  { id: 'J-07', what: 'a text that looks like a frame', at: conduct },
  {
    id: 'J-08',
    what: 'what is wrong before the first event is no stream',
    at: sse,
    cases: [
      refused('unknown', 'SubscribeToTask', () => ({ id: uuidv7() }), 'TASK_NOT_FOUND'),
      refused('ended', 'SubscribeToTask', ({ ended }) => ({ id: ended }), 'UNSUPPORTED_OPERATION', { agent: 'echo' }),
      refused(
        'no parts',
        'SendStreamingMessage',
        { message: { messageId: 'm', role: 'ROLE_USER', parts: [] } },
        'INVALID_PARAMS',
      ),
    ],
  },
  { id: 'J-09', what: 'what is wrong after the first event is an event', at: sse },
  { id: 'J-10', what: 'buffers and compression on the way', at: conduct },
]
