/** An agent may repeat our credential in its words, and they are kept for years. */
import type { AgentTarget } from '../../../ports.ts'

/** Shorter values would be found in ordinary words. */
const SECRET_CHARS_MIN = 8

/** Replaces the exact values of the target's credential headers, with and without their scheme, in a JSON text or a reason. */
export function redactorFor({ headers }: Pick<AgentTarget, 'headers'>): (text: string) => string {
  const secrets = Object.values(headers)
    .flatMap((value) => [value, value.replace(/^\S+\s+/, '')])
    .filter((value) => value.length >= SECRET_CHARS_MIN)
    .map((value) => JSON.stringify(value).slice(1, -1))
  return (text) => {
    let clean = text
    for (const secret of secrets) if (clean.includes(secret)) clean = clean.replaceAll(secret, '[redacted]')
    return clean
  }
}
