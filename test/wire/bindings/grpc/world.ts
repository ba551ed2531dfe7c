/** A gateway with its gRPC port open, and a client that sends whatever bytes it is given: grpc-js alone, no code of ours. */
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire'
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { freePort } from '../../../support/databases.ts'
import { aWorld, type World, type WorldOptions } from '../../../support/world.ts'

export interface GrpcWorld extends World {
  readonly address: string
}

export async function aGrpcWorld(options: WorldOptions = {}): Promise<GrpcWorld> {
  const port = await freePort()
  const world = await aWorld({ ...options, env: { ...options.env, GRPC_PORT: String(port) } })
  return { ...world, address: `127.0.0.1:${port}` }
}

export interface Answer {
  /** The status by its name, `OK` for one. */
  readonly code: string
  readonly message: string
  readonly replies: readonly Buffer[]
  /** `google.rpc` details by their short names, their fields by number. */
  readonly details: Readonly<Record<string, Fields>>
  readonly headers: Readonly<Record<string, unknown>>
}

/** A message's fields by number: text where it is text, nested fields where it is a message we know to be one. */
export type Fields = Readonly<Record<number, readonly Buffer[]>>

/** Length-delimited fields only; the rest is left out. */
export function fieldsOf(bytes: Uint8Array): Fields {
  const fields: Record<number, Buffer[]> = {}
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag()
    if (type === 2) {
      const known = fields[number] ?? []
      fields[number] = [...known, Buffer.from(reader.bytes())]
    } else reader.skip(type)
  }
  return fields
}

export const text = (fields: Fields | undefined, number: number): string => fields?.[number]?.[0]?.toString() ?? ''

function detailsOf(metadata: Metadata): Answer['details'] {
  const [encoded] = metadata.get('grpc-status-details-bin')
  if (!encoded) return {}
  const anys = (fieldsOf(encoded as Buffer)[3] ?? []).map(fieldsOf)
  return Object.fromEntries(
    anys.map((any) => [text(any, 1).replace('type.googleapis.com/google.rpc.', ''), fieldsOf(any[2]?.[0] as Buffer)]),
  )
}

export interface Asking {
  readonly metadata?: Readonly<Record<string, string>>
  readonly deadlineMs?: number
  readonly service?: string
  /** Called with each reply; false: cancel the rpc. */
  readonly onReply?: (reply: Buffer) => boolean
}

/** One rpc, read as a stream, which on the wire a single answer is too. */
export function ask(address: string, method: string, message: Uint8Array, asking: Asking = {}): Promise<Answer> {
  const { metadata = {}, deadlineMs, service = 'lf.a2a.v1.A2AService', onReply } = asking
  const client = new Client(address, credentials.createInsecure(), { 'grpc.max_receive_message_length': -1 })
  const sent = new Metadata()
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value)
  const same = (bytes: Buffer) => bytes
  const call = client.makeServerStreamRequest(`/${service}/${method}`, same, same, Buffer.from(message), sent, {
    ...(deadlineMs !== undefined && { deadline: Date.now() + deadlineMs }),
  })
  const replies: Buffer[] = []
  let headers: Record<string, unknown> = {}
  return new Promise((resolve) => {
    const settle = (code: number, words: string, trailers: Metadata) => {
      client.close()
      resolve({ code: status[code] as string, message: words, replies, details: detailsOf(trailers), headers })
    }
    call.on('metadata', (map: Metadata) => {
      headers = map.getMap()
    })
    call.on('data', (reply: Buffer) => {
      replies.push(reply)
      if (onReply?.(reply) === false) call.cancel()
    })
    call.on('error', (error: ServiceError) => settle(error.code, error.details, error.metadata))
    call.on('end', () => setImmediate(() => settle(status.OK, '', new Metadata())))
  })
}

const field = (number: number, bytes: Uint8Array): Buffer => {
  const head = new BinaryWriter().tag(number, 2).uint32(bytes.length).finish()
  return Buffer.concat([head, bytes])
}
const packed = (type: string, value: Uint8Array): Buffer =>
  Buffer.concat([field(1, Buffer.from(`type.googleapis.com/google.rpc.${type}`)), field(2, value)])

/** `google.rpc.ErrorInfo` and `google.rpc.RetryInfo` in an Any, by hand. */
export const infoDetail = (reason: string): Buffer =>
  packed('ErrorInfo', Buffer.concat([field(1, Buffer.from(reason)), field(2, Buffer.from('waypost'))]))
export const retryDetail = (seconds: number): Buffer =>
  packed('RetryInfo', field(1, new BinaryWriter().tag(1, 0).int64(seconds).finish()))

/** `google.rpc.Status` with such details. */
export const statusDetails = (code: number, message: string, ...details: Buffer[]): Buffer =>
  Buffer.concat([
    new BinaryWriter().tag(1, 0).int32(code).finish(),
    field(2, Buffer.from(message)),
    ...details.map((detail) => field(3, detail)),
  ])
