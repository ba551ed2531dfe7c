/** What all suites have said, as rows: suite, version, binding, how many passed, failed and were skipped, and why. */

/** Our own suites: which files, and what their cases' titles say of version and binding. */
export const SUITES = {
  spec: { title: 'our own suite, by section', files: ['test/conformance/spec'], version: '1.0', locate: byEnding },
  peers: {
    title: 'official clients',
    files: ['test/e2e/peers/clients.test.ts', 'test/e2e/peers/clientsOnPostgres.test.ts'],
    locate: byPeer,
  },
  grid: { title: 'grid of official clients and agents', files: ['test/e2e/peers/grid.test.ts'], locate: byPeer },
  across: {
    title: 'made in one version, read in another',
    files: ['test/e2e/peers/readAcross.test.ts'],
    version: 'all',
    locate: byPeer,
  },
  versions: {
    title: 'translations, every document (properties)',
    files: ['test/wire/versions'],
    version: '0.3↔1.0',
    locate: byEnding,
  },
  cli: { title: 'a2a-cli specification 0.2', files: ['test/cli/compliance'], version: '1.0', locate: byEnding },
}

const BINDINGS = { JSONRPC: 'JSON-RPC', 'JSON-RPC': 'JSON-RPC', 'HTTP+JSON': 'HTTP+JSON', GRPC: 'gRPC', gRPC: 'gRPC' }
const KIT_BINDINGS = { jsonrpc: 'JSON-RPC', http_json: 'HTTP+JSON', rest: 'HTTP+JSON', grpc: 'gRPC', '-': '–' }

/** `… over JSONRPC`, `…: gRPC`. */
function byEnding({ above, title }) {
  for (const words of [title, ...[...above].reverse()]) {
    const found = /(?:: |over |^)(JSON-?RPC|HTTP\+JSON|g?GRPC|gRPC)$/.exec(words)?.[1]
    if (found) return { binding: BINDINGS[found] }
  }
  return {}
}

/** `1.3.0 as 1.0 over JSONRPC to …`: of a grid the client's side. */
function byPeer({ above, title }) {
  for (const words of [title, ...[...above].reverse()]) {
    const found = /(?:as |over )(0\.2|0\.3|1\.0)(?: over)? (JSONRPC|HTTP\+JSON|GRPC)/.exec(words)
    if (found) return { version: found[1], binding: BINDINGS[found[2]] }
  }
  return {}
}

const counted = () => ({ passed: 0, failed: 0, skipped: 0, why: { failed: {}, skipped: {} } })

function gather(cases, keyOf) {
  const rows = new Map()
  for (const one of cases) {
    const { suite, version, binding } = keyOf(one)
    const key = JSON.stringify([suite, version, binding])
    const row = rows.get(key) ?? { suite, version, binding, ...counted() }
    row[one.outcome]++
    const why = row.why[one.outcome]
    if (why) why[one.reason] = (why[one.reason] ?? 0) + 1
    rows.set(key, row)
  }
  return [...rows.values()].sort((a, b) => (a.version + a.binding < b.version + b.binding ? -1 : 1))
}

/** Of one of SUITES. A case that was skipped without a word is a failure: nobody knows what it hides. */
export function fromVitest(name, cases) {
  const { title, version = '–', locate } = SUITES[name]
  const told = cases.map((one) => {
    const silent = one.state !== 'passed' && one.state !== 'failed' && one.note === ''
    const outcome = one.state === 'passed' ? 'passed' : one.state === 'failed' || silent ? 'failed' : 'skipped'
    const reason = silent
      ? `not expected: skipped without a reason: ${one.title}`
      : outcome === 'failed'
        ? `not expected: ${[...one.above, one.title].join(' > ')}: ${one.note}`
        : one.note
    return { ...one, outcome, reason }
  })
  return gather(told, (one) => {
    const found = locate(one)
    return { suite: title, version: found.version ?? version, binding: found.binding ?? '–' }
  })
}

