/** Whether two URLs are the same place: credentials go to the registered origin only. */

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/** Scheme, host and port are equal; the names of this machine are one name, so that a card may say `localhost`. */
export function isSameOrigin(one: string, other: string): boolean {
  if (!URL.canParse(one) || !URL.canParse(other)) return false
  const [a, b] = [new URL(one), new URL(other)]
  if (a.origin === b.origin) return a.origin !== 'null'
  return a.protocol === b.protocol && a.port === b.port && LOOPBACK.has(a.hostname) && LOOPBACK.has(b.hostname)
}
