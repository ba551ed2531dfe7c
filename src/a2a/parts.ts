/** The smallest unit of content (A2A 1.0 §4.1.6) and the JSON values it may carry. */
import { z } from 'zod'

/** Free-form members keyed by the author; a gateway adds only under its own URI (spec §3.3, Struct). */
export const Metadata = z.record(z.string(), z.unknown())
export type Metadata = z.infer<typeof Metadata>

const CONTENT = ['text', 'raw', 'url', 'data'] as const

/** Exactly one of text, raw (base64), url or data; `data: null` and `text: ''` are content, so presence decides, not truth. */
export const Part = z
  .object({
    text: z.string().optional(),
    raw: z.string().optional(),
    url: z.string().optional(),
    data: z.unknown().optional(),
    metadata: Metadata.optional(),
    filename: z.string().optional(),
    mediaType: z.string().optional(),
  })
  .refine((part) => CONTENT.filter((name) => name in part).length === 1, {
    error: 'a part has exactly one of text, raw, url, data',
  })
export type Part = z.infer<typeof Part>
