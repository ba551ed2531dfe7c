/** `auth login|logout`: a token from the authorization server that the agent's card names, kept for later calls. */
import { originsOf } from '../connecting.ts'
import { CliError, usage } from '../errors.ts'
import type { Invocation, Run } from '../invocation.ts'
import { clientCredentials, deviceCode, type Endpoints, findEndpoints, type Granted } from '../oauth.ts'
import { openTokenStore } from '../tokenStore.ts'

type Grant = 'device-code' | 'client-credentials'

export const login: Run = async (call) => {
  const id = call.option('client-id')
  if (!id)
    throw usage('who signs in? --client-id is missing', '--client-id my-cli, as the authorization server knows it')
  const { agent } = await call.agent(async () => call.args[0] ?? '')
  const ends = await findEndpoints(agent.card, call, call.option('scheme'))
  if (!ends) {
    throw new CliError(
      'A2ACLI_ERR_CREDENTIALS_MISSING',
      'the card offers no sign-in that works without a browser here',
      {
        hint: `see its security schemes: ${call.program} card get -a ${agent.ref}; a token may be given: A2ACLI_BEARER`,
      },
    )
  }
  const grant = grantOf(ends, call)
  const granted = await signIn(grant, ends, { id, secret: call.option('client-secret') }, call)
  const store = openTokenStore(call.tokensPath)
  const { tokenUrl, scheme } = ends
  store.put(agent.source, { ...granted, tokenUrl, scheme, clientId: id, origins: originsOf(agent.card) })
  tell({ scheme, grant, granted, path: store.path }, call)
  return 0
}

export const logout: Run = async (call) => {
  const { agent } = await call.agent(async () => call.args[0] ?? '')
  const removed = openTokenStore(call.tokensPath).remove(agent.source)
  if (call.out.json) call.out.document({ card: agent.source, removed })
  else
    call.out.fields([
      ['Card', agent.source],
      ['Token', removed ? 'forgotten' : 'there was none'],
    ])
  return 0
}

function grantOf(ends: Endpoints, call: Invocation): Grant {
  const offered: Grant[] = [
    ...(ends.deviceUrl ? (['device-code'] as const) : []),
    ...(ends.clientCredentials ? (['client-credentials'] as const) : []),
  ]
  const wanted = call.option('grant')
  if (wanted !== undefined) {
    const found = offered.find((grant) => grant === wanted)
    if (found) return found
    throw usage(`--grant: the scheme ${ends.scheme} does not offer ${wanted}`, offered.join(' or ') || undefined)
  }
  const unattended = call.option('client-secret') !== undefined && ends.clientCredentials
  const first = unattended ? 'client-credentials' : offered[0]
  if (first) return first
  throw usage(`the scheme ${ends.scheme} offers no grant that works without a browser here`, 'see --scheme')
}

async function signIn(
  grant: Grant,
  ends: Endpoints,
  client: { id: string; secret?: string | undefined },
  call: Invocation,
) {
  const asked = call.list('scope')
  const scopes = asked.length > 0 ? asked : ends.scopes
  if (grant === 'client-credentials') {
    if (client.secret) return clientCredentials(ends, { id: client.id, secret: client.secret }, scopes, call)
    throw new CliError('A2ACLI_ERR_CREDENTIALS_MISSING', 'client credentials need the client secret', {
      hint: 'give it in the environment: A2ACLI_CLIENT_SECRET',
    })
  }
  const show = ({ url, code }: { url: string; code: string }) =>
    call.out.warn(`To sign in, open ${url} and enter the code ${code}. Waiting … (^C gives up)`)
  return deviceCode(ends, { client, scopes, show }, call)
}

interface SignedIn {
  readonly scheme: string
  readonly grant: Grant
  readonly granted: Granted
  readonly path: string
}

/** Never the token itself. */
function tell({ scheme, grant, granted, path }: SignedIn, { out }: Invocation): void {
  out.hide(granted.accessToken)
  const { expiresAt, refreshToken } = granted
  const facts = { scheme, grant, expiresAt: expiresAt ?? null, refreshable: refreshToken !== undefined, storedIn: path }
  if (out.json) {
    out.document(facts)
    return
  }
  out.fields([
    ['Scheme', scheme],
    ['Grant', grant],
    ['Expires', expiresAt ?? 'unknown'],
    ['Refreshable', refreshToken ? 'yes' : 'no'],
    ['Stored', path],
  ])
}
