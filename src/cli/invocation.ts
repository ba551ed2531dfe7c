/** One call of a command: its arguments, its options with their fallbacks, where to print, whom to talk to. */
import { type Clock, systemClock } from '../platform/clock.ts'
import { type A2AClient, createA2AClient } from './a2aClient.ts'
import { type ResolvedAgent, resolveAgent } from './agentRef.ts'
import { createGateway, createHttp, type Gateway, type Http } from './client.ts'
import {
  allowInsecureTls,
  type GatewayKey,
  gatewayKey,
  gatewayUrl,
  plainWanted,
  programName,
  type Surroundings,
  surroundings,
} from './credentials.ts'
import { durationMs, type TimeFormat } from './durations.ts'
import { CliError, usage } from './errors.ts'
import { createOutput, type Format, type Output, type Stream } from './output.ts'
import { A2A_VERSION } from './protocolVersion.ts'

/** Flags as they were written: a string, a list of a repeatable one, or true. */
export type Flags = Readonly<Record<string, string | readonly string[] | boolean | undefined>>

export interface PartFlag {
  readonly flag: 'text' | 'file' | 'data' | 'media-type'
  readonly value: string
}

export interface Invocation {
  readonly args: readonly string[]
  readonly flags: Flags
  /** --text, --file, --data and --media-type in the order in which they stood. */
  readonly parts: readonly PartFlag[]
  readonly out: Output
  readonly around: Surroundings
  readonly program: string
  readonly clock: Clock
  /** Aborted at Ctrl-C. */
  readonly signal: AbortSignal
  readonly http: Http
  readonly gateway: Gateway
  readonly key: GatewayKey | undefined
  readonly gatewaySource: string
  /** A flag's value, else `A2ACLI_<FLAG>` from the environment or a dotenv file. */
  option(flag: string): string | undefined
  has(flag: string): boolean
  list(flag: string): readonly string[]
  duration(flag: string): number | undefined
  readonly timeFormat: TimeFormat
  /** The agent given by -a; `instead` is asked when there is none. */
  agent(instead?: () => Promise<string>): Promise<A2AClient>
}

/** What a command does; a number is its exit code. */
export type Run = (call: Invocation) => Promise<number | undefined>

export interface InvocationInput {
  readonly args: readonly string[]
  readonly flags: Flags
  readonly parts: readonly PartFlag[]
  readonly signal: AbortSignal
  readonly stdout: Stream
  readonly stderr: Stream
}

const camel = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
const variable = (flag: string): string => `A2ACLI_${flag.toUpperCase().replaceAll('-', '_')}`

/** Never read from the environment: they change what an invocation is, and that must be visible in it (§9.3). */
const FLAG_ONLY = new Set(['stream', 'help', 'version'])

/** The output alone, for errors that come before there is an invocation. */
export function outputFor(flags: Flags, stdout: Stream, stderr: Stream, around?: Surroundings): Output {
  const format = (flags.output ?? around?.get('A2ACLI_OUTPUT') ?? 'text') as Format
  if (!['text', 'json', 'wide'].includes(format)) {
    throw usage(`--output: there is no format ${format}`, 'text, json or wide')
  }
  return createOutput({
    format,
    stdout,
    stderr,
    quiet: flags.quiet === true,
    debug: flags.debug === true,
    color: (flags.color as 'auto' | undefined) ?? 'auto',
    plain: plainWanted(),
  })
}

