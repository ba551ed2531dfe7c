import { createHash } from 'node:crypto'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Task } from '../../../src/a2a/tasks.ts'
import { createEgress, type Egress } from '../../../src/platform/egress.ts'
import type { PrepareWebhook, WebhookPost } from '../../../src/ports.ts'
import {
  createSigner,
  generateSigningKey,
  type Signer,
  type WebhookClaims,
} from '../../../src/wire/bindings/signing.ts'
import { createPrepareWebhook } from '../../../src/wire/bindings/webhook.ts'
import { type Receiver, startReceiver } from '../../support/receiver.ts'
import { haste, loopbackEgress } from './peers.ts'

const never = new AbortController().signal
const task: Task = { id: 'task-1', contextId: 'c', status: { state: 'TASK_STATE_COMPLETED' } }
const event = { statusUpdate: { taskId: 'task-1', contextId: 'c', status: { state: 'TASK_STATE_COMPLETED' } } }
const secret = `whsec_${Buffer.from('a secret of twenty-four b').toString('base64')}`

let receiver: Receiver
let egress: Egress
let sign: Signer
let prepare: PrepareWebhook
const post = (made: WebhookPost, signal: AbortSignal) => prepare(made)(signal)

beforeEach(async () => {
  receiver = await startReceiver()
  egress = loopbackEgress()
  sign = await createSigner({ keys: [await generateSigningKey()], issuer: () => 'https://gateway.example' })
  prepare = createPrepareWebhook({
    egress,
    clock: { ...haste(), now: () => new Date() },
    sign,
    userAgent: 'waypost/test',
  })
})
afterEach(async () => {
  await egress.close()
  await receiver.stop()
})

const aPost = (more: Partial<WebhookPost> = {}): WebhookPost => ({
  url: `${receiver.url}hook?x=1`,
  version: '1.0',
  id: 'event-1.config-1',
  attempt: 2,
  taskId: 'task-1',
  sequence: 7,
  json: JSON.stringify(event),
  snapshot: async () => task,
  gap: false,
  ...more,
})

