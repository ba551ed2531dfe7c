/** Push notification configurations (A2A 1.0 §4.3). */
import { z } from 'zod'

/** Visible ASCII only: a CR or LF here would forge a header in the webhook request (a2a-java PR 1043). */
const headerText = z
  .string()
  .max(4096)
  .regex(/^[\x20-\x7e]*$/, { error: 'visible ASCII characters only' })

export const AuthenticationInfo = z.object({
  scheme: headerText
    .min(1)
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, { error: 'an HTTP authentication scheme (RFC 9110 §11.1)' }),
  credentials: headerText.optional(),
})
export type AuthenticationInfo = z.infer<typeof AuthenticationInfo>

export const TaskPushNotificationConfig = z.object({
  tenant: z.string().optional(),
  id: z.string().max(128).optional(),
  taskId: z.string().optional(),
  url: z.string().min(1).max(2048),
  token: headerText.optional(),
  authentication: AuthenticationInfo.optional(),
})
export type TaskPushNotificationConfig = z.infer<typeof TaskPushNotificationConfig>
