/** Where an agent's gRPC port is, from what its card says: `host:port`, `http://host:port` or `https://…`. */

/**
 * The origin to dial. Without a scheme it is that of the registered address: who was met over TLS is not spoken to in the
 * clear. gRPC's port is its own, so the host is what must be the agent's. Undefined: not an address, or TLS would be given up.
 */
export function grpcOrigin(address: string, registered: string): string | undefined {
  if (!URL.canParse(registered)) return undefined
  const { protocol } = new URL(registered)
  const url = /^https?:\/\//i.test(address) ? address : `${protocol}//${address}`
  if (!URL.canParse(url)) return undefined
  const { origin, protocol: asked, username } = new URL(url)
  return username !== '' || (protocol === 'https:' && asked !== 'https:') ? undefined : origin
}
