/** Artifacts that come in chunks: which were begun and never finished. */
import type { StreamResponse } from '../../a2a/events.ts'

/** Ids of artifacts whose latest chunk was not the last one, in a log's order. */
export function openArtifacts(log: readonly { readonly kind: number; readonly body: string }[]): string[] {
  const open = new Set<string>()
  for (const { kind, body } of log) {
    if (kind !== 2) continue
    const event = JSON.parse(body) as StreamResponse
    if (!('artifactUpdate' in event)) continue
    const { artifact, lastChunk } = event.artifactUpdate
    if (lastChunk) open.delete(artifact.artifactId)
    else open.add(artifact.artifactId)
  }
  return [...open]
}
