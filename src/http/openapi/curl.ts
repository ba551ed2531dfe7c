/** How a route is called from a shell. */
import { LATEST } from '../../wire/versions/table.ts'
import type { Operation } from './document.ts'

/** What stands for a name in a path. */
const SAMPLES: Readonly<Record<string, string>> = {
  ...{ agent: 'echo', name: 'builds', id: '$ID', taskId: '$TASK', task: '$TASK', lease: '$LEASE', contact: 'reports' },
}
const WHOLE: Readonly<Record<string, string>> = {
  '/schemas/{name}': '/schemas/config.schema.json',
  '/schemas/a2a/{version}/{name}': `/schemas/a2a/${LATEST.version}/a2a.schema.json`,
}

/** One word that a shell reads back as it is. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** `GW` and `KEY` are variables of the reader's. */
export function exampleOf(method: string, path: string, { requestBody, security, responses }: Operation): string {
  const place = WHOLE[path] ?? path.replace(/\{(\w+)\}/g, (_, name: string) => SAMPLES[name] ?? name)
  const [[media, content] = []] = Object.entries(requestBody?.content ?? {})
  const body = requestBody && (content?.example ?? (requestBody.required ? undefined : {}))
  const streams = Object.values(responses).some((said) => said.content && 'text/event-stream' in said.content)
  const isA2a = path.startsWith('/agents/')
  const needsKey = security.length > 0 && (isA2a || security.every((one) => Object.keys(one).length > 0))
  const verb = method === 'get' || (method === 'post' && body !== undefined) ? '' : ` -X ${method.toUpperCase()}`
  return [
    `curl -s${streams ? 'N' : ''}${verb} "$GW${place}"`,
    ...(needsKey ? ['-H "Authorization: Bearer $KEY"'] : []),
    ...(isA2a && media ? [`-H "A2A-Version: ${LATEST.version}"`] : []),
    ...(media && body !== undefined ? [`-H "Content-Type: ${media}"`, `-d ${quoted(JSON.stringify(body))}`] : []),
  ].join(' \\\n  ')
}
