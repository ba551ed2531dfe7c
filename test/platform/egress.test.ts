import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { addressRefusal, nameRefusal, parseAllow, urlRefusal } from '../../src/platform/addresses.ts'
import { createEgress, type Egress, type EgressOptions, peerFault } from '../../src/platform/egress.ts'
import { TEST_CERTIFICATE, TEST_KEY } from '../support/certificate.ts'

const bounds = { headersMs: 5_000, bytesMax: 1_000_000 }
const LOOPBACK = ['127.0.0.0/8', '::1/128']

let server: Server
let port: number
let hits: string[]
let respond: (request: IncomingMessage, response: ServerResponse) => void
const opened: Egress[] = []

function egressWith(options: Partial<EgressOptions> = {}): Egress {
  const egress = createEgress({ allow: LOOPBACK, ...options })
  opened.push(egress)
  return egress
}

beforeEach(async () => {
  hits = []
  respond = (_request, response) => response.end('hello')
  server = createServer((request, response) => {
    hits.push(request.url ?? '')
    respond(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((egress) => egress.close()))
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

/** Every spelling of somewhere that a stranger's URL must not lead to. `P` is the test server's port. */
const FORBIDDEN = [
  ...[
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '0x7f000001',
    '017700000001',
    '127.0.0.1.',
    '127.255.255.254',
  ],
  ...['0.0.0.0', '0', '0x0', '[::]', '[::1]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::127.0.0.1]'],
  ...['[64:ff9b::7f00:1]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::]', '[::ffff:0:127.0.0.1]', '[2001:0:7f00:1::]'],
  ...[
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '100.64.0.1',
    '198.18.0.1',
    '192.0.0.1',
    '192.88.99.1',
  ],
  ...[
    '169.254.169.254',
    '[fd00:ec2::254]',
    '100.100.100.200',
    '192.0.0.192',
    '168.63.129.16',
    '[::ffff:169.254.169.254]',
  ],
  ...[
    '[fe80::1]',
    '[fec0::1]',
    '[fd00::1]',
    '[fc00::1]',
    '[ff02::1]',
    '[2001:db8::1]',
    '[5f00::1]',
    '[100::1]',
    '[3fff::1]',
  ],
  ...['224.0.0.1', '255.255.255.255', '240.0.0.1', '192.0.2.1', '198.51.100.1', '203.0.113.1', '[4000::1]'],
  ...['①②⑦.⓪.⓪.①', '127。0。0。1', '１２７.0.0.1', '%31%32%37.0.0.1'],
  ...[
    'localhost',
    'LOCALHOST.',
    'foo.localhost',
    'metadata.google.internal',
    'printer.local',
    'intranet',
    'db',
    'x.lan',
  ],
].map((host) => `http://${host}:P/`)

const MALFORMED = [
  ...[
    '',
    'not a url',
    '/relative',
    '//host.example/',
    'https:host.example',
    'https:///host.example',
    'http:',
    'https://',
  ],
  ...[
    'ftp://host.example/',
    'file:///etc/passwd',
    'gopher://host.example/',
    'javascript:alert(1)',
    'data:text/plain,x',
  ],
  ...[
    'https://u:p@host.example/',
    'https://u@host.example/',
    'https://@host.example/',
    'https://a.example#@b.example/',
  ],
  ...['https://host.example:22/', 'https://host.example:25/', 'https://host.example:6379/', 'https://host.example:0/'],
  ...[
    'https://host.example:99999/',
    'https://host.exa\tmple/',
    'https://host.example/\r\nX: 1',
    'https://host.example\\@b/',
  ],
  ...[
    'http://[::1',
    'http://[fe80::1%25eth0]/',
    `https://host.example/${'x'.repeat(2_048)}`,
    'https://a.example\u0000/',
  ],
]

describe('the guard', () => {
  test.each(FORBIDDEN)('%s is refused, at registration and at the call', async (form) => {
    const url = form.replace('P', String(port))
    const blocked: string[] = []
    const egress = egressWith({ allow: [], onBlocked: (host, reason) => blocked.push(`${host}: ${reason}`) })
    expect(egress.checkUrl(url)).toBeTypeOf('string')
    expect(await egress.request({ url, ...bounds })).toMatchObject({ kind: 'blocked', sent: false })
    expect(blocked).toHaveLength(1)
    expect(hits).toEqual([])
  })

  test.each(MALFORMED)('%j is refused', (url) => {
    expect(urlRefusal(url, { allow: parseAllow(['0.0.0.0/0', '::/0']) })).toBeTypeOf('string')
  })

  test.each([
    'https://example.com/',
    'http://example.com:8080/a?b=c',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
  ])('%s is allowed', (url) => expect(urlRefusal(url, { allow: [] })).toBeUndefined())

  test('G-03 with httpsOnly, plain http goes only to what the list covers', () => {
    const rules = { allow: parseAllow(LOOPBACK), httpsOnly: true }
    expect(urlRefusal('http://example.com/', rules)).toBe('plain http')
    expect(urlRefusal('https://example.com/', rules)).toBeUndefined()
    expect(urlRefusal('http://localhost:80/', rules)).toBeUndefined()
    expect(urlRefusal('http://127.0.0.1/', rules)).toBeUndefined()
  })

  test.each(['169.254.169.254', 'fd00:ec2::254', '100.100.100.200', '192.0.0.192', '::ffff:169.254.169.254'])(
    'no list opens %s',
    (address) => {
      const all = parseAllow(['0.0.0.0/0', '::/0', '169.254.0.0/16'])
      expect(addressRefusal(address, 80, all)).toBeTypeOf('string')
    },
  )

  test('metadata inside NAT64 and 6to4 stays refused when the list opens those', () => {
    const all = parseAllow(['::/0'])
    expect(addressRefusal('64:ff9b::a9fe:a9fe', 80, all)).toBe('link-local address')
    expect(addressRefusal('2002:a9fe:a9fe::', 80, all)).toBe('link-local address')
    expect(addressRefusal('64:ff9b::808:808', 80, all)).toBeUndefined()
  })

  test('a rule with a port opens that port only', () => {
    const allow = parseAllow(['10.0.0.0/8:8080', '[fd00::]/8:9000', '127.0.0.1:6379', '::1'])
    expect(addressRefusal('10.1.2.3', 8080, allow)).toBeUndefined()
    expect(addressRefusal('10.1.2.3', 8081, allow)).toBe('private address')
    expect(addressRefusal('fd12::1', 9000, allow)).toBeUndefined()
    expect(urlRefusal('http://127.0.0.1:6379/', { allow })).toBeUndefined()
    expect(nameRefusal('localhost', 1234, allow)).toBeUndefined()
    expect(nameRefusal('agent', 8080, parseAllow(['10.0.0.0/8:8080']))).toBeUndefined()
    expect(nameRefusal('agent', 8081, parseAllow(['10.0.0.0/8:8080']))).toBe('private name')
  })

  test.each(['', 'localhost', '10.0.0.0/33', '10.0.0.0/8:99999', '300.1.1.1/8', 'fd00::/200'])(
    '%j is no allow-list entry',
    (entry) => expect(() => parseAllow([entry])).toThrow(TypeError),
  )

  const names = (...answers: string[][]) => {
    const asked: string[] = []
    return {
      asked,
      lookup: async (hostname: string) => {
        asked.push(hostname)
        const answer = answers[Math.min(asked.length, answers.length) - 1] ?? []
        return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
      },
    }
  }

  test.each([
    ['a private address', ['127.0.0.1']],
    ['public and private addresses mixed', ['93.184.216.34', '127.0.0.1']],
    ['an IPv4-mapped one', ['::ffff:127.0.0.1']],
  ])('a name that resolves to %s is refused', async (_what, addresses) => {
    const egress = egressWith({ allow: [], lookup: names(addresses).lookup })
    const answer = await egress.request({ url: `http://rebind.example:${port}/`, ...bounds })
    expect(answer).toMatchObject({ kind: 'blocked', sent: false })
    expect(hits).toEqual([])
  })

  test('a name that changes its mind is refused at the second connect', async () => {
    respond = (_request, response) => response.setHeader('connection', 'close').end('first')
    const { lookup, asked } = names(['127.0.0.1'], ['127.0.0.2'])
    const egress = egressWith({ allow: ['127.0.0.1'], lookup })
    const url = `http://rebind.example:${port}/`
    expect(await egress.request({ url, ...bounds })).toMatchObject({ kind: 'answered', status: 200 })
    expect(await egress.request({ url, ...bounds })).toMatchObject({ kind: 'blocked' })
    expect(asked).toHaveLength(2)
    expect(hits).toHaveLength(1)
  })

  test('an address that changes between check and connect is refused by the peer address, before a byte is sent', async () => {
    let looks = 0
    const shifty = {
      family: 4,
      get address() {
        looks += 1
        return looks === 1 ? '93.184.216.34' : '127.0.0.1'
      },
    }
    const egress = egressWith({ allow: [], lookup: async () => [shifty] })
    const answer = await egress.request({ url: `http://shifty.example:${port}/`, ...bounds })
    expect(answer).toEqual({ kind: 'blocked', sent: false, reason: 'loopback address' })
    expect(looks).toBeGreaterThan(1)
    expect(hits).toEqual([])
  })

  test.each(['::8.8.8.8', '64:ff9b::808:808', '2002:808:808::', '::ffff:0:8.8.8.8'])(
    '%s hides a public IPv4 address, and is refused all the same',
    (address) => expect(addressRefusal(address, 443, [])).toBe('address with an embedded IPv4 address'),
  )

  test('a redirect is an answer, not a journey', async () => {
    respond = (_request, response) => response.writeHead(302, { location: `http://127.0.0.1:${port}/second` }).end()
    const answer = await egressWith().request({ url: `http://127.0.0.1:${port}/first`, ...bounds })
    expect(answer).toMatchObject({ kind: 'answered', status: 302 })
    expect(hits).toEqual(['/first'])
  })
})

describe('a call', () => {
  const call = (path = '/', more = {}) => ({ url: `http://127.0.0.1:${port}${path}`, ...bounds, ...more })

  test('asks for identity and gives the answer as it is', async () => {
    let asked: IncomingMessage | undefined
    respond = (request, response) => {
      asked = request
      response.setHeader('X-Two', ['a', 'b']).end('hello')
    }
    const answer = await egressWith().request(call('/?a=b', { method: 'POST', body: 'x', headers: { 'x-me': 'me' } }))
    expect(answer).toMatchObject({ kind: 'answered', status: 200, headers: { 'x-two': 'a, b' } })
    expect(answer.kind === 'answered' && answer.body.toString()).toBe('hello')
    expect(asked?.headers).toMatchObject({ 'accept-encoding': 'identity', 'x-me': 'me', 'content-length': '1' })
    expect(hits).toEqual(['/?a=b'])
  })

  test('connections are kept', async () => {
    const ports = new Set<number>()
    respond = (request, response) => {
      ports.add(request.socket.remotePort ?? 0)
      response.end('ok')
    }
    const egress = egressWith()
    for (let n = 0; n < 20; n++) await egress.request(call())
    expect(ports.size).toBeLessThanOrEqual(2)
  })

  test('the origin not used for longest is closed, and can be called again', async () => {
    const egress = egressWith({ originsMax: 1 })
    expect(await egress.request(call())).toMatchObject({ status: 200 })
    expect(await egress.request({ ...bounds, url: `http://localhost:${port}/` })).toMatchObject({ status: 200 })
    expect(await egress.request(call())).toMatchObject({ status: 200 })
  })

  test('a refused connection is provably unsent', async () => {
    const free = port
    await new Promise((resolve) => server.close(resolve))
    const answer = await egressWith().request({
      ...bounds,
      url: `http://127.0.0.1:${free}/`,
      method: 'POST',
      body: 'x',
    })
    expect(answer).toEqual({ kind: 'unreachable', sent: false, reason: 'connection refused' })
  })

  test.each([
    ['ENOTFOUND', 'the name does not resolve'],
    ['EAI_AGAIN', 'the name does not resolve now'],
  ])('%s is unreachable', async (code, reason) => {
    const lookup = async () => Promise.reject(Object.assign(new Error('dns'), { code }))
    const answer = await egressWith({ lookup }).request({ ...bounds, url: 'http://gone.example/' })
    expect(answer).toEqual({ kind: 'unreachable', sent: false, reason })
  })

  test('no TLS on the other side is unreachable', async () => {
    const answer = await egressWith().request({ ...bounds, url: `https://127.0.0.1:${port}/` })
    expect(answer).toMatchObject({ kind: 'unreachable', sent: false, reason: expect.stringMatching(/^TLS/) })
  })

  test('a connection that ends before the answer may have been acted upon', async () => {
    respond = (request) => request.socket.destroy()
    const answer = await egressWith().request(call('/', { method: 'POST', body: 'x' }))
    expect(answer).toMatchObject({ kind: 'reset', sent: true })
  })

  test('a body that ends before its length is a failure', async () => {
    respond = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half')
      setImmediate(() => response.destroy())
    }
    expect(await egressWith().request(call())).toMatchObject({ kind: 'reset', sent: true })
  })

  test('an answer that never comes', async () => {
    respond = () => undefined
    expect(await egressWith().request(call('/', { headersMs: 50 }))).toMatchObject({ kind: 'timeout', sent: true })
  })

  test('K-10 a body that falls silent, and one that drips: only the total ends it', async () => {
    let dripping: NodeJS.Timeout | undefined
    respond = (_request, response) => {
      response.write('x')
      dripping = setInterval(() => response.write('x'), 10)
    }
    const drip = await egressWith().request(call('/', { idleMs: 1_000, totalMs: 150 }))
    clearInterval(dripping)
    expect(drip).toMatchObject({ kind: 'timeout', reason: expect.stringContaining('complete') })
    respond = (_request, response) => void response.write('x')
    const silent = await egressWith().request(call('/', { idleMs: 50, totalMs: 5_000 }))
    expect(silent).toMatchObject({ kind: 'timeout', reason: expect.stringContaining('silent') })
  })

  test('the signal aborts, before and during', async () => {
    const gone = AbortSignal.abort()
    expect(await egressWith().request(call('/', { signal: gone }))).toMatchObject({ kind: 'aborted', sent: false })
    const stop = new AbortController()
    respond = () => stop.abort()
    const answer = await egressWith().request(call('/', { signal: stop.signal }))
    expect(answer).toMatchObject({ kind: 'aborted', sent: true })
  })

  test('K-09 a body over the limit is cut, and a gzip bomb counts unpacked', async () => {
    respond = (_request, response) => response.end(Buffer.alloc(2_000_000))
    expect(await egressWith().request(call())).toMatchObject({ kind: 'too-large', sent: true })
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    respond = (_request, response) => response.setHeader('content-encoding', 'gzip').end(bomb)
    expect(await egressWith().request(call())).toMatchObject({ kind: 'too-large' })
    respond = (_request, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync('small'))
    const small = await egressWith().request(call())
    expect(small.kind === 'answered' && small.body.toString()).toBe('small')
  })

  test('a stream is read piece by piece, and closing drops the connection', async () => {
    let gone = () => {}
    const closed = new Promise<void>((resolve) => {
      gone = resolve
    })
    respond = (_request, response) => {
      response.on('close', gone)
      response.write('one')
    }
    const stream = await egressWith().open(call())
    if (stream.kind !== 'answered') throw new Error(stream.reason)
    const piece = await stream.read()
    expect(piece.kind === 'piece' && Buffer.from(piece.bytes).toString()).toBe('one')
    stream.close()
    await closed
    expect(await stream.read()).toMatchObject({ kind: 'aborted' })
  })

  test.each(['identity', 'gzip'])('an abort between two reads harms nobody (%s)', async (encoding) => {
    respond = (_request, response) => {
      response.setHeader('content-encoding', encoding)
      response.write(encoding === 'gzip' ? gzipSync(Buffer.alloc(100_000)) : 'one')
    }
    const stop = new AbortController()
    const stream = await egressWith().open(call('/', { signal: stop.signal }))
    if (stream.kind !== 'answered') throw new Error(stream.reason)
    stop.abort()
    await new Promise(setImmediate)
    expect(await stream.read()).toMatchObject({ kind: 'aborted', sent: true })
    expect(await stream.read()).toMatchObject({ kind: 'aborted', sent: true })
  })

  test('a header that would forge another is not sent', async () => {
    const answer = await egressWith().request(call('/', { headers: { 'x-evil': 'a\r\nb: c' } }))
    expect(answer).toMatchObject({ kind: 'blocked', sent: false })
    expect(hits).toEqual([])
  })

  test('after close nothing goes out', async () => {
    const egress = egressWith()
    await egress.close()
    expect(await egress.request(call())).toMatchObject({ kind: 'aborted', sent: false })
  })

  test('TLS: a certificate nobody vouches for, one of another host, one that is trusted', async () => {
    const tls = createTlsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (_request, response) =>
      response.end('secure'),
    )
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
    const { port: tlsPort } = tls.address() as AddressInfo
    const lookup = async () => [{ address: '127.0.0.1', family: 4 }]
    const at = (host: string) => ({ ...bounds, url: `https://${host}:${tlsPort}/`, method: 'POST' as const, body: 'x' })
    const refused = { kind: 'unreachable', sent: false, reason: expect.stringMatching(/^TLS/) }
    expect(await egressWith({ lookup }).request(at('localhost'))).toMatchObject(refused)
    const trusting = egressWith({ lookup, ca: TEST_CERTIFICATE })
    expect(await trusting.request(at('other.example'))).toMatchObject(refused)
    expect(await trusting.request(at('localhost'))).toMatchObject({ kind: 'answered', status: 200 })
    expect(await trusting.request(at('127.0.0.1'))).toMatchObject({ kind: 'answered', status: 200 })
    tls.closeAllConnections()
    await new Promise((resolve) => tls.close(resolve))
  })

  test('who does not speak HTTP', async () => {
    const tcp: TcpServer = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end('SSH-2.0-OpenSSH\r\n\r\n'))
    })
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(tcp.address() as AddressInfo).port}/`
    expect(await egressWith().request({ ...bounds, url })).toMatchObject({ kind: 'reset', sent: true })
    await new Promise((resolve) => tcp.close(resolve))
  })
})

test('who hangs up as soon as it is connected to is not reachable now; who has a forbidden address is refused', () => {
  expect(peerFault({ remoteAddress: undefined }, 80, [])).toMatchObject({ code: 'ECONNRESET' })
  expect(peerFault({ remoteAddress: '10.1.2.3' }, 80, [])).toMatchObject({
    name: 'Refused',
    message: 'private address',
  })
  expect(peerFault({ remoteAddress: '10.1.2.3' }, 80, parseAllow(['10.0.0.0/8']))).toBeUndefined()
})
