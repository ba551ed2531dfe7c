/**
 * Runs the official kit, which stands beside this repository, against a gateway: a part of `npm run conformance`, or by
 * itself. README.md says where it comes from; expected.json says what may fail and why. Ends with 1 at a failure that is new and at an
 * exemption that nothing needs any more.
 *
 *   KIT=<checkout of the kit> PYTHON=<python that has its packages> node test/conformance/kit.mjs [profile …]
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expectedOf, judge, readReport, table } from './report.mjs'
import { compileAgent, openStage } from './stage.mjs'

const LONGEST_MS = 10 * 60_000

const MODERN = { path: 'tests/compatibility/', args: ['--transport=jsonrpc,http_json,grpc'], host: '--sut-host' }
const older = (path, binding, args = []) => ({
  path,
  args: ['--test-scope=all', `--transports=${binding}`, ...args],
  host: '--sut-url',
  binding,
  agent: ['asks', 'takesAll'],
  // Its gRPC client takes the address apart as a URL; those of the SDKs take `host:port` only.
  grpcScheme: 'http://',
})
const MANDATORY = ['-m', 'mandatory_jsonrpc or mandatory_protocol']

/** By the kit's line, then by name. `agent`: see tckAgent.ts. */
const PROFILES = {
  '1.0': {
    // For the kit no media type is unsupported: the case for one is inverted.
    '1.0': { ...MODERN, agent: ['takesAll'] },
    // What the first release of 1.0 said.
    '1.0-quirks': { ...MODERN, agent: ['takesAll'], env: { WAYPOST_A2A_QUIRKS: '1.0.0' } },
    // What stands behind is another version's, or comes and goes: nothing may fail that the first profile does not name.
    '1.0-agent-0.3': { ...MODERN, agent: ['takesAll', '0.3'] },
    '1.0-agent-0.2': { ...MODERN, agent: ['takesAll', '0.2'] },
    '1.0-agent-restarts': { ...MODERN, agent: ['takesAll', 'restarts'] },
    // The agent has no server: a worker collects what is sent; and one that looks every twenty seconds.
    '1.0-mailbox': { ...MODERN, mailbox: true },
    '1.0-mailbox-sleeps': { ...MODERN, mailbox: true, sleeps: 20, longestMs: 90 * 60_000, onDemand: true },
    '1.0-extension': { ...MODERN, agent: ['requires'], args: [...MODERN.args, '-k', 'missing_required_extension'] },
  },
  0.3: {
    '0.3-mandatory-jsonrpc': older('tests/mandatory/', 'jsonrpc', MANDATORY),
    '0.3-mandatory-rest': older('tests/mandatory/protocol/', 'rest', ['-m', 'mandatory_protocol']),
    '0.3-mandatory-grpc': older('tests/mandatory/protocol/', 'grpc', ['-m', 'mandatory_protocol']),
    '0.3-capabilities-jsonrpc': older('tests/optional/capabilities/', 'jsonrpc'),
    '0.3-capabilities-rest': older('tests/optional/capabilities/', 'rest'),
    '0.3-capabilities-grpc': older('tests/optional/capabilities/', 'grpc'),
    '0.3-equivalence': older('tests/optional/multi_transport/', 'jsonrpc,rest,grpc', ['-m', 'transport_equivalence']),
  },
}

const HOW = `The kit is not part of this repository. Get it once:

  git clone --branch 1.0-dev https://github.com/a2aproject/a2a-tck.git ../a2a-tck
  python3 -m venv ../a2a-tck/.venv && ../a2a-tck/.venv/bin/pip install ../a2a-tck
  KIT=../a2a-tck PYTHON=../a2a-tck/.venv/bin/python node test/conformance/kit.mjs

The branch 0.3.x is the kit for 0.3. More in test/conformance/README.md.`

/** Runs the kit; answers its JUnit report and what it printed. Writes nothing into the kit's folder. */
async function runKit({ kit, python, profile, url }) {
  const folder = mkdtempSync(join(tmpdir(), 'waypost-kit-'))
  const report = join(folder, 'report.xml')
  const { path, args, host } = profile
  const own = ['--tb=short', '-q', '-p', 'no:cacheprovider', `--junitxml=${report}`]
  const child = spawn(python, ['-m', 'pytest', path, `${host}=${url}/`, ...args, ...own], {
    cwd: kit,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      printed += chunk
    })
  const late = setTimeout(() => child.kill('SIGKILL'), profile.longestMs ?? LONGEST_MS)
  await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject))
  clearTimeout(late)
  const xml = existsSync(report) ? readFileSync(report, 'utf8') : ''
  rmSync(folder, { recursive: true, force: true })
  return { xml, printed }
}

/** By profile; conformance.mjs makes its table of them. */
const told = {}

async function runProfile(name, profile, { kit, python, expected }) {
  const stage = await openStage(profile)
  let wrong = ['the kit did not run']
  try {
    const { xml, printed } = await runKit({ kit, python, profile, url: stage.url })
    const cases = readReport(xml, profile)
    told[name] = cases
    console.log(`\n${name}\n${table(cases, expected)}`)
    wrong = judge(cases, expected)
    if (cases.length === 0) console.log(printed.slice(-4_000))
  } finally {
    const folder = await stage.close({ keep: wrong.length > 0 })
    if (wrong.length > 0) console.log(`\n  ${wrong.join('\n  ')}\n  logs: ${folder}`)
  }
  return wrong.length === 0
}

async function main() {
  const { KIT, PYTHON = 'python3' } = process.env
  if (!KIT) {
    console.log(HOW)
    return 2
  }
  const kit = resolve(KIT)
  const line = existsSync(join(kit, 'tests/compatibility')) ? '1.0' : existsSync(join(kit, 'tests/mandatory')) && '0.3'
  if (!line) {
    console.error(
      `Error: ${kit} is not the kit\nHint: \`node test/conformance/kit.mjs\` without KIT says how to get it`,
    )
    return 2
  }
  const asked = process.argv.slice(2)
  const unknown = asked.find((name) => !Object.hasOwn(PROFILES[line], name))
  if (unknown) {
    console.error(`Error: no profile ${unknown}\nHint: this kit has ${Object.keys(PROFILES[line]).join(', ')}`)
    return 2
  }
  compileAgent()
  const expectations = JSON.parse(readFileSync(join(import.meta.dirname, 'expected.json'), 'utf8'))
  const python = PYTHON.includes('/') ? resolve(PYTHON) : PYTHON
  const failed = []
  for (const [name, profile] of Object.entries(PROFILES[line])) {
    if (asked.length > 0 ? !asked.includes(name) : profile.onDemand) continue
    if (!(await runProfile(name, profile, { kit, python, expected: expectedOf(expectations, name) }))) failed.push(name)
  }
  if (process.env.CONFORMANCE_CASES) writeFileSync(process.env.CONFORMANCE_CASES, JSON.stringify(told))
  console.log(failed.length === 0 ? '\nas expected' : `\nnot as expected: ${failed.join(', ')}`)
  return failed.length === 0 ? 0 : 1
}

process.exit(await main())
