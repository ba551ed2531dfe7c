/** The rules of the house, executed. What breaks one is told with file, line and rule; exceptions are listed here, with reasons. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DEMANDS } from '../src/http/demands.ts'

const ROOT = join(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')

interface Source {
  readonly path: string
  readonly text: string
  readonly lines: readonly string[]
  /** Files of ours that it imports, relative to src. */
  readonly imports: readonly string[]
}

const IMPORT = /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?'(\.[^']+)'|import\('(\.[^']+)'\)/g

function read(path: string): Source {
  const text = readFileSync(join(SRC, path), 'utf8')
  const imports = [...text.matchAll(IMPORT)].map((match) =>
    relative(SRC, join(SRC, dirname(path), (match[1] ?? match[2]) as string)),
  )
  return {
    path,
    text,
    lines: text.split('\n'),
    imports: imports.filter((target) => target.endsWith('.ts') || target.endsWith('.tsx')),
  }
}

const sources: Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => /\.tsx?$/.test(path) && !path.includes('/gen/'))
  .sort()
  .map(read)

const code = ({ text }: Source): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(^|\s)\/\/.*$/gm, '')

/** Folder or file → what it may import. The longest prefix holds. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'platform/': ['platform/', 'limits.ts'],
  'limits.ts': [],
  'config.ts': [],
  'a2a/': ['a2a/'],
  'delivery.ts': ['a2a/'],
  'caller.ts': [],
  'ports.ts': ['a2a/', 'caller.ts', 'delivery.ts'],
  'happenings.ts': ['a2a/', 'delivery.ts', 'platform/'],
  'wire/versions/': ['wire/versions/', 'a2a/', 'ports.ts', 'limits.ts'],
  'wire/': ['wire/', 'a2a/', 'ports.ts', 'delivery.ts', 'happenings.ts', 'limits.ts', 'platform/'],
  'store/': ['store/', 'a2a/', 'delivery.ts', 'ports.ts', 'limits.ts', 'platform/'],
  'gateway/deliveries/': [
    'gateway/deliveries/',
    'store/',
    'a2a/',
    'delivery.ts',
    'ports.ts',
    'happenings.ts',
    'limits.ts',
    'platform/',
  ],
  'gateway/agents/': [
    'gateway/agents/',
    'store/',
    'a2a/',
    'delivery.ts',
    'ports.ts',
    'happenings.ts',
    'limits.ts',
    'platform/',
  ],
  'gateway/callers/': [
    'gateway/callers/',
    'store/',
    'a2a/',
    'delivery.ts',
    'ports.ts',
    'happenings.ts',
    'limits.ts',
    'platform/',
  ],
  'gateway/tasks/': [
    'gateway/tasks/',
    'gateway/deliveries/',
    'store/',
    'a2a/',
    'delivery.ts',
    'ports.ts',
    'happenings.ts',
    'limits.ts',
    'platform/',
  ],
  // What gives its tasks to others opens them like operations do; the operations know neither.
  ...Object.fromEntries(
    ['operations', 'forwarder', 'mailbox', 'channels', 'directory'].map((door) => [
      `gateway/${door}/`,
      [
        `gateway/${door}/`,
        'gateway/tasks/',
        'gateway/deliveries/',
        'gateway/agents/',
        'gateway/callers/',
        'store/',
        'a2a/',
        'delivery.ts',
        'ports.ts',
        'happenings.ts',
        'limits.ts',
        'platform/',
      ],
    ]),
  ),
  'http/': [
    'http/',
    'gateway/',
    'store/',
    'wire/',
    'a2a/',
    'delivery.ts',
    'ports.ts',
    'happenings.ts',
    'limits.ts',
    'platform/',
    'config.ts',
  ],
  'cli/': [
    'cli/',
    'client/',
    'main.ts',
    'config.ts',
    'a2a/',
    'limits.ts',
    'platform/',
    'store/migrate.ts',
    'store/drivers/pglite.ts',
    // What a card's signature covers is said in one place.
    'wire/bindings/cardTrust.ts',
    // The MCP server is one definition, served at the gateway and on stdio; servers stand as agents by one set of rules.
    'wire/bridges/mcp/',
    'version.ts',
    // The messages of gRPC, which are generated.
    'wire/bindings/grpc/gen/',
  ],
  // Others copy it: it stands alone.
  'client/': ['client/'],
  'main.ts': [''],
  'assembly.ts': [''],
  'ground.ts': [''],
  'bridges.ts': [''],
  'mcpAgents.ts': [''],
  'others.ts': [''],
  'following.ts': ['gateway/tasks/', 'ground.ts'],
  'listeners.ts': [''],
  'secrets.ts': [''],
  'signatures.ts': [''],
  'issuers.ts': [''],
  'reseal.ts': [''],
  'guards.ts': [''],
  'httpListener.ts': [''],
  'waitingRoom.ts': [''],
  'banner.ts': ['config.ts'],
  'version.ts': [],
}
/** `cli/` is started, never imported, but by its own. */
const NOBODY_IMPORTS = ['cli/']

