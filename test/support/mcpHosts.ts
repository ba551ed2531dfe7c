/** MCP hosts as tests have them: the official clients of both generations, in both protocol eras. */
import { Client as ModernClient, StreamableHTTPClientTransport as ModernHttp } from '@modelcontextprotocol/client'
import { StdioClientTransport as ModernStdio } from '@modelcontextprotocol/client/stdio'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport as OldStdio } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as OldHttp } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

export interface Called {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into results of many forms
  readonly result: any
  readonly text: string
  readonly isError: boolean
}

export interface CallOptions {
  readonly onprogress?: (progress: { progress: number; message?: string | undefined }) => void
  readonly signal?: AbortSignal
}

export interface Host {
  call(name: string, input?: Record<string, unknown>, options?: CallOptions): Promise<Called>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  listTools(): Promise<any[]>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly client: any
  close(): Promise<void>
}

export type Where =
  | { readonly url: string; readonly token: string }
  | {
      readonly command: string
      readonly args: readonly string[]
      readonly env: Record<string, string>
      readonly cwd?: string
    }

/** `v1`: the 2025 era with its own client; `v2 legacy`, `v2 modern`: the newer client in either era. */
export const HOSTS = ['v1', 'v2 legacy', 'v2 modern'] as const
export type HostKind = (typeof HOSTS)[number]

const INFO = { name: 'a-host', version: '1' }

export async function aHost(kind: HostKind, where: Where): Promise<Host> {
  const client = kind === 'v1' ? new OldClient(INFO) : new ModernClient(INFO, negotiation(kind))
  // The generations' types differ; what is used of them here does not.
  await (client as OldClient).connect(transportOf(kind, where) as never)
  return {
    client,
    async call(name, input = {}, options = {}) {
      const request = { name, arguments: input }
      const answer = (await (kind === 'v1'
        ? (client as OldClient).callTool(request, undefined, options as never)
        : (client as ModernClient).callTool(request, options as never))) as {
        content: { text?: string }[]
        structuredContent?: unknown
        isError?: boolean
      }
      const text = answer.content[0]?.text ?? ''
      return { result: answer.structuredContent ?? jsonOf(text), text, isError: answer.isError === true }
    },
    listTools: async () => (await (client as OldClient).listTools()).tools,
    close: () => client.close(),
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const negotiation = (kind: HostKind) =>
  kind === 'v2 modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } } : {}

function transportOf(kind: HostKind, where: Where) {
  if ('url' in where) {
    const options = { requestInit: { headers: { authorization: `Bearer ${where.token}` } } }
    return kind === 'v1' ? new OldHttp(new URL(where.url), options) : new ModernHttp(new URL(where.url), options)
  }
  const { command, args, env, cwd } = where
  const options = { command, args: [...args], env, stderr: 'pipe' as const, ...(cwd !== undefined && { cwd }) }
  return kind === 'v1' ? new OldStdio(options) : new ModernStdio(options)
}
