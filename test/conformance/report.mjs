/** What the kit said, read from its JUnit report; held against what is expected; as a table. */

const ENTITIES = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
const decode = (text) =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) =>
    name ? (ENTITIES[name] ?? whole) : String.fromCodePoint(Number.parseInt(hex ?? decimal, hex ? 16 : 10)),
  )
const attribute = (tag, name) => decode(new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '')

/**
 * Every case as `{ id, suite, binding, outcome, reason }`. Without `binding` each case names its own, or has none.
 *
 * @param {string} xml
 * @param {{ binding?: string }} options
 */
export function readReport(xml, { binding }) {
  return [...xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(([, head, body = '']) => {
    const [path, names] = split(attribute(head, 'classname'))
    const id = [path, ...names, attribute(head, 'name')].join('::')
    const told = /<(failure|error|skipped)\b([^>]*)/.exec(body)
    const reason = told ? attribute(told[2], 'message').split('\n')[0] : ''
    return { id, suite: path, binding: binding ?? bindingOf(id), outcome: outcomeOf(told), reason }
  })
}

function split(classname) {
  const parts = classname.split('.').filter((part) => part !== 'tests' && part !== 'compatibility')
  const file = parts.findIndex((part) => part.startsWith('test_'))
  return [parts.slice(0, file + 1).join('/'), parts.slice(file + 1)]
}

/** `forgiven`: the kit takes it for a SHOULD, or for its own mistake. Here it needs a reason as any failure does. */
function outcomeOf(told) {
  if (!told) return 'passed'
  if (told[1] !== 'skipped') return 'failed'
  return attribute(told[2], 'type') === 'pytest.xfail' ? 'forgiven' : 'skipped'
}

const hasFailed = (outcome) => outcome === 'failed' || outcome === 'forgiven'

/** The parameter says it for sure, else the folder's or the class's name. */
function bindingOf(id) {
  const parameter = /\b(grpc|jsonrpc|http_json)\]$/.exec(id)
  if (parameter) return parameter[1]
  if (/grpc/i.test(id)) return 'grpc'
  if (/json_?rpc/i.test(id)) return 'jsonrpc'
  return /http_json|rest/i.test(id.replace(/^.*?::/, '')) || id.startsWith('http_json/') ? 'http_json' : '-'
}

/** Everything that is not as expected, in words; empty: all is well. */
export function judge(cases, expected) {
  const { failed = {}, skipped = {} } = expected
  const wrong = []
  const unused = new Set(Object.keys(skipped))
  const outcomes = new Map(cases.map((one) => [one.id, one]))
  for (const { id, outcome, reason } of cases) {
    if (hasFailed(outcome) && !Object.hasOwn(failed, id)) wrong.push(`new failure: ${id}\n    ${reason}`)
    if (outcome !== 'skipped') continue
    const known = Object.keys(skipped).filter((start) => reason.startsWith(start))
    for (const start of known) unused.delete(start)
    if (known.length === 0) wrong.push(`skipped for a reason that is not expected: ${id}\n    ${reason}`)
  }
  for (const id of Object.keys(failed)) {
    const outcome = outcomes.get(id)?.outcome ?? 'not there'
    if (!hasFailed(outcome)) wrong.push(`stale exemption: ${id} is ${outcome}`)
  }
  for (const start of unused) wrong.push(`stale exemption: nothing is skipped for "${start}"`)
  if (cases.length !== expected.cases)
    wrong.push(`the kit ran ${cases.length} cases, not ${expected.cases}: another revision of it, or not all of it`)
  return wrong
}

/** What expected.json says of a profile, or of the one that it names instead: then exactly the same may fail. */
export function expectedOf(expectations, name) {
  const found = expectations[name] ?? {}
  return typeof found === 'string' ? expectedOf(expectations, found) : found
}

const COLUMNS = ['passed', 'failed', 'forgiven', 'skipped']

/** One line per suite and binding, then why: each expected failure, each reason for skipping with its count. */
export function table(cases, { failed = {}, skipped = {} }) {
  const rows = new Map()
  for (const { suite, binding, outcome } of cases) {
    const key = `${suite.padEnd(60)} ${binding.padEnd(9)}`
    const row = rows.get(key) ?? { passed: 0, failed: 0, forgiven: 0, skipped: 0 }
    row[outcome]++
    rows.set(key, row)
  }
  const line = (head, numbers) => `  ${head} ${numbers.map((number) => String(number).padStart(9)).join('')}`
  const lines = [line('suite'.padEnd(60).concat(' binding  '), COLUMNS)]
  for (const [key, row] of [...rows].sort()) lines.push(line(key, Object.values(row)))
  const total = COLUMNS.map((column) => cases.filter(({ outcome }) => outcome === column).length)
  lines.push(line('all'.padEnd(70), total))
  for (const { id, outcome } of cases)
    if (hasFailed(outcome) && Object.hasOwn(failed, id)) lines.push(`  ${outcome} ${id}: ${failed[id]}`)
  for (const [start, why] of Object.entries(skipped)) {
    const count = cases.filter(({ outcome, reason }) => outcome === 'skipped' && reason.startsWith(start)).length
    lines.push(`  skipped ${count} × ${start}: ${why}`)
  }
  return lines.join('\n')
}
