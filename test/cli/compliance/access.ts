/** §12 and §13: credentials, transports, versions. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { TEST_CERTIFICATE, TEST_KEY } from '../../support/certificate.ts'
import { CLIENT, startIdp } from './idp.ts'
import type { OfficialAgent } from './official.ts'
import { type Check, cli, emptyDirectory, field, json, type Scene } from './scene.ts'
import { aTask, startScripted } from './scripted.ts'

const bearerScheme = { securitySchemes: { bearer: { httpAuthSecurityScheme: { scheme: 'Bearer' } } } }
const keyScheme = (location: string, name: string) => ({
  securitySchemes: { key: { apiKeySecurityScheme: { location, name } } },
})
const lastCall = (agent: OfficialAgent) => agent.calls().at(-1)
const secretEnv = { A2ACLI_CLIENT_ID: CLIENT.id, A2ACLI_CLIENT_SECRET: CLIENT.secret }
const tokensIn = (home: string) => join(home, '.config/a2a-cli/tokens.json')

/** An agent that takes only what this authorization server has issued. */
const guarded = (scene: Scene, idp: { issued: readonly string[] }, scheme: object) =>
  scene.official({
    card: { securitySchemes: { idp: scheme } },
    admits: ({ headers }) => idp.issued.some((token) => headers.authorization === `Bearer ${token}`),
  })
const oauth = (url: string, flow: object) => ({
  oauth2SecurityScheme: { flows: { ...flow }, description: url },
})
const deviceFlow = (url: string) =>
  oauth(url, {
    deviceCode: { deviceAuthorizationUrl: `${url}/device`, tokenUrl: `${url}/token`, scopes: { tasks: 'all of them' } },
  })
const secretFlow = (url: string) =>
  oauth(url, { clientCredentials: { tokenUrl: `${url}/token`, scopes: { tasks: 'all of them' } } })

const tls = { key: TEST_KEY, cert: TEST_CERTIFICATE }

