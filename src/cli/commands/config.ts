/** `config show`: every setting with its value and where it came from. Secrets are masked. */
import { readConfig, SETTINGS, type Setting, type SettingName } from '../../config.ts'
import type { Invocation, Run } from '../invocation.ts'
import { A2A_VERSION } from '../protocolVersion.ts'
import { openTokenStore } from '../tokenStore.ts'

interface Shown {
  readonly name: string
  readonly value: string | null
  readonly source: string
}

/** Flags of the client verbs that may come from the environment (A2ACLI_*), and what holds when nothing is said. */
const CLIENT_SETTINGS: Readonly<Record<string, string | null>> = {
  'agent-card': null,
  bearer: null,
  'api-key': null,
  'client-id': null,
  'client-secret': null,
  output: 'text',
  async: 'false',
  timeout: null,
  'poll-interval': '2s',
  transport: "the card's order",
  'a2a-version': A2A_VERSION,
  verbose: 'false',
  debug: 'false',
  metadata: null,
  'svc-param': null,
  extension: null,
  'client-cert': null,
  'client-key': null,
  'ca-cert': null,
  insecure: 'false',
}
const SECRET = new Set(['bearer', 'api-key', 'client-secret', 'svc-param'])

export const show: Run = async (call) => {
  const settings = [...gatewaySettings(call), ...clientSettings(call), ...tokens(call)]
  if (call.out.json) call.out.document({ settings })
  else call.out.fields(settings.map(({ name, value, source }) => [name, `${value ?? '–'} (${source})`]))
  return 0
}

/** What `auth login` has stored: for which card, not the token itself. */
function tokens({ tokensPath }: Invocation): Shown[] {
  return Object.keys(openTokenStore(tokensPath).all()).map((card) => ({
    name: `token for ${card}`,
    value: '****',
    source: tokensPath,
  }))
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
  return Object.entries(CLIENT_SETTINGS).map(([flag, preset]) => {
    const name = `A2ACLI_${flag.toUpperCase().replaceAll('-', '_')}`
    const found = call.around.lookup(name)
    const written = call.said(flag)
    const given = call.option(flag) ?? (call.list(flag).join(',') || undefined) ?? (call.has(flag) ? 'true' : undefined)
    const source = written ? `flag --${flag}` : (found?.source ?? 'default')
    const value = given ?? preset
    return { name: flag, value: value !== null && SECRET.has(flag) ? '****' : value, source }
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
