/** No container engine here to run it, so the file is read: what must be in it, and that what it calls exists. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { CLIENT_COMMANDS } from '../src/cli/commandTree.ts'
import { operatorCommands } from '../src/cli/operatorTree.ts'
import { readConfig, SETTINGS } from '../src/config.ts'

const root = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

interface Service {
  readonly image?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { condition: string }>>
  readonly command?: readonly string[]
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean }
  readonly stop_grace_period?: string
  readonly networks?: { readonly waypost?: { readonly ipv4_address?: string } }
}
const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Service>
  volumes: Record<string, unknown>
  networks: { waypost: { ipam: { config: [{ subnet: string }] } } }
}
const { services } = compose
const service = (name: string) => services[name] as Service

test('Postgres, two gateways, a demo agent, a webhook sink', () => {
  expect(Object.keys(services).sort()).toEqual(['demo-agent', 'gateway-1', 'gateway-2', 'postgres', 'webhook-sink'])
  expect(service('postgres').image).toBe('postgres:18')
  expect(service('postgres').healthcheck?.test?.join(' ')).toContain('pg_isready')
})

test.each(['gateway-1', 'gateway-2'])('%s shares the database and the keys, and keeps its own directory', (name) => {
  const { environment = {}, depends_on, volumes = [], stop_grace_period } = service(name)
  expect(environment.DATABASE_URL).toMatch(/^postgres:\/\/\w+:\w+@postgres:5432\/\w+$/)
  expect(environment.WAYPOST_MASTER_KEY).toMatch(/^\$\{WAYPOST_MASTER_KEY:\?/)
  expect(environment.WAYPOST_EGRESS_ALLOW).toBe(compose.networks.waypost.ipam.config[0].subnet)
  expect(depends_on?.postgres?.condition).toBe('service_healthy')
  expect(volumes).toEqual([`${name}:/data`])
  expect(Object.keys(compose.volumes)).toContain(name)
  expect(stop_grace_period).toBe('30s')
})

test('the two gateways are the same but for ports, volume and address', () => {
  const same = ({ ports: _, volumes: __, networks: ___, ...rest }: Service) => rest
  expect(same(service('gateway-1'))).toEqual(same(service('gateway-2')))
  const ports = ['gateway-1', 'gateway-2'].flatMap((name) => service(name).ports ?? [])
  expect(ports.every((port) => port.startsWith('127.0.0.1:'))).toBe(true)
  expect(new Set(ports.map((port) => port.split(':')[1])).size).toBe(4)
})

test.each(['demo-agent', 'webhook-sink'])('%s reaches a gateway by its address, which it answers to', (name) => {
  const { hostname, port } = new URL(service(name).environment?.WAYPOST_URL ?? '')
  expect([hostname, port]).toEqual([service('gateway-1').networks?.waypost?.ipv4_address, '4280'])
  const subnet = compose.networks.waypost.ipam.config[0].subnet.replace(/0\/24$/, '')
  expect(hostname.startsWith(subnet)).toBe(true)
})

test('every setting in it is one, and together they are valid', () => {
  const known = Object.values(SETTINGS).map(({ env }) => env) as string[]
  const environment = service('gateway-1').environment ?? {}
  for (const name of Object.keys(environment)) expect(known).toContain(name)
  const key = Buffer.alloc(32).toString('base64')
  const given = {
    ...environment,
    HOST: '0.0.0.0',
    WAYPOST_MASTER_KEY: key,
    WAYPOST_ADMIN_KEY: `wp_admin_${'a'.repeat(48)}`,
  }
  expect(() => readConfig({ env: given, file: '/nowhere' })).not.toThrow()
})

const rows = [...CLIENT_COMMANDS, ...operatorCommands()]
test.each(['demo-agent', 'webhook-sink'])('%s calls a command that exists, with options that it has', (name) => {
  const [node, program, ...words] = service(name).command ?? []
  expect([node, program]).toEqual(['node', 'dist/cli/cli.js'])
  const row = rows.find(({ path }) => words.join(' ').startsWith(path))
  const flags = row?.options?.flatMap(([option]) => option.match(/--[a-z-]+/) ?? []) ?? []
  for (const word of words.filter((text) => text.startsWith('--'))) expect(flags).toContain(word)
})

test('the image runs as nobody, checks itself, and gets signals first hand', () => {
  const dockerfile = read('Dockerfile')
  expect(dockerfile.match(/^FROM /gm)).toHaveLength(2)
  expect(dockerfile).toMatch(/^FROM node:24-slim$/m)
  expect(dockerfile).toMatch(/^USER 65532:65532$/m)
  expect(dockerfile).toMatch(/HEALTHCHECK[\s\S]*"healthcheck", "complete"\]/)
  // As `npm start` does.
  const { start } = JSON.parse(read('package.json')).scripts
  expect(dockerfile).toContain(`\nCMD ${JSON.stringify(start.split(' ')).replaceAll(',', ', ')}\n`)
  for (const [, from] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
    for (const path of (from as string).split(' '))
      expect(() => read(join(path, '..', 'package.json')), path).not.toThrow()
  }
})
