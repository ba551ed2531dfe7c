/** JSON that came over the wire: looked at, not trusted. */
// biome-ignore lint/suspicious/noExplicitAny: its members are what the checks are about
export type Loose = any