/** Of the official kit: `{ binding, outcome, reason, id }` of each case, and what expected.json says of its profile. */
export function fromKit(profile, cases, { failed = {}, skipped = {} }) {
  const version = profile.slice(0, 3)
  const told = cases.map(({ id, binding, outcome, reason }) => {
    if (outcome === 'passed') return { binding, outcome }
    if (outcome === 'skipped') {
      const start = Object.keys(skipped).find((one) => reason.startsWith(one))
      return { binding, outcome, reason: skipped[start] ?? `not expected: ${reason}` }
    }
    return { binding, outcome: 'failed', reason: failed[id] ?? `not expected: ${id}: ${reason}` }
  })
  return gather(told, ({ binding }) => ({
    suite: `official kit, ${profile}`,
    version,
    binding: KIT_BINDINGS[binding] ?? 'all',
  }))
}

/** Rows of suites that have not run now stay as they were. */
export const merged = (before, now) => {
  const ran = new Set(now.map(({ suite }) => suite))
  return [...now, ...before.filter(({ suite }) => !ran.has(suite))].sort((a, b) => rank(a) - rank(b))
}

const TITLES = Object.values(SUITES).map(({ title }) => title)
const KIT = ['1.0', '1.0-quirks', '1.0-agent', '1.0-extension', '0.3-mandatory', '0.3-capabilities', '0.3-equivalence']
function rank({ suite }) {
  const own = TITLES.indexOf(suite)
  if (own >= 0) return 100 + own
  const profile = suite.replace('official kit, ', '')
  const at = KIT.findLastIndex((one) => profile.startsWith(one))
  return at < 0 ? 99 : at
}

/** The profiles of one thing, one for each binding, are one suite in the table. */
const shortened = (suite) => suite.replace(/-(jsonrpc|rest|grpc)$/, '')

const isNews = (why) => why.startsWith('not expected')

/** In the table a reason stands if it is short; all of them stand in the console and in expected.json. */
function inWords({ why }) {
  const news = [...Object.keys(why.failed), ...Object.keys(why.skipped)].filter(isNews)
  if (news.length > 0) return news.join('; ')
  const [failed, skipped] = [Object.keys(why.failed), Object.keys(why.skipped)]
  const listed = failed.length > 0 || skipped.join('; ').length > 120
  return listed ? '[named, with reasons](test/conformance/expected.json)' : skipped.join('; ')
}

/** As Markdown. */
export function table(rows) {
  const cells = rows.map((row) => [
    shortened(row.suite),
    row.version,
    row.binding,
    ...[row.passed, row.failed, row.skipped].map(String),
    inWords(row),
  ])
  const all = ['passed', 'failed', 'skipped'].map((name) => String(rows.reduce((sum, row) => sum + row[name], 0)))
  const head = ['Suite', 'Version', 'Binding', 'Passed', 'Failed', 'Skipped', 'Why']
  const line = (row) => `| ${row.join(' | ')} |`
  return [line(head), '|---|---|---|--:|--:|--:|---|', ...cells.map(line), line(['**all**', '', '', ...all, ''])].join(
    '\n',
  )
}

/** Every reason in full, for the console. */
export const reasons = (rows) =>
  rows
    .flatMap(({ suite, binding, why }) =>
      ['failed', 'skipped'].flatMap((outcome) =>
        Object.entries(why[outcome]).map(([reason, count]) => `  ${suite}, ${binding}: ${count} ${outcome}: ${reason}`),
      ),
    )
    .join('\n')

/** What nobody has named beforehand. */
export const unexpected = (rows) =>
  rows.flatMap(({ suite, binding, why }) =>
    [...Object.keys(why.failed), ...Object.keys(why.skipped)]
      .filter(isNews)
      .map((reason) => `${suite}, ${binding}: ${reason}`),
  )

const [BEGIN, END] = ['<!-- conformance: written by npm run conformance -->', '<!-- /conformance -->']

/** A document with the table between its two marks. */
export function withTable(text, rows) {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (from < 0 || to < from) throw new Error(`the document has no place for the table: ${BEGIN} … ${END}`)
  return `${text.slice(0, from + BEGIN.length)}\n${table(rows)}\n${text.slice(to)}`
}