export const ACCESS: Record<string, Check> = {
  async A2ACLI_AUTH_001({ official }) {
    const send = (agent: OfficialAgent, more: string[], env = {}) =>
      cli('send --text hi -a', [agent.url, ...more], { env })
    const [bearer, header, query, cookie] = await Promise.all([
      official({ card: bearerScheme }),
      official({ card: keyScheme('header', 'X-Own-Key') }),
      official({ card: keyScheme('query', 'own_key') }),
      official({ card: keyScheme('cookie', 'own') }),
    ])
    await send(bearer, ['--bearer', 't0ken'])
    expect(lastCall(bearer)?.headers.authorization).toBe('Bearer t0ken')
    await send(bearer, [], { A2ACLI_BEARER: 'fr0m-env' })
    expect(lastCall(bearer)?.headers.authorization).toBe('Bearer fr0m-env')
    await send(header, ['--api-key', 'k3y'])
    expect(lastCall(header)?.headers['x-own-key']).toBe('k3y')
    await send(query, [], { A2ACLI_API_KEY: 'k3y' })
    expect(lastCall(query)?.path).toMatch(/\?own_key=k3y$/)
    await send(cookie, ['--api-key', 'k3y'])
    expect(lastCall(cookie)?.headers.cookie).toBe('own=k3y')
    await send(header, ['--svc-param', 'X-Trace:abc', '--svc-param', 'X-Other: d'])
    expect([lastCall(header)?.headers['x-trace'], lastCall(header)?.headers['x-other']]).toEqual(['abc', 'd'])
    const { stdout } = await cli('help send')
    expect(/--svc-param .*/.exec(stdout)?.[0]).not.toMatch(/auth|credential|token/i)
  },

  async A2ACLI_AUTH_002({ official }) {
    const { stdout } = await cli('help send')
    const help = stdout.replace(/\s+/g, ' ')
    for (const [flag, name] of [
      ['--bearer', 'A2ACLI_BEARER'],
      ['--api-key', 'A2ACLI_API_KEY'],
    ] as const)
      expect(help).toMatch(new RegExp(`${flag} <\\w+> [^-]*process list[^-]*history[^-]*${name}`))
    const agent = await official({ card: bearerScheme })
    await cli('send --text hi --bearer flag -a', [agent.url], { env: { A2ACLI_BEARER: 'variable' } })
    expect(lastCall(agent)?.headers.authorization).toBe('Bearer flag')
  },

  async A2ACLI_AUTH_003({ official }) {
    const agent = await official({ tls, card: bearerScheme })
    const checked = await cli('send --text hi --bearer t0ken -o json -a', [agent.url])
    expect([checked.code, json(checked).error.code]).toEqual([3, 'A2ACLI_ERR_UNREACHABLE'])
    expect(agent.seen.entries).toEqual([])
    const open = await cli('send --text hi --quiet --bearer t0ken --insecure -a', [agent.url])
    expect([open.code, /^WARNING: TLS certificates are not checked.*credentials/m.test(open.stderr)]).toEqual([0, true])
    const byVariable = await cli('send --text hi -a', [agent.url], { env: { A2ACLI_INSECURE: '1' } })
    expect(byVariable.stderr).toContain('WARNING: TLS certificates are not checked')
    const file = join(emptyDirectory(), 'ca.pem')
    writeFileSync(file, TEST_CERTIFICATE)
    const trusted = await cli('send --text hi -a', [agent.url, '--ca-cert', file])
    expect([trusted.code, trusted.stderr]).toEqual([0, ''])
  },

  async A2ACLI_AUTH_004({ official }) {
    const agent = await official({ card: keyScheme('query', 'own_key') })
    const bearing = await official({ card: bearerScheme })
    const noisy = ['--debug', '--verbose', '--svc-param', 'X-Session:hush-hush']
    const { task } = json(await cli('send --text hi -o json -a', [agent.url]))
    const rans = await Promise.all([
      cli('send --text hi --api-key k3y-s3cret -a', [agent.url, ...noisy]),
      cli('send --text hi --bearer t0k-s3cret -a', [bearing.url, ...noisy]),
      cli('task push-config create --url http://127.0.0.1:9/ --token n0te-s3cret -a', [
        ...[agent.url, task.id, ...noisy],
        ...['--authentication', 'Bearer h00k-s3cret'],
      ]),
      cli('task get --bearer t0k-s3cret -a', [bearing.url, 'nobody', ...noisy]),
    ])
    for (const { stdout, stderr } of rans) {
      expect(stderr).toContain('debug: > ')
      expect(stdout + stderr).not.toMatch(/s3cret|hush-hush/)
    }
    const shown = await cli('config show --bearer t0k-s3cret', [], { env: { A2ACLI_API_KEY: 'k3y-s3cret' } })
    expect(shown.stdout).not.toContain('s3cret')
  },

  async A2ACLI_TX_001({ official }) {
    const [rpcFirst, restFirst] = await Promise.all([
      official({ bindings: ['JSONRPC', 'HTTP+JSON'] }),
      official({ bindings: ['HTTP+JSON', 'JSONRPC'] }),
    ])
    for (const agent of [rpcFirst, restFirst]) await cli('send --text hi -a', [agent.url])
    expect([lastCall(rpcFirst)?.path, lastCall(restFirst)?.path]).toEqual(['/rpc', '/rest/message:send'])
  },

  async A2ACLI_TX_002({ official, keep }) {
    const agent = await official({})
    const path = async (...transports: string[]) => {
      await cli('send --text hi -a', [agent.url, ...transports.flatMap((name) => ['--transport', name])])
      return lastCall(agent)?.path
    }
    expect(await path('HTTP+JSON')).toBe('/rest/message:send')
    expect(await path('JSONRPC', 'HTTP+JSON')).toBe('/rpc')
    expect(await path('SOMETHING-ELSE', 'HTTP+JSON', 'JSONRPC')).toBe('/rest/message:send')
    expect(await path('SOMETHING-ELSE')).toBe('/rpc')
    const odd = await keep(
      startScripted(
        () => ({ result: { task: aTask('COMPLETED') } }),
        (url) => ({
          ...{ name: 'odd', description: '', version: '1', capabilities: {}, skills: [] },
          ...{ defaultInputModes: [], defaultOutputModes: [] },
          supportedInterfaces: [
            { url: 'mqtt://elsewhere', protocolBinding: 'urn:example:mqtt', protocolVersion: '1.0' },
            { url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
          ],
        }),
      ),
    )
    expect((await cli('send --text hi -a', [odd.url])).code).toBe(0)
  },

  async A2ACLI_TX_003({ official }) {
    const [rpc, rest, none] = await Promise.all([
      official({ tenant: 'acme/eu', bindings: ['JSONRPC'] }),
      official({ tenant: 'acme', bindings: ['HTTP+JSON'] }),
      official({ bindings: ['JSONRPC'] }),
    ])
    for (const agent of [rpc, none]) {
      const id = json(await cli('send --text hi -o json -a', [agent.url])).task.id
      for (const verb of ['task get', 'task subscribe', 'task push-config list'])
        await cli(`${verb} -a`, [agent.url, id])
      await cli('task list -a', [agent.url])
    }
    expect(rpc.calls().length).toBeGreaterThan(5)
    expect(new Set(rpc.calls().map(({ params }) => params.tenant))).toEqual(new Set(['acme/eu']))
    expect(none.calls().some(({ params }) => 'tenant' in params)).toBe(false)
    const { id } = json(await cli('send --text hi -o json -a', [rest.url])).task
    await cli('task get -a', [rest.url, id])
    expect(rest.calls().map(({ path }) => path)).toEqual(['/rest/acme/message:send', `/rest/acme/tasks/${id}`])
  },

  async A2ACLI_VER_001({ official, keep }) {
    const agent = await official({})
    const { id } = json(await cli('send --text hi -o json -a', [agent.url])).task
    await Promise.all([
      cli('task get -a', [agent.url, id]),
      cli('task list --transport HTTP+JSON -a', [agent.url]),
      cli('send --stream --text hi -a', [agent.url]),
    ])
    expect(new Set(agent.seen.entries.map(({ headers }) => headers['a2a-version']))).toEqual(new Set(['1.0']))
    const before = agent.calls().length
    for (const version of ['', '0.3', '2.0']) {
      const ran = await cli('send --text hi -o json -a', [agent.url, '--a2a-version', version])
      expect([ran.code, json(ran).error.code]).toEqual([1, 'VersionNotSupportedError'])
    }
    expect(agent.calls().length).toBe(before)
    await cli('send --text hi --a2a-version 1.1 -a', [agent.url])
    expect(lastCall(agent)?.headers['a2a-version']).toBe('1.1')
    const old = await keep(
      startScripted(
        () => 'silence',
        (url) => ({
          ...{ name: 'old', supportedInterfaces: [{ url, protocolBinding: 'JSONRPC', protocolVersion: '0.3' }] },
        }),
      ),
    )
    const refused = await cli('send --text hi -o json -a', [old.url])
    expect([refused.code, json(refused).error.code, old.asked.length]).toEqual([1, 'VersionNotSupportedError', 0])
    const newer = await keep(startScripted(() => ({ error: { code: -32009, message: 'not that one' } })))
    expect(json(await cli('send --text hi -o json -a', [newer.url])).error.code).toBe('VersionNotSupportedError')
  },

  async A2ACLI_VER_002({ official }) {
    const uri = 'https://example.test/extensions/signed-receipts'
    const ours = 'urn:x-waypost:store-and-forward:1'
    const requiring = (...uris: string[]) =>
      official({ capabilities: { extensions: uris.map((one) => ({ uri: one, required: true })) } })
    const [foreign, known] = await Promise.all([requiring(uri), requiring(ours)])
    const refused = await cli('send --text hi -o json -a', [foreign.url])
    expect([refused.code, json(refused).error.code, foreign.calls().length]).toEqual([
      1,
      'ExtensionSupportRequiredError',
      0,
    ])
    expect(json(refused).error.hint).toContain(uri)
    await cli('send --text hi -a', [foreign.url, '--extension', uri])
    await cli('send --text hi -a', [known.url])
    expect([lastCall(foreign), lastCall(known)].map((seen) => seen?.headers['a2a-extensions'])).toEqual([uri, ours])
  },

  async A2ACLI_VER_003({ official }) {
    const bare = await official({ capabilities: { streaming: false, pushNotifications: false } })
    const { id } = json(await cli('send --text hi -o json -a', [bare.url])).task
    const before = bare.calls().length
    const [push, extended] = await Promise.all([
      cli('task push-config create --url http://127.0.0.1:9/ -o json -a', [bare.url, id]),
      cli('card get --extended -o json -a', [bare.url]),
    ])
    expect([json(push).error.code, json(extended).error.code]).toEqual([
      'PushNotificationNotSupportedError',
      'UnsupportedOperationError',
    ])
    expect(bare.calls().length).toBe(before)
    const followed = await cli('task subscribe --stream -o json -a', [bare.url, id])
    expect([followed.code, json(followed).task.status.state]).toEqual([0, 'TASK_STATE_COMPLETED'])
    expect(bare.calls().some(({ operation }) => operation?.match(/Subscribe|Streaming/))).toBe(false)
  },

  async A2ACLI_AUTH_005(scene) {
    const idp = await scene.keep(startIdp({ pending: 2 }))
    const agent = await guarded(scene, idp, deviceFlow(idp.url))
    const cwd = emptyDirectory()
    const login = await cli('auth login --client-id cli -a', [agent.url], { cwd })
    expect([login.code, field(login, 'Grant'), field(login, 'Refreshable')]).toEqual([0, 'device-code', 'yes'])
    expect(login.stderr).toContain(`${idp.url}/activate and enter the code WAYP-OST1`)
    expect(idp.grants).toEqual(Array(3).fill('urn:ietf:params:oauth:grant-type:device_code'))
    expect((await cli('send --text hi -a', [agent.url], { cwd })).code).toBe(0)
  },

  async A2ACLI_AUTH_006(scene) {
    const idp = await scene.keep(startIdp())
    const agent = await guarded(scene, idp, secretFlow(idp.url))
    const cwd = emptyDirectory()
    const wrong = await cli('auth login -o json -a', [agent.url], {
      cwd,
      env: { ...secretEnv, A2ACLI_CLIENT_SECRET: 'no' },
    })
    expect([wrong.code, json(wrong).error.code]).toEqual([4, 'A2ACLI_ERR_AUTH_FAILED'])
    const login = await cli('auth login --debug -o json -a', [agent.url], { cwd, env: secretEnv })
    expect(json(login)).toMatchObject({ grant: 'client-credentials', scheme: 'idp' })
    expect(login.stdout + login.stderr).not.toMatch(new RegExp(`${idp.issued[0]}|client secret`))
    expect((await cli('send --text hi -a', [agent.url], { cwd })).code).toBe(0)
  },

  async A2ACLI_AUTH_007(scene) {
    const idp = await scene.keep(startIdp({ pending: 0, expiresIn: 1 }))
    const agent = await guarded(scene, idp, deviceFlow(idp.url))
    const cwd = emptyDirectory()
    expect((await cli('send --text hi -a', [agent.url], { cwd })).code).toBe(4)
    await cli('auth login --client-id cli -a', [agent.url], { cwd })
    expect(statSync(tokensIn(cwd)).mode & 0o777).toBe(0o600)
    expect((await cli('config show', [], { cwd })).stdout).toContain(`token for ${agent.url}`)
    // It is about to expire, so it is renewed before it is used; and the one who has been refused it stays so.
    expect((await cli('send --text hi -a', [agent.url], { cwd })).code).toBe(0)
    expect(idp.grants.at(-1)).toBe('refresh_token')
    const other = await scene.official({ card: { securitySchemes: { idp: deviceFlow(idp.url) } } })
    await cli('send --text hi -a', [other.url], { cwd })
    expect(other.seen.entries.some(({ headers }) => headers.authorization)).toBe(false)
    await cli('auth logout -a', [agent.url], { cwd })
    expect((await cli('send --text hi -a', [agent.url], { cwd })).code).toBe(4)
  },

  async A2ACLI_AUTH_008({ official, agent }) {
    const guardedCard = await official({ card: bearerScheme })
    await Promise.all([
      cli('card get --bearer t0ken --svc-param X-Session:s -a', [guardedCard.url]),
      cli('send --text hi --api-key k3y -a', [agent.url]),
    ])
    const cardRequests = [...guardedCard.seen, ...agent.seen].filter(({ path }) => path.includes('.well-known'))
    expect(cardRequests.length).toBeGreaterThan(1)
    for (const { headers, path } of cardRequests) {
      expect([headers.authorization, headers['x-api-key'], headers['x-session'], headers.cookie]).toEqual(
        Array(4).fill(undefined),
      )
      expect(path).not.toContain('?')
    }
    const undeclared = await official({ capabilities: { extendedAgentCard: true }, extended: true })
    const refused = await cli('card get --extended --bearer t0ken -o json -a', [undeclared.url])
    expect([refused.code, json(refused).error.code]).toEqual([4, 'A2ACLI_ERR_CREDENTIALS_MISSING'])
    expect(undeclared.calls()).toEqual([])
  },

  async A2ACLI_AUTH_009({ official }) {
    const agent = await official({ tls: { ...tls, ca: TEST_CERTIFICATE, requestCert: true, rejectUnauthorized: true } })
    const cwd = emptyDirectory()
    writeFileSync(join(cwd, 'cert.pem'), TEST_CERTIFICATE)
    writeFileSync(join(cwd, 'key.pem'), TEST_KEY)
    const own = ['--client-cert', 'cert.pem', '--client-key', 'key.pem']
    const known = await cli('send --text hi --ca-cert cert.pem -a', [agent.url, ...own], { cwd })
    expect([known.code, field(known, 'State')]).toEqual([0, 'COMPLETED'])
    expect((await cli('send --text hi --ca-cert cert.pem -a', [agent.url], { cwd })).code).toBe(3)
    expect((await cli('send --text hi --client-cert cert.pem -a', [agent.url], { cwd })).code).toBe(2)
  },

  async A2ACLI_AUTH_010(scene) {
    const scheme = (url: string) => ({
      openIdConnectSecurityScheme: { openIdConnectUrl: `${url}/.well-known/openid-configuration` },
    })
    const [idp, liar] = await Promise.all([
      scene.keep(startIdp()),
      scene.keep(startIdp({ issuer: 'https://another.example.test' })),
    ])
    const [agent, other] = await Promise.all([
      guarded(scene, idp, scheme(idp.url)),
      guarded(scene, liar, scheme(liar.url)),
    ])
    const cwd = emptyDirectory()
    const login = await cli('auth login --client-id cli -o json -a', [agent.url], { cwd })
    expect([login.code, json(login).grant]).toEqual([0, 'device-code'])
    expect((await cli('send --text hi -a', [agent.url], { cwd })).code).toBe(0)
    const refused = await cli('auth login --client-id cli -o json -a', [other.url], { cwd })
    expect([refused.code, json(refused).error.code]).toEqual([4, 'A2ACLI_ERR_AUTH_FAILED'])
    expect(readFileSync(tokensIn(cwd), 'utf8')).not.toContain(other.url)
  },

  async A2ACLI_AUTH_011({ agent }) {
    const asked = await cli('send --text auth -a', [agent.url])
    const id = field(asked, 'Task') as string
    expect([asked.code, field(asked, 'State')]).toEqual([0, 'AUTH_REQUIRED'])
    expect(asked.stdout).toContain('sign in at https://idp.example.test')
    const resume = field(asked, 'Resume') as string
    expect(resume).toBe(`waypost task get --wait -a ${agent.url} ${id} --wait-auth`)
    const before = agent.calls().length
    const waiting = cli(resume.replace(/^waypost /, ''), ['--poll-interval', '50ms'])
    await agent.seen.next((seen) => agent.calls().indexOf(seen) > before && seen.params.id === id)
    // Authorization is given elsewhere, and the task goes on by itself.
    agent.finish(id)
    expect(field(await waiting, 'State')).toBe('COMPLETED')
  },

  async A2ACLI_CONFIG_001({ official }) {
    const agent = await official({ card: bearerScheme })
    const cwd = emptyDirectory()
    mkdirSync(join(cwd, '.config/a2a-cli'), { recursive: true })
    const path = join(cwd, '.config/a2a-cli/.env')
    writeFileSync(path, `A2ACLI_AGENT_CARD=${agent.url}\nA2ACLI_BEARER=fr0m-file\n`, { mode: 0o600 })
    const before = readFileSync(path, 'utf8')
    const sent = await cli('send --text hi -o json', [], { cwd })
    expect([sent.code, lastCall(agent)?.headers.authorization]).toEqual([0, 'Bearer fr0m-file'])
    const shown = await cli('config show', [], { cwd })
    expect(field(shown, 'agent-card')).toBe(`${agent.url} (${path} A2ACLI_AGENT_CARD)`)
    expect(field(shown, 'bearer')).toBe(`**** (${path} A2ACLI_BEARER)`)
    expect(readFileSync(path, 'utf8')).toBe(before)
    expect(shown.stdout).not.toContain(json(sent).task.id)
  },

  async A2ACLI_CONFIG_002({ agent, official }) {
    const cwd = emptyDirectory()
    mkdirSync(join(cwd, '.config/a2a-cli'), { recursive: true })
    const write = (path: string, value: string) => writeFileSync(join(cwd, path), `A2ACLI_TIMEOUT=${value}\n`)
    const timeout = async (words = '', env = {}) => field(await cli(`config show${words}`, [], { cwd, env }), 'timeout')
    expect(field(await cli('config show', [], { cwd }), 'poll-interval')).toBe('2s (default)')
    write('.config/a2a-cli/.env', '1m')
    expect(await timeout()).toBe(`1m (${join(cwd, '.config/a2a-cli/.env')} A2ACLI_TIMEOUT)`)
    write('.env', '2m')
    expect(await timeout()).toMatch(/^2m \(.*\/\.env A2ACLI_TIMEOUT\)$/)
    write('own.env', '3m')
    expect(await timeout(' --config own.env')).toMatch(/^3m \(own\.env/)
    expect(await timeout(' --config own.env', { A2ACLI_TIMEOUT: '4m' })).toBe('4m (env A2ACLI_TIMEOUT)')
    expect(await timeout(' --timeout 5m', { A2ACLI_TIMEOUT: '4m' })).toBe('5m (flag --timeout)')
    // A file per agent: its reference and what belongs to it.
    const second = await official({ card: bearerScheme })
    writeFileSync(join(cwd, 'second.env'), `A2ACLI_AGENT_CARD=${second.url}\nA2ACLI_BEARER=for-second\n`)
    expect((await cli('send --text hi --config second.env', [], { cwd })).code).toBe(0)
    expect(lastCall(second)?.headers.authorization).toBe('Bearer for-second')
    expect(agent.calls().some(({ headers }) => headers.authorization === 'Bearer for-second')).toBe(false)
  },
}
