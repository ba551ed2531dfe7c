/**
 * The software bill of materials, as CycloneDX 1.6: every package that runs with the gateway, from the lockfile alone, so
 * that it needs no network and is the same wherever it is made.
 *
 *   npm run -s sbom > sbom.cdx.json      what runs
 *   npm run -s sbom -- --all             what builds and tests it as well
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const lockText = readFileSync(join(import.meta.dirname, '..', 'package-lock.json'), 'utf8')
const { packages } = JSON.parse(lockText)
const all = process.argv.includes('--all')

/** The package's own name, which an alias hides. */
const nameOf = (path, entry) => entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
const purlOf = (name, version) => `pkg:npm/${name.replace(/^@/, '%40')}@${version}`
const refOf = (path) => (path === '' ? 'waypost' : path)

const wanted = Object.entries(packages).filter(
  ([path, entry]) => path !== '' && (all || !(entry.dev || entry.devOptional)),
)
const paths = new Set(wanted.map(([path]) => path))

/** Where Node would find a dependency of the package at this path: beside it, or beside one of those around it. */
function resolved(from, name) {
  const around = from === '' ? [] : from.split('/node_modules/')
  for (let count = around.length; count >= 0; count--) {
    const path = [...around.slice(0, count), name].join('/node_modules/')
    const found = count === 0 ? `node_modules/${name}` : path
    if (paths.has(found)) return found
  }
  return undefined
}

/** Subresource integrity is base64, CycloneDX wants hexadecimal. */
function hashesOf({ integrity = '' }) {
  return integrity
    .split(' ')
    .filter((hash) => hash.startsWith('sha512-'))
    .map((hash) => ({ alg: 'SHA-512', content: Buffer.from(hash.slice('sha512-'.length), 'base64').toString('hex') }))
}

const licenses = ({ license }) =>
  typeof license !== 'string'
    ? {}
    : { licenses: [/ (OR|AND|WITH) |^\(/.test(license) ? { expression: license } : { license: { id: license } }] }

const components = wanted
  .map(([path, entry]) => {
    const [name, version] = [nameOf(path, entry), entry.version]
    const [group, bare] = name.startsWith('@') ? name.split('/') : [undefined, name]
    return {
      type: 'library',
      'bom-ref': refOf(path),
      ...(group && { group }),
      name: bare,
      version,
      scope: entry.dev || entry.devOptional ? 'excluded' : entry.optional || entry.peer ? 'optional' : 'required',
      hashes: hashesOf(entry),
      ...licenses(entry),
      purl: purlOf(name, version),
    }
  })
  .sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1))

const dependencies = [['', packages['']], ...wanted]
  .map(([path, entry]) => {
    const names = {
      ...entry.dependencies,
      ...entry.optionalDependencies,
      ...(path === '' && all && entry.devDependencies),
    }
    const found = Object.keys(names)
      .map((name) => resolved(path, name))
      .filter(Boolean)
    return { ref: refOf(path), dependsOn: [...new Set(found)].sort() }
  })
  .sort((a, b) => (a.ref < b.ref ? -1 : 1))

/** The same lockfile, the same number: whoever compares two bills sees whether anything changed. */
const digest = createHash('sha256').update(lockText).update(String(all)).digest('hex')
const serial = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}-a${digest.slice(17, 20)}-${digest.slice(20, 32)}`
const root = packages['']

process.stdout.write(
  `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      serialNumber: `urn:uuid:${serial}`,
      version: 1,
      metadata: {
        component: {
          type: 'application',
          'bom-ref': 'waypost',
          name: root.name,
          version: root.version,
          licenses: [{ license: { id: root.license } }],
          purl: purlOf(root.name, root.version),
        },
      },
      components,
      dependencies,
    },
    undefined,
    2,
  )}\n`,
)
