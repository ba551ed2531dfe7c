/** What is installed is what was published, pinned, wanted and counted (SR-70, SR-72, SR-74). */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const { dependencies, devDependencies, allowScripts, scripts } = JSON.parse(read('package.json')) as Record<
  string,
  Record<string, string>
>

interface Entry {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly hasInstallScript?: boolean
  readonly name?: string
}
const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Entry> }
const entries = Object.entries(packages).filter(([path]) => path !== '')
const nameAt = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

describe('the lockfile', () => {
  test('holds nothing but published packages, each with the SHA-512 of what was published', () => {
    expect(entries.length).toBeGreaterThan(100)
    for (const [path, { version, integrity, resolved, link }] of entries) {
      expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-[A-Za-z0-9+/]{86}==( |$)/)])
      expect([path, version]).toEqual([path, expect.stringMatching(/^\d+\.\d+\.\d+/)])
      // From the registry that whoever installs has chosen: no host of ours or anybody's is in it.
      expect([path, resolved, link]).toEqual([path, undefined, undefined])
    }
  })

  test('what would run at installation is named, and does not', () => {
    const running = entries.filter(([, { hasInstallScript }]) => hasInstallScript).map(([path]) => nameAt(path))
    for (const name of running) expect([name, allowScripts?.[name]]).toEqual([name, false])
  })
})

describe('what runs with the gateway', () => {
  const names = Object.keys(dependencies ?? {})

  test('is pinned, and not more than 25', () => {
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      expect([name, version]).toEqual([name, expect.stringMatching(/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/)])
    expect(names.length).toBeLessThanOrEqual(25)
  })

  test('is listed with what it is for', () => {
    const [, table = ''] = read('SECURITY.md').split('## What it is made of')
    const listed = [...table.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string)
    expect(listed.filter((name) => names.includes(name)).sort()).toEqual([...names].sort())
  })

  test('has no __proto__', () => {
    expect(scripts?.start).toContain('--disable-proto=delete')
    expect(read('Dockerfile')).toMatch(/CMD \["node", .*"--disable-proto=delete"/)
  })
})

test('the bill of materials has every package that runs, and nothing that does not', () => {
  const made = () => spawnSync(process.execPath, [join(ROOT, 'scripts/sbom.mjs')], { encoding: 'utf8' }).stdout
  const text = made()
  const bill = JSON.parse(text)
  expect(bill).toMatchObject({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: expect.stringMatching(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/),
  })
  const running = entries.filter(([, { dev, devOptional }]) => !dev && !devOptional)
  expect(bill.components.map((one: Record<string, string>) => one['bom-ref']).sort()).toEqual(
    running.map(([path]) => path).sort(),
  )
  for (const { purl, hashes, licenses } of bill.components) {
    expect(purl).toMatch(/^pkg:npm\/(%40[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+/)
    expect(hashes).toEqual([{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }])
    expect(licenses).toHaveLength(1)
  }
  const refs = new Set(['waypost', ...bill.components.map((one: Record<string, string>) => one['bom-ref'])])
  for (const { ref, dependsOn } of bill.dependencies) {
    expect(refs).toContain(ref)
    for (const other of dependsOn) expect(refs).toContain(other)
  }
  const [own] = bill.dependencies.filter(({ ref }: { ref: string }) => ref === 'waypost')
  expect(own.dependsOn).toHaveLength(Object.keys(dependencies ?? {}).length)
  expect(made()).toBe(text)
})
