/** An agent may repeat our credential in its words, and they are kept for years. */
import type { StreamResponse } from '../../../a2a/events.ts'
import type { AgentTarget } from '../../../ports.ts'

/** Shorter values would be found in ordinary words. */
const SECRET_CHARS_MIN = 8

export interface Redactor {
  /** A JSON text or a reason. */
  text(said: string): string
  /** The event itself, unless something had to be taken out of it. */
  event(said: StreamResponse): StreamResponse
}

/** Most agents have no credentials of ours: then nothing is written out to be looked through. */
const NOTHING_SECRET: Redactor = { text: (said) => said, event: (said) => said }

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
  return {
    text,
    event(event) {
      const said = JSON.stringify(event)
      const clean = text(said)
      return clean === said ? event : (JSON.parse(clean) as StreamResponse)
    },
  }
}
