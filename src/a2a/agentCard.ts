/** The agent card (A2A 1.0 §4.4). Required arrays may be empty on the way in (ruling 9.10): real cards have `skills: []`. */
import { z } from 'zod'
import { Metadata } from './parts.ts'
import { SecurityRequirement, SecurityScheme } from './security.ts'

export const AgentInterface = z.object({
  url: z.string().min(1),
  protocolBinding: z.string().min(1),
  tenant: z.string().optional(),
  protocolVersion: z.string().min(1),
})
export type AgentInterface = z.infer<typeof AgentInterface>

export const AgentExtension = z.object({
  uri: z.string(),
  description: z.string().optional(),
  required: z.boolean().optional(),
  params: Metadata.optional(),
})
export type AgentExtension = z.infer<typeof AgentExtension>

export const AgentCapabilities = z.object({
  streaming: z.boolean().optional(),
  pushNotifications: z.boolean().optional(),
  extensions: z.array(AgentExtension).optional(),
  extendedAgentCard: z.boolean().optional(),
})
export type AgentCapabilities = z.infer<typeof AgentCapabilities>

export const AgentSkill = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  tags: z.array(z.string()).default([]),
  examples: z.array(z.string()).optional(),
  inputModes: z.array(z.string()).optional(),
  outputModes: z.array(z.string()).optional(),
  securityRequirements: z.array(SecurityRequirement).optional(),
})
export type AgentSkill = z.infer<typeof AgentSkill>

export const AgentCardSignature = z.object({
  protected: z.string(),
  signature: z.string(),
  header: Metadata.optional(),
})
export type AgentCardSignature = z.infer<typeof AgentCardSignature>

export const AgentCard = z.object({
  name: z.string(),
  description: z.string(),
  supportedInterfaces: z.array(AgentInterface),
  provider: z.object({ url: z.string(), organization: z.string() }).optional(),
  version: z.string(),
  documentationUrl: z.string().optional(),
  capabilities: AgentCapabilities,
  securitySchemes: z.record(z.string(), SecurityScheme).optional(),
  securityRequirements: z.array(SecurityRequirement).optional(),
  defaultInputModes: z.array(z.string()),
  defaultOutputModes: z.array(z.string()),
  skills: z.array(AgentSkill),
  signatures: z.array(AgentCardSignature).optional(),
  iconUrl: z.string().optional(),
})
export type AgentCard = z.infer<typeof AgentCard>