describe('what arrives', () => {
  test('the event, and who says what and when', async () => {
    const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: 'x=y' }
    expect(await post(aPost({ token: 'tok', trace }), never)).toMatchObject({ kind: 'accepted', status: 200 })
    const got = await receiver.next()
    expect(got.path).toBe('/hook?x=1')
    expect(got.json).toEqual(event)
    expect(got.headers).toMatchObject({
      'content-type': 'application/a2a+json',
      'user-agent': 'waypost/test',
      'a2a-version': '1.0',
      'webhook-id': 'event-1.config-1',
      'webhook-seq': '7',
      'webhook-attempt': '2',
      'x-a2a-notification-token': 'tok',
      ...trace,
    })
    for (const absent of ['webhook-gap', 'webhook-signature', 'authorization'])
      expect(got.headers).not.toHaveProperty(absent)
  })

  test('an event of more than 256 KiB goes thin: how the task stands and which it is, in the version of its receiver', async () => {
    const big = 'ä'.repeat(131_100)
    const told = { taskId: 'task-1', contextId: 'c' }
    const thin = (more: object) => ({ 'urn:x-waypost:store-and-forward:1': { thin: more } })
    const status = { state: 'TASK_STATE_WORKING', timestamp: '2026-01-01T00:00:00.000Z' }
    const message = { messageId: 'm-1', role: 'ROLE_AGENT', parts: [{ text: big }] }
    const working = { ...told, status: { ...status, message } }
    const artifactUpdate = { ...told, artifact: { artifactId: 'a-1', parts: [{ text: big }] } }
    const whole = { id: 'task-1', contextId: 'c', status, history: [message] } as Task
    for (const [json, more, stands] of [
      [{ statusUpdate: working }, { messageId: 'm-1' }, status],
      [{ artifactUpdate }, { artifactId: 'a-1' }, task.status],
      [{ task: whole }, {}, status],
    ] as const) {
      const text = JSON.stringify(json)
      await post(aPost({ json: text, id: Object.keys(json)[0] as string }), never)
      const got = await receiver.next(({ headers }) => headers['webhook-id'] === Object.keys(json)[0])
      const metadata = thin({ bytes: Buffer.byteLength(text), ...more })
      expect(got.json).toEqual({ statusUpdate: { ...told, status: stands, metadata } })
      expect(got.headers['webhook-thin']).toBe('true')
    }
    const artifacts = [artifactUpdate.artifact]
    await post(aPost({ version: '0.3', snapshot: async () => ({ ...task, artifacts }) }), never)
    const old = await receiver.next(({ headers }) => headers['a2a-version'] === '0.3')
    expect(old.json).toMatchObject({ kind: 'task', id: 'task-1', contextId: 'c', status: { state: 'completed' } })
    expect(old.json).not.toHaveProperty('artifacts')
    expect(old.headers['webhook-thin']).toBe('true')
    // One byte less than the bound is not thinned.
    const room =
      256 * 1024 -
      Buffer.byteLength(
        JSON.stringify({
          statusUpdate: { ...working, status: { ...status, message: { ...message, parts: [{ text: '' }] } } },
        }),
      )
    const fits = { ...message, parts: [{ text: 'x'.repeat(room) }] }
    const json = JSON.stringify({ statusUpdate: { ...told, status: { ...status, message: fits } } })
    await post(aPost({ id: 'fits', json }), never)
    const got = await receiver.next(({ headers }) => headers['webhook-id'] === 'fits')
    expect([got.body, got.headers['webhook-thin']]).toEqual([json, undefined])
  })

  test('a gap is told', async () => {
    await post(aPost({ gap: true }), never)
    expect((await receiver.next()).headers['webhook-gap']).toBe('true')
  })

  test('a registration of 0.3 gets the whole bare task', async () => {
    await post(aPost({ version: '0.3' }), never)
    const got = await receiver.next()
    expect(got.json).toMatchObject({ kind: 'task', id: 'task-1', status: { state: 'completed' } })
    expect(got.headers).toMatchObject({ 'content-type': 'application/json', 'a2a-version': '0.3' })
  })

  test('a JWT that jose accepts, made for this receiver, this body, this event', async () => {
    await post(aPost(), never)
    const got = await receiver.next()
    const { payload, protectedHeader } = await jwtVerify(
      String(got.headers['x-a2a-signature-jwt']),
      createLocalJWKSet(sign.jwks()),
      {
        issuer: 'https://gateway.example',
        audience: new URL(receiver.url).origin,
        maxTokenAge: '5 min',
        algorithms: ['ES256'],
      },
    )
    expect(protectedHeader.kid).toBe(sign.jwks().keys[0]?.kid)
    expect(payload).toMatchObject({
      jti: 'event-1.config-1',
      taskId: 'task-1',
      body_sha256: createHash('sha256').update(got.body).digest('base64url'),
    })
    expect((payload.exp as number) - (payload.iat as number)).toBeLessThanOrEqual(300)
    expect(sign.jwks().keys[0]).not.toHaveProperty('d')
  })

  test('what is ready waits for its place; what has waited long is signed anew', async () => {
    let elapsed = 0
    let made = 0
    const clock = { ...haste(), now: () => new Date(1_700_000_000_000 + elapsed), elapsed: () => elapsed }
    const counting = { ...sign, jwt: (claims: WebhookClaims) => sign.jwt(claims).finally(() => made++) }
    const ready = createPrepareWebhook({ egress, clock, sign: counting, userAgent: 'x' })
    const soon = ready(aPost())
    const late = ready(aPost({ id: 'event-2.config-1' }))
    expect(await soon(never)).toMatchObject({ kind: 'accepted' })
    expect(made).toBe(2)
    elapsed = 11_000
    expect(await late(never)).toMatchObject({ kind: 'accepted' })
    expect(made).toBe(3)
    expect(receiver.log.entries.map(({ headers }) => headers['webhook-timestamp'])).toEqual([
      '1700000000',
      '1700000011',
    ])
  })

  test('what cannot be made ready fails where it is sent', async () => {
    const snapshot = () => Promise.reject(new Error('no log'))
    await expect(post(aPost({ version: '0.3', snapshot }), never)).rejects.toThrow('no log')
    expect(receiver.log.entries).toHaveLength(0)
  })

  test('a signature that the standardwebhooks package accepts, and only for this body', async () => {
    await post(aPost({ secret }), never)
    const got = await receiver.next()
    const headers = got.headers as Record<string, string>
    expect(new Webhook(secret).verify(got.body, headers)).toEqual(event)
    expect(() => new Webhook(secret).verify(`${got.body} `, headers)).toThrow()
    expect(() => new Webhook(`whsec_${Buffer.from('another').toString('base64')}`).verify(got.body, headers)).toThrow()
  })

  test('while a secret is rotated, both fit', async () => {
    const next = `whsec_${Buffer.from('the next secret').toString('base64')}`
    await post(aPost({ secret: `${secret} ${next}` }), never)
    const got = await receiver.next()
    for (const one of [secret, next])
      expect(new Webhook(one).verify(got.body, got.headers as Record<string, string>)).toEqual(event)
  })

  test.each([
    [{ scheme: 'Bearer', credentials: 'abc' }, /^Bearer abc$/],
    [{ scheme: 'Basic', credentials: 'dTpw' }, /^Basic dTpw$/],
    [{ scheme: 'Bearer' }, /^Bearer ey[\w-]+\.[\w-]+\.[\w-]+$/],
    [{ scheme: 'Basic' }, undefined],
  ])('authentication %j', async (authentication, expected) => {
    await post(aPost({ authentication }), never)
    const { authorization } = (await receiver.next()).headers
    if (expected) expect(authorization).toMatch(expected)
    else expect(authorization).toBeUndefined()
  })
})

