/** `/docs`: the document as one page of HTML that loads nothing and runs nothing. */
import { createHash } from 'node:crypto'
import { exampleOf } from './curl.ts'
import type { OpenApi, Operation, Parameter } from './document.ts'
import { asHtml, notation, type Ref, words } from './notation.ts'
import type { SchemaFile } from './schemas.ts'
import { STYLE } from './style.ts'

export interface DocsPage {
  readonly html: string
  /** Its Content-Security-Policy: nothing but this one style. */
  readonly policy: string
}

const digest = createHash('sha256').update(STYLE).digest('base64')
const POLICY = `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

interface Shown {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

const slug = (text: string): string => text.toLowerCase().replace(/[^a-z0-9.]+/g, '-')
const refTo: Ref = (name) => `<a href="#schema-${slug(name)}">${asHtml(name)}</a>`

export function createPage(document: OpenApi, files: readonly SchemaFile[]): DocsPage {
  const shown = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): Shown => ({ method, path, operation })),
  )
  const groups = document.tags.map((tag) => ({
    ...tag,
    routes: shown.filter(({ operation }) => operation.tags[0] === tag.name),
  }))
  const nav = groups.map(({ name, routes }) => navOf(name, routes)).join('')
  const body = groups
    .map(({ name, description, routes }) => {
      const articles = routes.map((route) => article(route)).join('\n')
      return `<section><h2 id="group-${slug(name)}">${asHtml(name)}</h2><p>${words(description)}</p>${articles}</section>`
    })
    .join('\n')
  const models = Object.entries(document.components.schemas)
    .map(([name, schema]) => `<h3 id="schema-${slug(name)}">${asHtml(name)}</h3><pre>${notation(schema, refTo)}</pre>`)
    .join('\n')
  const list = files.map(
    ({ path, about }) => `<li><a href="schemas/${asHtml(path)}"><code>${asHtml(path)}</code></a> ${asHtml(about)}</li>`,
  )
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Waypost: every route</title><style>${STYLE}</style></head>
<body><a class="skip" href="#main">To the routes</a>
<nav aria-label="Routes"><p class="brand">Waypost <small>${asHtml(String(document.info.version))}</small></p>
<p><a href="openapi.json">openapi.json</a> · <a href="schemas/">schemas</a></p>${nav}
<h2><a href="#schemas">Schemas</a></h2></nav>
<main id="main"><h1>Every route</h1><p>${words(String(document.info.description))}</p>
${credentials(document)}
${body}
<section><h2 id="schemas">Schemas</h2><p>As files, for editors and generators:</p><ul>${list.join('')}</ul>
<p>Written here as TypeScript writes types; <code>?</code> may be absent.</p>${models}</section></main></body></html>
`
  return { html, policy: POLICY }
}

function navOf(name: string, routes: readonly Shown[]): string {
  const links = routes.map(
    ({ method, path, operation }) =>
      `<li><a href="#${operation.operationId}"><b class="${method}">${method.toUpperCase()}</b> ${breakable(path)}</a></li>`,
  )
  return `<details><summary><a href="#group-${slug(name)}">${asHtml(name)}</a></summary><ul>${links.join('')}</ul></details>`
}

/** A long path may end its line after a slash. */
const breakable = (path: string): string => asHtml(path).replaceAll('/', '/<wbr>')

const credentials = ({ servers }: OpenApi): string => `<section><h2 id="credentials">Credentials</h2>
<p>${words('`Authorization: Bearer <key, agent’s token or JWT>`, or `X-API-Key: <key>`. Keys look like `wp_<id>_<secret>`. In the examples below the key is in a variable:')}</p>
<pre>GW=${asHtml(servers[0]?.url === '/' ? 'http://localhost:4280' : (servers[0]?.url ?? ''))}
KEY=$(cat .waypost/admin.key)</pre></section>`

function article({ method, path, operation }: Shown): string {
  const { operationId, summary, description, parameters = [], requestBody, responses, security } = operation
  const lock = security.length === 0 ? '<span class="tag">public</span>' : ''
  const bodies = Object.entries(requestBody?.content ?? {}).map(
    ([media, { schema }]) => `<h4>Body <small>${asHtml(media)}</small></h4><pre>${notation(schema ?? {}, refTo)}</pre>`,
  )
  const [good, bad] = [true, false].map((is) => Object.entries(responses).filter(([code]) => Number(code) < 400 === is))
  const answers = (good ?? []).map(([status, { description: about, content }]) => {
    const [[media, { schema }] = ['', { schema: undefined }]] = Object.entries(content ?? {})
    const shape = schema && Object.keys(schema).length > 0 ? `<pre>${notation(schema, refTo)}</pre>` : ''
    return `<h4>${status} <small>${asHtml(media)}</small></h4><p>${words(about)}</p>${shape}`
  })
  const failures = (bad ?? []).map(
    ([status, { description: about }]) => `<tr><td>${status}</td><td>${words(about)}</td></tr>`,
  )
  return `<article id="${operationId}"><h3><a href="#${operationId}"><b class="${method}">${method.toUpperCase()}</b> <code>${breakable(path)}</code></a>${lock}</h3>
<p class="lead">${words(summary)}</p>${description ? `<p>${words(description)}</p>` : ''}
${parametersTable(parameters)}${bodies.join('')}
<h4>Example</h4><pre class="curl">${asHtml(exampleOf(method, path, operation))}</pre>
<details><summary>Answers</summary>${answers.join('')}
${failures.length > 0 ? `<h4>Failures</h4><table><tbody>${failures.join('')}</tbody></table>` : ''}</details></article>`
}

function parametersTable(parameters: readonly Parameter[]): string {
  if (parameters.length === 0) return ''
  const rows = parameters.map(({ name, in: place, required, schema, description }) => {
    const { description: _, ...type } = schema
    return `<tr><td><code>${asHtml(name)}</code></td><td>${place}${required ? '' : '?'}</td><td><code>${notation(type, refTo)}</code></td><td>${words(description ?? '')}</td></tr>`
  })
  return `<h4>Parameters</h4><table><tbody>${rows.join('')}</tbody></table>`
}
