/** MCP on the command line. */
import type { CommandRow } from './commandRow.ts'

export const MCP: CommandRow = {
  path: 'mcp',
  group: 'Gateway:',
  about: 'MCP server on stdio: a coding host delegates to agents, and is one itself',
  options: [
    ['--name <name>', 'who the host is here: registered at the first run (default: mcp-<this machine>)'],
    ['--send-only', 'only the tools to delegate; with WAYPOST_KEY and no --name it is not registered'],
  ],
  examples: ['mcp --name my-laptop', 'mcp --gateway https://gw.example.test --name my-laptop'],
  run: async () => (await import('./commands/mcp.ts')).mcp,
}
