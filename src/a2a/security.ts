/** Security schemes of an agent card (A2A 1.0 §4.5). Each scheme is a oneof: exactly one member is there. */
import { z } from 'zod'

export const SecurityRequirement = z.object({
  schemes: z.record(z.string(), z.object({ list: z.array(z.string()).default([]) })),
})
export type SecurityRequirement = z.infer<typeof SecurityRequirement>

export const SecurityScheme = z.looseObject({
  apiKeySecurityScheme: z
    .object({ description: z.string().optional(), location: z.string(), name: z.string() })
    .optional(),
  httpAuthSecurityScheme: z
    .object({ description: z.string().optional(), scheme: z.string(), bearerFormat: z.string().optional() })
    .optional(),
  oauth2SecurityScheme: z
    .looseObject({
      description: z.string().optional(),
      flows: z.record(z.string(), z.unknown()),
      oauth2MetadataUrl: z.string().optional(),
    })
    .optional(),
  openIdConnectSecurityScheme: z
    .object({ description: z.string().optional(), openIdConnectUrl: z.string() })
    .optional(),
  mtlsSecurityScheme: z.object({ description: z.string().optional() }).optional(),
})
export type SecurityScheme = z.infer<typeof SecurityScheme>
