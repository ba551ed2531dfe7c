/** The driver of the official kit: what it reads from a report, and what it does not let pass. */
import { expect, test } from 'vitest'
import { judge, readReport, table } from './report.mjs'

const XML = `<?xml version="1.0"?><testsuites><testsuite name="pytest" tests="5">
<testcase classname="tests.compatibility.core.test_a.TestX" name="test_one[S-1-jsonrpc]" time="0.1" />
<testcase classname="tests.compatibility.core.test_a" name="test_two[S-2-http_json]" time="0.1"><failure message="a &lt;b&gt;&#10;more">
text</failure></testcase>
<testcase classname="tests.compatibility.grpc.test_b" name="test_three" time="0"><skipped type="pytest.skip" message="not configured: x">t</skipped></testcase>
<testcase classname="tests.compatibility.core.test_a" name="test_four" time="0"><skipped type="pytest.xfail" message="should" /></testcase>
<testcase classname="tests.compatibility.card.test_c" name="test_five" time="0"><error message="broke" /></testcase>
</testsuite></testsuites>`

const EXPECTED = {
  cases: 5,
  failed: {
    'core/test_a::test_two[S-2-http_json]': 'why',
    'core/test_a::test_four': 'why',
    'card/test_c::test_five': 'why',
  },
  skipped: { 'not configured': 'why' },
}

test('a report is read', () => {
  expect(readReport(XML, {}).map(({ id, binding, outcome, reason }) => [id, binding, outcome, reason])).toEqual([
    ['core/test_a::TestX::test_one[S-1-jsonrpc]', 'jsonrpc', 'passed', ''],
    ['core/test_a::test_two[S-2-http_json]', 'http_json', 'failed', 'a <b>'],
    ['grpc/test_b::test_three', 'grpc', 'skipped', 'not configured: x'],
    ['core/test_a::test_four', '-', 'forgiven', 'should'],
    ['card/test_c::test_five', '-', 'failed', 'broke'],
  ])
  expect(readReport(XML, { binding: 'rest' }).every(({ binding }) => binding === 'rest')).toBe(true)
})

test('what is expected passes, and is shown with its reason', () => {
  const cases = readReport(XML, {})
  expect(judge(cases, EXPECTED)).toEqual([])
  expect(table(cases, EXPECTED)).toMatch(
    /all +1 +2 +1 +1\n[\s\S]*failed core\/test_a::test_two.*: why\n[\s\S]*skipped 1 ×/,
  )
})

const { 'card/test_c::test_five': _, ...fewer } = EXPECTED.failed
const more = (id: string) => ({ failed: { ...EXPECTED.failed, [id]: 'why' } })

test.each([
  ['a new failure', { failed: fewer }, /^new failure: card/],
  ['a stale exemption', more('core/test_a::TestX::test_one[S-1-jsonrpc]'), /^stale .* is passed$/],
  ['an exemption of a case that is gone', more('gone'), /gone is not there$/],
  ['an unknown reason to skip', { skipped: {} }, /^skipped for a reason/],
  ['a reason that nothing is skipped for', { skipped: { ...EXPECTED.skipped, other: 'why' } }, /"other"$/],
  ['another number of cases', { cases: 6 }, /5 cases, not 6/],
])('%s does not', (_name, differs, words) =>
  expect(judge(readReport(XML, {}), { ...EXPECTED, ...differs })).toEqual([expect.stringMatching(words)]),
)
