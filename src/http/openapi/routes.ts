/** `/openapi.json`, `/docs`, `/schemas/…`: what this gateway says of itself. Made when somebody asks for the first time. */
import { A2AError } from '../../a2a/errors.ts'
import { sha256 } from '../../platform/ids.ts'
import { type Face, type FaceContext, newFace } from '../face.ts'

export interface PagesTools {
  readonly version: string
  /** Without a trailing slash. */
  readonly publicUrl: () => string
}

interface Page {
  readonly text: string
  readonly etag: string
  readonly headers: Readonly<Record<string, string>>
}
type Pages = ReadonlyMap<string, Page>

/** It changes with the program only. */
const CACHE = { 'Cache-Control': 'public, no-cache' }
const pageIn = (text: string, type: string, more: Record<string, string> = {}): Page => ({
  text,
  etag: `"${sha256(text).slice(0, 27)}"`,
  headers: { 'Content-Type': type, ...CACHE, ...more },
})

/** Nothing of this is loaded before: most gateways are never asked. */
async function make(version: string, url: string): Promise<Pages> {
  const [{ createDocument }, { schemaFiles }, { createPage }] = await Promise.all([
    import('./document.ts'),
    import('./schemas.ts'),
    import('./page.ts'),
  ])
  const document = createDocument(version, url)
  const files = schemaFiles()
  const index = { schemas: files.map(({ path, about }) => ({ path, url: `${url}/schemas/${path}`, about })) }
  const { html, policy } = createPage(document, files)
  return new Map([
    ['/openapi.json', pageIn(JSON.stringify(document), 'application/json; charset=utf-8')],
    ['/docs', pageIn(html, 'text/html; charset=utf-8', { 'Content-Security-Policy': policy })],
    ['/schemas', pageIn(JSON.stringify(index), 'application/json; charset=utf-8')],
    ...files.map(({ path, schema }): [string, Page] => [
      `/schemas/${path}`,
      pageIn(JSON.stringify(schema), 'application/schema+json; charset=utf-8'),
    ]),
  ])
}

export function pageRoutes({ version, publicUrl }: PagesTools): Face {
  const face = newFace()
  let made: Promise<Pages> | undefined
  const pages = () => {
    made ??= make(version, publicUrl())
    return made
  }
  const answer = async (context: FaceContext) => {
    const page = (await pages()).get(context.req.path.replace(/\/$/, ''))
    if (!page)
      throw new A2AError('METHOD_NOT_FOUND', 'there is no such schema', { metadata: { hint: 'all: /schemas/' } })
    const known = context.req.header('if-none-match') ?? ''
    const unchanged = known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === page.etag)
    const headers = { ...page.headers, ETag: page.etag }
    return unchanged ? context.body(null, 304, headers) : context.body(page.text, 200, headers)
  }
  face.get('/openapi.json', answer)
  face.get('/docs', answer)
  face.get('/schemas', answer)
  face.get('/schemas/', answer)
  face.get('/schemas/:name', answer)
  face.get('/schemas/a2a/:version/:name', answer)
  return face
}
