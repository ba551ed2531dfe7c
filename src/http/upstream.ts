/** Where agents push to. The body is read and let go: it is a hint to look, and the agent is asked for the rest. */
import { A2AError } from '../a2a/errors.ts'
import { LIMITS } from '../limits.ts'
import { readBody } from '../wire/bindings/body.ts'
import { type Face, newFace } from './face.ts'

export interface UpstreamTools {
  /** false: the token is not that of the task. */
  readonly receivePush: (taskId: string, token: string) => boolean
}

export function upstreamRoutes({ receivePush }: UpstreamTools): Face {
  const face = newFace()
  face.post('/v1/upstream/:task', async (context) => {
    const { incoming } = context.env
    const bearer = /^Bearer (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1]
    const token = incoming.headers['x-a2a-notification-token'] ?? bearer
    await readBody(incoming, LIMITS)
    const known = typeof token === 'string' && receivePush(context.req.param('task'), token)
    if (!known) throw new A2AError('TASK_NOT_FOUND', 'no such task')
    return context.body(null, 204)
  })
  return face
}