describe('what became of it', () => {
  test.each([
    [200, { kind: 'accepted' }],
    [204, { kind: 'accepted' }],
    [410, { kind: 'refused', code: 'GONE', retry: false }],
    [408, { kind: 'refused', code: 'BUSY', retry: true }],
    [425, { kind: 'refused', code: 'BUSY', retry: true }],
    [500, { kind: 'refused', code: 'FAILED', retry: true }],
    [502, { kind: 'refused', code: 'FAILED', retry: true }],
    [400, { kind: 'refused', code: 'FAILED', retry: true }],
    [404, { kind: 'refused', code: 'FAILED', retry: true }],
    [301, { kind: 'refused', code: 'FAILED', retry: true }],
  ])('HTTP %i', async (status, expected) => {
    receiver.always({ status, headers: { location: `${receiver.url}elsewhere` } })
    const verdict = await post(aPost(), never)
    expect(verdict).toMatchObject({ ...expected, status, durationMs: expect.any(Number) })
    expect(receiver.log.entries).toHaveLength(1)
  })

  test.each([429, 503, 500])('HTTP %i with Retry-After', async (status) => {
    receiver.always({ status, headers: { 'retry-after': '60' } })
    expect(await post(aPost(), never)).toMatchObject({ kind: 'refused', retry: true, retryAfterMs: 60_000 })
  })

  test('of a reply only the status is told', async () => {
    receiver.always({ status: 500, body: 'root:x:0:0:internal secret' })
    expect(JSON.stringify(await post(aPost(), never))).not.toContain('secret')
  })

  test('a huge reply is cut, and the delivery stands', async () => {
    receiver.always({ status: 200, body: 'x'.repeat(10_000_000) })
    expect(await post(aPost(), never)).toMatchObject({ kind: 'accepted' })
  })

  test('a cut connection is tried again: at least once', async () => {
    receiver.always('cut')
    expect(await post(aPost(), never)).toMatchObject({ kind: 'refused', code: 'FAILED', retry: true })
  })

  test('nobody there; stopped; forbidden', async () => {
    receiver.always('silent')
    const stop = new AbortController()
    const posting = post(aPost(), stop.signal)
    await receiver.next()
    stop.abort()
    expect(await posting).toMatchObject({ kind: 'refused', code: 'STOPPED', retry: true })
    const url = receiver.url
    await receiver.stop()
    expect(await post(aPost({ url }), never)).toMatchObject({ kind: 'refused', code: 'UNREACHABLE', retry: true })
    const guarded = createEgress({ allow: [] })
    const strict = createPrepareWebhook({ egress: guarded, clock: haste(), sign, userAgent: 'x' })
    expect(await strict(aPost({ url }))(never)).toMatchObject({ kind: 'refused', code: 'EGRESS_BLOCKED', retry: false })
    await guarded.close()
  })

  test('a token that would forge a header is not sent', async () => {
    expect(await post(aPost({ token: 'a\r\nx-evil: 1' }), never)).toMatchObject({ kind: 'refused', retry: false })
    expect(receiver.log.entries).toHaveLength(0)
  })
})