function ruleFor(path: string): readonly string[] | undefined {
  const key = Object.keys(MAY_IMPORT)
    .filter((prefix) => path.startsWith(prefix))
    .sort((a, b) => b.length - a.length)[0]
  return key === undefined ? undefined : MAY_IMPORT[key]
}

describe.each(sources)('$path', (source) => {
  const { path, imports, lines } = source

  test('stands in a room that the rules know, and imports only what that room may', () => {
    const allowed = ruleFor(path)
    expect(allowed, 'no rule for this file').toBeDefined()
    const forbidden = imports.filter((target) => {
      if (NOBODY_IMPORTS.some((room) => target.startsWith(room) && !path.startsWith(room))) return true
      if (path.startsWith('wire/') && !path.startsWith('wire/versions/') && /^wire\/versions\/v\d/.test(target))
        return true
      return !allowed?.some((prefix) => target.startsWith(prefix))
    })
    expect(forbidden).toEqual([])
  })

  test('can be read in one sitting', () => {
    if (!(path in LONG_ON_PURPOSE)) expect(lines.length).toBeLessThanOrEqual(301)
    const long = functionsOf(source).filter(({ name, length }) => length > 70 && !(`${path}:${name}` in LONG_FUNCTIONS))
    expect(long).toEqual([])
  })

  test('uses nothing that has only one door', () => {
    const text = code(source)
    const found = DOORS.filter(({ pattern, only }) => pattern.test(text) && !only.some((room) => path.startsWith(room)))
    expect(found.map(({ rule }) => rule)).toEqual([])
  })

  test('is not named after a technical role, and exports names', () => {
    expect(path).not.toMatch(/(^|\/)(types|utils|helpers|common|interfaces|index)\.tsx?$/)
    if (!path.startsWith('console/')) expect(code(source)).not.toMatch(/\bexport default\b/)
  })
})

/** path → why. */
const LONG_ON_PURPOSE: Record<string, string> = {
  'config.ts': 'the settings are one page: what a setting is called, means and is by default is looked up there',
  'limits.ts': 'the bounds are one page: how large, how long, how many is looked up there',
  'client/mailbox.ts': 'one file, because others copy it into their programs',
  'store/schema.ts': 'the tables are one page: what stands together there is read together',
}
/** `path:function` → why. */
const LONG_FUNCTIONS: Record<string, string> = {
  'client/mailbox.ts:createHand': 'what is known of one lease is its state; each step inside is a function of its own',
  'gateway/channels/collect.ts:createCollector':
    'what is known and what waits is its state; each step inside is a function of its own',
  'gateway/forwarder/forwarder.ts:createForwarder':
    'the lanes are its state; each step inside is a function of its own',
  'gateway/tasks/hub.ts:createHub': 'the channels are its state; each step inside is a function of its own',
  'gateway/tasks/subscribe.ts:createStream': 'one stream’s state; each step inside is a function of its own',
  'gateway/forwarder/recorder.ts:createRecorder':
    'what is gathered is its state; each step inside is a function of its own',
  'store/drivers/postgres.ts:openPostgres': 'the pool is its state; each step inside is a function of its own',
  'gateway/agents/writes.ts:createRegister': 'the cases of registering, told in one place',
  'gateway/forwarder/carrier.ts:createCarrier': 'one row per kind; each step inside is a function of its own',
  'gateway/forwarder/intake.ts:createIntake':
    'what is known of the task is its state; each step inside is a function of its own',
  'http/inboxSocket.ts:createSocket': 'one socket’s state; each step inside is a function of its own',
  'gateway/mailbox/mailbox.ts:createMailbox': 'what collects is introduced here; each step is a function of its own',
  'gateway/mailbox/polls.ts:createPolls':
    'the calls that wait are its state; each step inside is a function of its own',
  'gateway/forwarder/health.ts:createHealth': 'each step inside is a function of its own',
}

