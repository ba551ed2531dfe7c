/** What must never stand in diagnostics (a2a-cli §12.1): the secrets that this call knows, and what looks like one. */

export interface Redactor {
  /** From now on this text is written as **** wherever it stands; undefined and '' are no secrets. */
  hide(secret: string | undefined): void
  text(text: string): string
}

const MASK = '****'

/** Members of a JSON body and of a form that carry credentials: of push configurations, of OAuth. */
const NAMES = 'credentials|token|(?:access|refresh|id)_token|client_secret|client_assertion|device_code|password|secret'
const JSON_MEMBER = new RegExp(`("(?:${NAMES})"\\s*:\\s*)"(?:[^"\\\\]|\\\\.)*"`, 'gi')
const FORM_MEMBER = new RegExp(`((?:^|[?&\\s])(?:${NAMES})=)[^&\\s]+`, 'gi')

export function createRedactor(): Redactor {
  const secrets = new Set<string>()
  return {
    hide(secret) {
      if (!secret) return
      // The same secret as it stands in a URL and in JSON.
      for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) secrets.add(form)
    },
    text(text) {
      let shown = text.replace(JSON_MEMBER, `$1"${MASK}"`).replace(FORM_MEMBER, `$1${MASK}`)
      // The longest first: one may be the beginning of another.
      for (const secret of [...secrets].sort((a, b) => b.length - a.length)) shown = shown.replaceAll(secret, MASK)
      return shown
    },
  }
}
