#!/usr/bin/env node
/** The command line's entry: makes the parser from the command rows, loads only the command that was asked for. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError, Option } from 'commander'
import type { CommandRow, OptionRow } from './commandRow.ts'
import { CLIENT_COMMANDS, GLOBAL_OPTIONS } from './commandTree.ts'
import { asCliError, EXIT, usage } from './errors.ts'
import type { Flags, PartFlag } from './invocation.ts'
import { operatorCommands } from './operatorTree.ts'
import { createOutput } from './output.ts'
import { createRedactor } from './redaction.ts'

const version = (): string => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

/** One per program: it learns the secrets of the one call that there is. */
const redactor = createRedactor()

/** What the command left as its exit code. */
const ended: { code: number | undefined } = { code: undefined }

export function buildProgram(rows: readonly CommandRow[]): Command {
  const program = new Command('waypost')
  program
    .description('A2A gateway with store-and-forward, and a client for any A2A agent.')
    .version(version(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', '\nFirst steps: waypost cheat start · waypost demo-server · waypost send -a @echo --text hi')
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
  settle(program)
  addOptions(program, GLOBAL_OPTIONS, [])
  for (const row of rows) addCommand(program, row)
  return program
}

/** Commander shall throw, not exit, and leave telling to us. */
const settle = (command: Command): Command =>
  command.exitOverride().configureOutput({
    outputError: () => {},
    writeErr: (text) => void process.stderr.write(text),
    writeOut: (text) => void process.stdout.write(text),
  })

function addCommand(program: Command, row: CommandRow): void {
  const words = row.path.split(' ')
  const name = words.pop() as string
  const command = settle(new Command(name))
  const parts: PartFlag[] = []
  command.description(row.about).helpOption('-h, --help', 'show help')
  for (const argument of row.args?.match(/[<[][^>\]]*[>\]]/g) ?? []) command.argument(argument)
  addOptions(command, row.options ?? [], parts)
  addOptions(command, GLOBAL_OPTIONS, parts)
  if (row.examples)
    command.addHelpText('after', `\nExamples:\n${row.examples.map((line) => `  waypost ${line}`).join('\n')}`)
  command.action(async () => {
    ended.code = await runRow(row, command, { ...program.opts(), ...command.opts() }, parts)
  })
  const parent = words.reduce(subcommand, program)
  if (parent === program) command.helpGroup(row.group)
  parent.addCommand(command)
}

/** The group of commands of this noun, made at its first use. */
function subcommand(parent: Command, word: string): Command {
  const known = parent.commands.find((command) => command.name() === word)
  if (known) return known
  const made = settle(new Command(word))
    .description(NOUNS[word] ?? word)
    .helpOption('-h, --help', 'show help')
  made.helpGroup(['task', 'card', 'config', 'push-config', 'auth'].includes(word) ? 'A2A client:' : 'Gateway:')
  parent.addCommand(made)
  return made
}

const NOUNS: Readonly<Record<string, string>> = {
  task: 'tasks: get, list, cancel, subscribe, explain, …',
  card: 'agent cards',
  config: 'settings',
  auth: 'sign in at an agent: login, logout',
  'push-config': 'who is told of a task by webhook',
  agent: 'agents of the gateway: add, list, show, probe, pause, …',
  contact: 'whom a mailbox takes messages from: list, accept, refuse, remove',
  channel: 'addresses that stand for many agents: create, join, post, …',
  room: 'rooms to talk in: create, join, post, read, tail, …',
  key: 'keys of the gateway: create, list, revoke, rotate-master, …',
  data: 'everything of a caller or a tenant: export, erase',
  audit: 'who did what: list, verify',
  dlq: 'dead letters: list, show, replay',
  webhook: 'webhooks: listen, attempts, replay',
  migrate: 'the database schema: status, up',
}

function addOptions(command: Command, rows: readonly OptionRow[], parts: PartFlag[]): void {
  for (const [flags, about, how] of rows) {
    const option = new Option(flags, about)
    if (how === 'hidden') option.hideHelp()
    if (how === 'repeat') option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value])
    if (how === 'part') {
      const flag = option.long?.slice(2) as PartFlag['flag']
      option.argParser((value: string) => {
        parts.push({ flag, value })
        return value
      })
    }
    // `--no-register` would make `--register` true by default; we want to know whether it was said.
    if (option.negate) option.default(undefined)
    command.addOption(option)
  }
}

async function runRow(row: CommandRow, command: Command, flags: Flags, parts: readonly PartFlag[]) {
  const stop = new AbortController()
  const onSignal = () => {
    stop.abort()
    // Whatever the command still waits for, the second signal ends it.
    process.once('SIGINT', () => process.exit(130))
  }
  // The gateway stops by itself, in its own order.
  if (row.path !== 'serve') {
    process.once('SIGINT', onSignal)
    process.once('SIGTERM', onSignal)
  }
  const { createInvocation } = await import('./invocation.ts')
  const call = createInvocation({
    args: command.args,
    flags,
    parts,
    signal: stop.signal,
    stdout: process.stdout,
    stderr: process.stderr,
    redact: redactor,
  })
  try {
    return await (await row.run())(call)
  } catch (error) {
    if (stop.signal.aborted) return 130
    throw error
  }
}

/** `-o json` wherever it stands: a mistake in the other words must still be told in JSON. */
function formatOf(argv: readonly string[]): Flags {
  const at = argv.findIndex((word) => word === '-o' || word === '--output')
  const given = at >= 0 ? argv[at + 1] : argv.find((word) => /^(-o|--output)=?json$/.test(word)) && 'json'
  return given === 'json' ? { output: 'json' } : {}
}

function tellError(error: unknown, argv: readonly string[]): number {
  const cliError = error instanceof CommanderError ? usage(...commanderWords(error)) : asCliError(error)
  const format = formatOf(argv).output === 'json' ? 'json' : 'text'
  const out = createOutput({ format, stdout: process.stdout, stderr: process.stderr, redact: redactor })
  out.error(cliError)
  if (argv.includes('--debug') && error instanceof Error) process.stderr.write(`${redactor.text(error.stack ?? '')}\n`)
  return cliError.exitCode
}

const commanderWords = (error: CommanderError): [string, string] => {
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  return [message, suggestion?.replace(/^\(|\)$/g, '') ?? 'waypost help']
}

async function main(argv: readonly string[]): Promise<number | undefined> {
  const program = buildProgram([...CLIENT_COMMANDS, ...operatorCommands()])
  try {
    await program.parseAsync(argv, { from: 'user' })
    return ended.code
  } catch (error) {
    // Help and version are no errors, they only end the parsing.
    if (error instanceof CommanderError && error.exitCode === EXIT.ok) return EXIT.ok
    // A noun without a verb: its help was shown on stderr.
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage
    return tellError(error, argv)
  }
}

// A reader that has read enough (`| head`) closes the pipe; that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const code = await main(process.argv.slice(2))
if (code !== undefined) process.exitCode = code
