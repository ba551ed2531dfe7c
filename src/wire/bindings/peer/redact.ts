/** An agent may repeat our credential in its words, and they are kept for years. */
import type { AgentCard } from '../../../a2a/agentCard.ts'
import type { StreamResponse } from '../../../a2a/events.ts'
import type { AgentTarget } from '../../../ports.ts'

/** Shorter values would be found in ordinary words. */
const SECRET_CHARS_MIN = 8

export interface Redactor {
  /** A JSON text or a reason. */
  text(said: string): string
  /** The event itself, unless something had to be taken out of it. */
  event(said: StreamResponse): StreamResponse
  card(said: AgentCard): AgentCard
}

/** Most agents have no credentials of ours: then nothing is written out to be looked through. */
const NOTHING_SECRET: Redactor = { text: (said) => said, event: (said) => said, card: (said) => said }

/** Replaces the exact values of the target's credential headers, with and without their scheme. */
export function redactorFor({ headers }: Pick<AgentTarget, 'headers'>): Redactor {
  const secrets = Object.values(headers)
    .flatMap((value) => [value, value.replace(/^\S+\s+/, '')])
    .filter((value) => value.length >= SECRET_CHARS_MIN)
    .map((value) => JSON.stringify(value).slice(1, -1))
  if (secrets.length === 0) return NOTHING_SECRET
  const text = (said: string): string => {
    let clean = said
    for (const secret of secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, '[redacted]')
    return clean
  }
  const whole = <T>(value: T): T => {
    const said = JSON.stringify(value)
    const clean = text(said)
    return clean === said ? value : (JSON.parse(clean) as T)
  }
  return { text, event: whole, card: whole }
}
