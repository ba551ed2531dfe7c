/**
 * Callers by client certificate (SR-11): the names in it (SAN URI, such as a SPIFFE id, or DNS) that the operator has given a
 * caller. A certificate that a proxy has checked counts only if the proxy is one of those that the operator has named.
 */
import { BlockList, isIP } from 'node:net'
import { z } from 'zod'
import { type Caller, type Credentials, DEFAULT_TENANT } from '../../ports.ts'
import { OWN_CALLERS } from './apiKeys.ts'
import { grantsOf, isGrant } from './permits.ts'

const Identity = z
  .strictObject({
    tenant: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, { error: 'the name of a tenant' })
      .default(DEFAULT_TENANT),
    /** Whose tasks it sends and sees; default: a caller of the name itself. */
    caller: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/, { error: '1–128 characters: letters, digits, . _ : @ / -' })
      .refine((caller) => !OWN_CALLERS.test(caller), { error: 'this name is not for certificates' })
      .optional(),
    permits: z
      .array(z.string().refine(isGrant, { error: 'a permit or a scope of a key' }))
      .min(1)
      .max(100),
  })
  .refine(({ tenant, permits }) => tenant === DEFAULT_TENANT || !permits.includes('operator'), {
    error: 'operators belong to no tenant: give "admin"',
  })
const Identities = z.record(
  z
    .string()
    .max(2_048)
    .regex(/^[a-z][a-z0-9+.-]*:\/\/[^\s,"]+$|^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i, {
      error: 'a URI or a DNS name of a certificate',
    }),
  Identity,
)
export type ClientIdentities = ReadonlyMap<string, Caller>

/** Throws a TypeError that says what is wrong. */
export function parseIdentities(text: string): ClientIdentities {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new TypeError('not JSON')
  }
  const parsed = Identities.safeParse(json)
  if (!parsed.success) {
    const [first] = parsed.error.issues
    throw new TypeError(`${first?.path.join('.') || 'the document'}: ${first?.message}`)
  }
  return new Map(
    Object.entries(parsed.data).map(([name, { tenant, caller, permits }]) => [
      folded(name),
      { tenant, id: caller ?? `tls:${name}`, kind: 'key', ...grantsOf(permits) } satisfies Caller,
    ]),
  )
}

/** DNS names are the same in any case, URIs are not. */
const folded = (name: string): string => (name.includes('://') ? name : name.toLowerCase())

/** Throws a TypeError for what is no network. */
export function parseProxies(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits] = network.split('/')
    const family = isIP(address)
    const prefix = bits === undefined ? (family === 4 ? 32 : 128) : Number(bits)
    if (family === 0 || !Number.isInteger(prefix) || prefix < 0 || prefix > (family === 4 ? 32 : 128))
      throw new TypeError(`${network} is not a network: CIDR, as 10.0.0.0/8`)
    list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
  }
  return list
}

/** `x-forwarded-client-cert`: the names of the last certificate, which is that of whoever spoke with the proxy that wrote it. */
export function namesForwarded(header: string): string[] {
  const last = splitOutside(header.slice(0, 16_384), ',').at(-1) ?? ''
  return splitOutside(last, ';').flatMap((pair) => {
    const [, key = '', value = ''] = /^\s*([A-Za-z]+)=(.*)$/s.exec(pair) ?? []
    const name = value.trim().replace(/^"(.*)"$/s, '$1')
    return /^(uri|dns)$/i.test(key) && name !== '' && !name.includes('"') ? [name] : []
  })
}

/** Quoted separators separate nothing. */
const splitOutside = (text: string, separator: ',' | ';'): string[] =>
  text.match(separator === ',' ? /(?:"(?:\\.|[^"\\])*"|[^,"])+/g : /(?:"(?:\\.|[^"\\])*"|[^;"])+/g) ?? []

export interface CertificateTools {
  readonly identities: ClientIdentities
  readonly proxies: BlockList
}

/** Who comes with a certificate of a known name; undefined: nobody does. */
export function callerByCertificate(
  { certificate, forwardedCertificate, remote }: Credentials,
  { identities, proxies }: CertificateTools,
): Caller | undefined {
  const address = remote.replace(/^::ffff:/i, '')
  const family = isIP(address)
  const isProxy = family !== 0 && proxies.check(address, family === 4 ? 'ipv4' : 'ipv6')
  // The proxy's own certificate says who the proxy is.
  const names = isProxy ? (forwardedCertificate === undefined ? [] : namesForwarded(forwardedCertificate)) : certificate
  for (const name of names ?? []) {
    const caller = identities.get(folded(name))
    if (caller) return caller
  }
  return undefined
}
