/** One call of a command: its arguments, its options with their fallbacks, where to print, whom to talk to. */

import { join } from 'node:path'
import { type Clock, systemClock } from '../platform/clock.ts'
import type { A2AClient } from './a2aClient.ts'
import { createGateway, createHttp, type Gateway, type Http } from './client.ts'
import { connect } from './connecting.ts'
import {
  configFolder,
  type GatewayKey,
  gatewayKey,
  gatewayUrl,
  plainWanted,
  programName,
  type Surroundings,
  surroundings,
} from './credentials.ts'
import { durationMs, type TimeFormat } from './durations.ts'
import { usage } from './errors.ts'
import { createOutput, type Format, type Output, type Stream } from './output.ts'
import type { Redactor } from './redaction.ts'
import { fetchWith, type TlsOptions, tlsOptions } from './tls.ts'

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
  /** Where `auth login` keeps its tokens. */
  readonly tokensPath: string
  /** A flag's value, else `A2ACLI_<FLAG>` from the environment or a dotenv file. */
  option(flag: string): string | undefined
  has(flag: string): boolean
  /** Whether the flag itself was written, with whatever value. */
  said(flag: string): boolean
  list(flag: string): readonly string[]
  duration(flag: string): number | undefined
  readonly timeFormat: TimeFormat
  /** The agent given by -a; `instead` is asked when there is none. */
  agent(instead?: () => Promise<string>): Promise<A2AClient>
  /** This one, whatever -a and its surroundings say. */
  agentAt(ref: string): Promise<A2AClient>
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
  readonly redact: Redactor
}

const camel = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
const variable = (flag: string): string => `A2ACLI_${flag.toUpperCase().replaceAll('-', '_')}`

/** Never read from the environment: they change what an invocation is, and that must be visible in it (§11.3). */
const FLAG_ONLY = new Set(['stream', 'help', 'version'])

function outputFor({ flags, stdout, stderr, redact }: InvocationInput, around: Surroundings): Output {
  const format = (flags.output ?? around.get('A2ACLI_OUTPUT') ?? 'text') as Format
  if (!['text', 'json', 'wide'].includes(format)) {
    throw usage(`--output: there is no format ${format}`, 'text, json or wide')
  }
  const on = (flag: string) => flags[flag] === true || isYes(around.get(variable(flag)))
  return createOutput({
    format,
    stdout,
    stderr,
    redact,
    quiet: on('quiet'),
    debug: on('debug'),
    color: (flags.color as 'auto' | undefined) ?? 'auto',
    plain: plainWanted(),
  })
}

const isYes = (text: string | undefined): boolean => /^(1|true|yes)$/i.test(text ?? '')

/** Credentials that may be given by a flag or its variable. */
const CREDENTIALS = ['bearer', 'api-key', 'client-secret'] as const

export function createInvocation(input: InvocationInput): Invocation {
  const { flags, signal } = input
  const around = surroundings(flags.config as string | undefined)
  const out = outputFor(input, around)
  const option = (flag: string): string | undefined => {
    const given = flags[camel(flag)]
    if (typeof given === 'string') return given
    return FLAG_ONLY.has(flag) ? undefined : around.get(variable(flag))
  }
  const has = (flag: string) => {
    const given = flags[camel(flag)]
    if (given !== undefined) return given === true
    return !FLAG_ONLY.has(flag) && isYes(around.get(variable(flag)))
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
  const secrets = CREDENTIALS.map(option).filter((secret) => secret !== undefined)
  for (const secret of [...secrets, ...Object.values(serviceParameters)]) out.hide(secret)
  const clock = systemClock
  const tls = tlsOf(option, has)
  const http = createHttp({ out, clock, secretHeaders: Object.keys(serviceParameters), fetch: fetchWith(tls) })
  const { url, source: gatewaySource } = gatewayUrl(flags.gateway as string | undefined, around)
  const key = gatewayKey(flags.key as string | undefined, around)
  out.hide(key?.key)
  const gateway = createGateway({ url, key: key?.key, tenant: option('tenant'), http, signal })
  const timeFormat = (option('time-format') ?? 'relative') as TimeFormat
  if (has('insecure')) {
    const risk = secrets.length > 0 || key ? '; credentials may go to an impostor' : ''
    out.warn(`WARNING: TLS certificates are not checked (--insecure)${risk}`)
  }
  const call = {
    ...{ ...input, around, out, option, has, list, duration, http, gateway, key, gatewaySource, timeFormat, clock },
    said: (flag: string) => flags[camel(flag)] !== undefined,
    program: programName(),
    tokensPath: join(configFolder(), 'tokens.json'),
  }
  const connecting = { ...call, serviceParameters, tls }
  const named = (ref: string) => (flag: string) => (flag === 'agent-card' ? ref : option(flag))
  return {
    ...call,
    agent: (instead) => connect(connecting, instead),
    agentAt: (ref) => connect({ ...connecting, option: named(ref) }),
  }
}

const tlsOf = (option: Invocation['option'], has: Invocation['has']): TlsOptions | undefined =>
  tlsOptions({
    clientCert: option('client-cert'),
    clientKey: option('client-key'),
    caCert: option('ca-cert'),
    insecure: has('insecure'),
  })

function parseServiceParameters(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf(':')
      if (at <= 0) throw usage(`--svc-param: ${pair} is not name:value`)
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    }),
  )
}
