/** `config show`: every setting with its value and where it came from. Secrets are masked. */
import { readConfig, SETTINGS, type Setting, type SettingName } from '../../config.ts'
import type { Invocation, Run } from '../invocation.ts'

interface Shown {
  readonly name: string
  readonly value: string | null
  readonly source: string
}

/** Flags of the client verbs that may come from the environment (A2ACLI_*). */
const CLIENT_SETTINGS = [
  'agent-card',
  'bearer',
  'api-key',
  'output',
  'timeout',
  'poll-interval',
  'transport',
  'a2a-version',
] as const
const SECRET = new Set(['bearer', 'api-key'])

export const show: Run = async (call) => {
  const settings = [...gatewaySettings(call), ...clientSettings(call)]
  if (call.out.json) call.out.document({ settings })
  else
    call.out.table(
      ['SETTING', 'VALUE', 'SOURCE'],
      settings.map(({ name, value, source }) => [name, value ?? '–', source]),
    )
  return 0
}

function gatewaySettings(call: Invocation): Shown[] {
  const config = readConfig()
  const settings = (Object.keys(SETTINGS) as SettingName[]).map((name): Shown => {
    const { env, flag, secret } = SETTINGS[name] as Setting
    const source = { flag: `flag --${flag}`, env: `env ${env}`, file: './waypost.config.json', default: 'default' }
    return { name, value: masked(config[name], secret === true), source: source[config.sources[name]] }
  })
  const { gateway, gatewaySource, key } = call
  return [
    ...settings,
    { name: 'gateway', value: gateway.url, source: gatewaySource },
    { name: 'key', value: key ? '****' : null, source: key?.source ?? 'none found' },
  ]
}

function clientSettings(call: Invocation): Shown[] {
  return CLIENT_SETTINGS.flatMap((flag) => {
    const value = call.option(flag)
    if (value === undefined) return []
    const fromFlag = call.flags[flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())] !== undefined
    const name = `A2ACLI_${flag.toUpperCase().replaceAll('-', '_')}`
    const source = fromFlag ? `flag --${flag}` : (call.around.lookup(name)?.source ?? 'default')
    return [{ name: flag, value: SECRET.has(flag) ? '****' : value, source }]
  })
}

/** A database URL is shown without its password, other secrets not at all. */
export function masked(value: unknown, secret: boolean): string | null {
  if (value === undefined || value === null) return null
  const text = Array.isArray(value) ? value.join(',') : String(value)
  if (!secret) return text
  if (!/^postgres(ql)?:\/\//.test(text)) return '****'
  // The query may hold a password too.
  return text.replace(/^(\w+:\/\/[^:@/]*)(:[^@]*)?@/, '$1:****@').replace(/\?.*$/, '?****')
}
