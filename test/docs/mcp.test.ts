/** The snippets of docs/mcp.md as they stand: hosts start what they say, and the sample agent answers. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseRegistration } from '../../src/gateway/agents/registration.ts'
import { TOOL_NAMES, toolForm, WAIT_SECONDS_DEFAULT, WAIT_SECONDS_MAX } from '../../src/wire/bridges/mcp/catalogue.ts'
import { CLI, runCli } from '../cli/run.ts'
import { aHost } from '../support/mcpHosts.ts'
import { anMcpServer } from '../support/mcpServers.ts'
import { aWorld, type World } from '../support/world.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/mcp.md'), 'utf8')

function snippet(mark: string): string {
  const found = new RegExp(`\`\`\`\\w+ ${mark}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1]
  if (found === undefined) throw new Error(`docs/mcp.md has no ${mark}`)
  return found
}

interface Launch {
  readonly command: string
  readonly args: readonly string[]
}

/** What each host is told to start. */
const LAUNCHES: Readonly<Record<string, () => Launch>> = {
  stdio: () => JSON.parse(snippet('host=stdio')).mcpServers.agents,
  vscode: () => JSON.parse(snippet('host=vscode')).servers.agents,
  codex: () => ({
    command: /^command = "(.*)"$/m.exec(snippet('host=codex'))?.[1] ?? '',
    args: JSON.parse(/^args = (\[.*\])$/m.exec(snippet('host=codex'))?.[1] ?? '[]'),
  }),
}

let world: World
const folder = mkdtempSync(join(tmpdir(), 'waypost-mcp-docs-'))
beforeAll(async () => {
  world = await aWorld()
})
afterAll(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('hosts', () => {
  test.each(Object.keys(LAUNCHES))('%s starts it with these words', async (name) => {
    const { command, args } = (LAUNCHES[name] as () => Launch)()
    expect(command).toBe('waypost')
    const here = args.map((word) => (word === 'http://localhost:4280' ? world.gateway.url : word))
    expect(here).not.toEqual(args)
    const host = await aHost('v1', {
      command: process.execPath,
      args: [CLI, ...here],
      env: { PATH: process.env.PATH ?? '', HOME: folder, XDG_CONFIG_HOME: folder },
      cwd: folder,
    })
    expect((await host.call('read_inbox')).result.inbox).toEqual({ unread: 0, urgent: 0 })
    await host.close()
  })

  test('over HTTP, at this address and with this header', async () => {
    const { type, url, headers } = JSON.parse(snippet('host=http')).mcpServers.agents
    expect([type, headers.Authorization]).toEqual(['http', `Bearer \${WAYPOST_KEY}`])
    const at = { url: url.replace('http://localhost:4280', world.gateway.url), token: world.gateway.adminKey }
    const host = await aHost('v2 modern', at)
    expect((await host.listTools()).map((tool) => tool.name)).toEqual(TOOL_NAMES)
    await host.close()
  })
})

test('the table of tools says what the tools take, and how long they wait', () => {
  for (const name of TOOL_NAMES) {
    const row = new RegExp(`^\\| \`${name}\` \\| (.*?) \\|`, 'm').exec(page)?.[1]
    const said = [...(row ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1])
    expect(said, name).toEqual(Object.keys(toolForm(name).input.shape))
  }
  expect(page).toContain(`waits longer than ${WAIT_SECONDS_MAX} s** (${WAIT_SECONDS_DEFAULT} s if`)
})

describe('the sample agent', () => {
  test('is a registration', () => {
    const { registration } = parseRegistration(JSON.parse(snippet('agent=everything')))
    expect(registration.connector).toMatchObject({ kind: 'mcp', command: expect.arrayContaining(['npx']) })
    // What npx would fetch is what the tests run.
    const require = createRequire(import.meta.url)
    expect(dirname(require.resolve('@modelcontextprotocol/server-everything/package.json'))).toContain('everything')
  })

  test('an address is registered by one command, and called by the other', async () => {
    const server = await anMcpServer('http modern')
    const env = { WAYPOST_URL: world.gateway.url, WAYPOST_KEY: world.gateway.adminKey }
    const added = await runCli(
      ['agent', 'add', String(server.connector.url), '--mcp', '--name', 'tools', '-o', 'json'],
      { env },
    )
    expect({ ...added, stdout: '' }).toMatchObject({ code: 0 })
    const data = JSON.stringify({ tool: 'echo', arguments: { text: 'hello' } })
    const sent = await runCli(['send', '-a', '@tools', '--data', '-'], { env, input: data })
    expect(sent.stdout).toContain('echo: hello')
    await server.close()
  })
})