export function createInvocation(input: InvocationInput): Invocation {
  const { flags, signal } = input
  const around = surroundings(flags.config as string | undefined)
  const out = outputFor(flags, input.stdout, input.stderr, around)
  const option = (flag: string): string | undefined => {
    const given = flags[camel(flag)]
    if (typeof given === 'string') return given
    return FLAG_ONLY.has(flag) ? undefined : around.get(variable(flag))
  }
  const has = (flag: string) => {
    const given = flags[camel(flag)]
    if (given !== undefined) return given === true
    return !FLAG_ONLY.has(flag) && /^(1|true|yes)$/i.test(around.get(variable(flag)) ?? '')
  }
  const list = (flag: string): readonly string[] => {
    const given = flags[camel(flag)]
    return Array.isArray(given) ? given : (around.get(variable(flag))?.split(',') ?? [])
  }
  const duration = (flag: string) => {
    const text = option(flag)
    return text === undefined ? undefined : durationMs(text, `--${flag}`)
  }
  // A mistake in them is told before anything is sent.
  duration('timeout')
  duration('poll-interval')
  const serviceParameters = parseServiceParameters(list('svc-param'))
  const http = createHttp({ out, secretHeaders: Object.keys(serviceParameters) })
  const { url, source: gatewaySource } = gatewayUrl(flags.gateway as string | undefined, around)
  const key = gatewayKey(flags.key as string | undefined, around)
  const gateway = createGateway({ url, key: key?.key, http, signal })
  const timeFormat = (option('time-format') ?? 'relative') as TimeFormat
  const call = { ...input, around, out, option, has, list, duration, http, gateway, key, gatewaySource, timeFormat }
  if (has('insecure')) {
    allowInsecureTls()
    out.note('warning: TLS certificates are not checked (--insecure)')
  }
  return {
    ...call,
    program: programName(),
    clock: systemClock,
    agent: (instead) => connect({ ...call, serviceParameters }, instead),
  }
}

type Connecting = Pick<Invocation, 'option' | 'list' | 'http' | 'gateway' | 'signal'> & {
  readonly serviceParameters: Readonly<Record<string, string>>
}

async function connect(call: Connecting, instead?: () => Promise<string>): Promise<A2AClient> {
  const ref = call.option('agent-card') ?? (await instead?.())
  if (!ref)
    throw usage('which agent? -a/--agent-card is missing', '-a @name, -a https://agent.example.test, or a card file')
  const { http, gateway, signal, serviceParameters } = call
  const bearer = call.option('bearer')
  const given: Record<string, string> = { ...serviceParameters, ...(bearer && { authorization: `Bearer ${bearer}` }) }
  const agent = await resolveAgent(ref, { http, gateway, signal, headers: given })
  return createA2AClient({
    agent,
    http,
    signal,
    headers: { ...credential(agent, given, call), ...given },
    version: call.option('a2a-version') ?? A2A_VERSION,
    transports: call.list('transport'),
  })
}

/** The API key goes where the card's security scheme wants it; the gateway's own key goes to the gateway only. */
function credential(agent: ResolvedAgent, given: Readonly<Record<string, string>>, call: Connecting) {
  const apiKey = call.option('api-key')
  if (agent.atGateway && !given.authorization) {
    const key = apiKey ?? call.gateway.key
    return key ? { authorization: `Bearer ${key}` } : {}
  }
  if (!apiKey) return {}
  const schemes = Object.values(agent.card.securitySchemes ?? {}) as { apiKeySecurityScheme?: ApiKeyScheme }[]
  const scheme = schemes.find((known) => known.apiKeySecurityScheme)?.apiKeySecurityScheme
  if (scheme?.location === 'query') {
    throw new CliError(
      'A2ACLI_ERR_USAGE',
      `this agent wants its key in the query (${scheme.name}), which would be logged on the way`,
      {
        hint: `put it into the address yourself if you accept that, or use --svc-param`,
      },
    )
  }
  if (scheme?.location === 'cookie') return { cookie: `${scheme.name}=${apiKey}` }
  return { [scheme?.name ?? 'X-API-Key']: apiKey }
}

interface ApiKeyScheme {
  readonly location?: string
  readonly name: string
}

function parseServiceParameters(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf(':')
      if (at <= 0) throw usage(`--svc-param: ${pair} is not name:value`)
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    }),
  )
}
