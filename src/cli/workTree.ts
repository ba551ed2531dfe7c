/** Agents that are commands or coding hosts of this machine. */
import type { CommandRow } from './commandRow.ts'

export const WORK: readonly CommandRow[] = [
  {
    path: 'work',
    args: '<name> [command...]',
    group: 'Gateway:',
    about: 'run a command as an agent: text on stdin, result on stdout, progress on stderr, exit 0, 64, 75 or other',
    options: [
      [
        '--mode <mode>',
        'exec: a process for each message; lines: one, JSON lines; mcp: an MCP server; acp: a coding agent (default: exec)',
      ],
      [
        '--permit <kinds>',
        'acp: what it may do, with commas: read, edit, execute, …, all (default: nothing that it asks for)',
      ],
      [
        '--permissions <policy>',
        'acp: of what it asks leave for beyond --permit: deny, allow, or ask the sender (default: deny)',
      ],
      ['--idempotent <tools>', 'mcp: tools that may be called again after a crash, with commas, whatever they say'],
      ['--concurrency <n>', 'tasks side by side (default: 1)'],
      ['--sandbox-env <names>', 'only these variables reach the command, with commas (default: all but ours)'],
      ['--cwd <folder>', 'where it runs (default: here)'],
      ['--task-timeout <duration>', 'a task may take this long (default: as long as it takes)'],
      ['--grace <duration>', 'between SIGTERM and SIGKILL (default: 5s)'],
      ['--stop-after <duration>', 'what is in hand may take this long when it is stopped (default: 30s)'],
      ['--max-output <MiB>', 'a run may say this much (default: 16)'],
      ['--no-progress', 'stderr stays here: the sender sees neither progress nor reasons of it'],
      ['--description <text>', 'what it does, when it is registered'],
      ['--worker <name>', 'under which what was in hand is taken up again (default: this machine and a number)'],
    ],
    examples: [
      'work shout -- tr a-z A-Z',
      'work reviewer --concurrency 4 --task-timeout 10m -- ./review.sh',
      'work files --mode mcp -- npx -y @modelcontextprotocol/server-filesystem .',
    ],
    run: async () => (await import('./commands/work.ts')).workCommand,
  },
  {
    path: 'hook',
    args: '[name]',
    group: 'Gateway:',
    about: "for a coding host's hooks (session start, prompt, stop): says what waits for this agent, once",
    options: [
      ['--within <duration>', 'the host waits no longer than this (default: 2s)'],
      ['--urgent', 'only what is urgent'],
    ],
    examples: ['hook my-laptop', 'WAYPOST_AGENT=my-laptop waypost hook --urgent'],
    run: async () => (await import('./commands/hook.ts')).hook,
  },
]
