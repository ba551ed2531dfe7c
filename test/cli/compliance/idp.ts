/** An authorization server: OAuth 2.1 device code and client credentials, refresh, and OpenID Connect on top. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export interface Idp {
  readonly url: string
  /** `grant_type` of each token request, in order. */
  readonly grants: readonly string[]
  readonly issued: readonly string[]
  stop(): Promise<void>
}

export const CLIENT = { id: 'cli', secret: 'the client secret' }

export interface IdpSettings {
  /** How often a device has to ask before somebody has approved it. */
  readonly pending?: number
  readonly expiresIn?: number
  /** Whose identity tokens it makes; default: its own. */
  readonly issuer?: string
}

export async function startIdp({ pending = 1, expiresIn = 3600, issuer }: IdpSettings = {}): Promise<Idp> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] }
  const grants: string[] = []
  const issued: string[] = []
  let scope = ''
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const form = new URLSearchParams(text)
    const answer = (body: unknown, status = 200) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    if (request.url === '/.well-known/openid-configuration')
      return answer({
        issuer: url,
        token_endpoint: `${url}/token`,
        device_authorization_endpoint: `${url}/device`,
        jwks_uri: `${url}/jwks`,
        grant_types_supported: ['urn:ietf:params:oauth:grant-type:device_code', 'client_credentials'],
      })
    if (request.url === '/jwks') return answer(jwks)
    if (request.url === '/device') {
      scope = form.get('scope') ?? ''
      return answer({
        device_code: 'the device code',
        user_code: 'WAYP-OST1',
        verification_uri: `${url}/activate`,
        expires_in: 60,
        interval: 0.05,
      })
    }
    const grant = form.get('grant_type') ?? ''
    grants.push(grant)
    const isDevice = grant.endsWith('device_code')
    if (isDevice && grants.filter((one) => one === grant).length <= pending)
      return answer({ error: 'authorization_pending' }, 400)
    const basic = Buffer.from(`${encodeURIComponent(CLIENT.id)}:${encodeURIComponent(CLIENT.secret)}`).toString(
      'base64',
    )
    if (grant === 'client_credentials' && request.headers.authorization !== `Basic ${basic}`)
      return answer({ error: 'invalid_client', error_description: 'wrong secret' }, 401)
    const token = `access-${issued.length + 1}-${Buffer.from(grant).toString('hex').slice(-6)}`
    issued.push(token)
    const identity = await new SignJWT({ sub: 'someone' })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer(issuer ?? url)
      .setAudience(CLIENT.id)
      .setExpirationTime('5m')
      .sign(privateKey)
    answer({
      access_token: token,
      token_type: 'Bearer',
      expires_in: expiresIn,
      ...(isDevice && { refresh_token: 'the refresh token' }),
      ...(scope.includes('openid') && { id_token: identity }),
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    grants,
    issued,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