const SQL = /`[^`]*\b(select\s[^`]*\sfrom|insert\s+into|update\s+\w+\s+(?:\w+\s+)?set|delete\s+from)\b/i
const DOORS: readonly { rule: string; pattern: RegExp; only: readonly string[] }[] = [
  { rule: 'SQL only in store/', pattern: SQL, only: ['store/'] },
  {
    rule: 'process.env only in config.ts and the program on the command line',
    pattern: /\bprocess\.env\b/,
    only: ['config.ts', 'cli/credentials.ts'],
  },
  {
    rule: 'the clock comes in by the door',
    pattern: /\bnew Date\(\)|\bDate\.now\(/,
    only: ['platform/', 'cli/', 'client/', 'store/drivers/lock.ts'],
  },
  { rule: 'chance comes in by the door', pattern: /\bMath\.random\(|\brandomUUID\(/, only: ['platform/', 'client/'] },
  {
    rule: 'outbound calls only through the egress',
    pattern: /(?:await|return|=|void)\s+fetch\(|from 'undici'|\{[^}]*\bconnect\b[^}]*\} from 'node:(?:http2|net|tls)'/,
    only: [
      'platform/egress.ts',
      'platform/exchange.ts',
      'platform/session',
      'platform/tunnels.ts',
      'store/drivers/lock.ts',
      'cli/',
    ],
  },
  { rule: 'no interactive transactions', pattern: /\.(begin|transaction)\(/, only: [] },
  {
    rule: "a version's name only under wire/versions/",
    pattern: /'(0\.2|0\.3|1\.0)'/,
    only: ['wire/versions/', 'cli/'],
  },
]

interface Measured {
  readonly name: string
  readonly length: number
}

/** Top-level functions and function-valued constants, by indentation: the formatter guarantees it. */
function functionsOf({ lines }: Source): Measured[] {
  const found: Measured[] = []
  for (let at = 0; at < lines.length; at++) {
    const name =
      /^(?:export )?(?:async )?function\*? (\w+)|^(?:export )?const (\w+)[^=]*= (?:async )?(?:\(|<|\w+ =>)/.exec(
        lines[at] as string,
      )
    if (!name) continue
    let end = at
    while (end + 1 < lines.length && !/^[})\]]/.test(lines[end + 1] as string) && (lines[end + 1] as string) !== '')
      end++
    while (end + 1 < lines.length && !/^\}/.test(lines[end] as string) && /^[\s})]|^$/.test(lines[end + 1] as string))
      end++
    found.push({ name: (name[1] ?? name[2]) as string, length: end - at + 1 })
  }
  return found
}

test('there is no circle of imports, types included', () => {
  const graph = new Map(sources.map(({ path, imports }) => [path, imports]))
  const state = new Map<string, 'open' | 'done'>()
  const circles: string[] = []
  const walk = (path: string, trail: readonly string[]) => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      return
    }
    state.set(path, 'open')
    for (const target of graph.get(path) ?? []) walk(target, [...trail, path])
    state.set(path, 'done')
  }
  for (const path of graph.keys()) walk(path, [])
  expect(circles).toEqual([])
})

test('names keep to the dictionary', () => {
  const banned = /\b(?:class|interface|type|function|const) (\w*(?:Handler|Manager|Helper|Util|Utils))\b/
  const found = sources.flatMap(({ path, lines }) =>
    lines.flatMap((line, at) => (banned.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
  )
  expect(found).toEqual([])
})

test('every route of our own face says what it demands', () => {
  const written = sources
    .filter(({ path }) => path.startsWith('http/'))
    .flatMap((source) => [...code(source).matchAll(/\bface\.(get|post|put|patch|delete)\(\s*'([^']+)'/g)])
    .map(([, method = '', path]) => `${method.toUpperCase()} ${path}`)
  expect(written.length).toBeGreaterThan(30)
  expect(written.filter((route) => !Object.hasOwn(DEMANDS, route))).toEqual([])
})
