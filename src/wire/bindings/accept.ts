/** What a client is willing to read. */
import { A2AError } from '../../a2a/errors.ts'
import type { OperationName } from '../../a2a/operations.ts'

const STREAM = ['*/*', 'text/*', 'text/event-stream']
// Stream-minded clients ask for event streams everywhere and read JSON all the same.
const UNARY = ['*/*', 'application/*', 'application/json', 'application/a2a+json', 'text/event-stream']

/** @throws A2AError NOT_ACCEPTABLE */
export function refuseUnacceptable(accept: string | undefined, name: OperationName): void {
  if (accept === undefined || accept === '' || accept === '*/*') return
  const offered = name === 'SendStreamingMessage' || name === 'SubscribeToTask' ? STREAM : UNARY
  const asked = accept.split(',').map((range) => (range.split(';')[0] ?? '').trim().toLowerCase())
  if (asked.some((range) => offered.includes(range))) return
  throw new A2AError('NOT_ACCEPTABLE', `this operation answers with ${offered.slice(2).join(' or ')}`)
}
