/** `--profile`: what a part's time went to, and how much of it to what the budget says should cost little. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * With `--statements`: what Postgres' time went to. With `--profile`: what the part's time went to, as a list of self
 * times, as shares for the report, and as a file for the developer tools. `count`: of the things done in `run`.
 */
export async function profiled(stage, part, name, run, count) {
  if (stage.statements) {
    await stage.server.statements()
    const result = await run()
    for (const { ms, calls, rows, query } of await stage.server.statements())
      console.error(`${Math.round(ms)} ms, ${calls} times, ${rows} rows: ${query.replace(/\s+/g, ' ').slice(0, 150)}`)
    return result
  }
  if (!stage.profile) return run()
  await part.call('profileStart')
  const result = await run()
  const { profile, stringified } = await part.call('profileStop')
  const folder = join(import.meta.dirname, '../out')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${name}.cpuprofile`), JSON.stringify(profile))
  console.error(`self time, ${name}:\n${selfTimes(profile)}`)
  if (count) stage.shares[name] = { ...sharesOf(profile), stringified: stringified / Math.max(1, count(result)) }
  return result
}

const placeOf = ({ url, lineNumber }) => `${url.split('/').slice(-3).join('/')}:${lineNumber + 1}`

function timesByNode({ nodes, samples, timeDeltas }) {
  const times = new Map(nodes.map(({ id }) => [id, 0]))
  const idle = new Set(nodes.filter(({ callFrame }) => callFrame.functionName === '(idle)').map(({ id }) => id))
  let all = 0
  samples.forEach((id, at) => {
    if (idle.has(id)) return
    times.set(id, times.get(id) + timeDeltas[at])
    all += timeDeltas[at]
  })
  return { times, all }
}

function selfTimes(profile) {
  const { times, all } = timesByNode(profile)
  const byPlace = new Map()
  for (const { id, callFrame } of profile.nodes) {
    const key = `${callFrame.functionName || '(anonymous)'} ${placeOf(callFrame)}`
    byPlace.set(key, (byPlace.get(key) ?? 0) + times.get(id))
  }
  const top = [...byPlace].sort((a, b) => b[1] - a[1]).slice(0, 45)
  return top.map(([key, time]) => `${((time / all) * 100).toFixed(1).padStart(6)} %  ${key}`).join('\n')
}

/** What a frame, and all that it calls, is counted as. */
const KINDS = {
  'JSON.stringify': ({ functionName }) => functionName === 'jsonStringify',
  'token verification': ({ url }) => /gateway\/callers\/(?!quotas)|node_modules\/jose\//.test(url),
  'per-subscriber work': ({ url }) => /gateway\/tasks\/(hub|subscribe)\.js|bindings\/sse\.js/.test(url),
  signature: ({ url, functionName }) =>
    /platform\/es256|\/signatures\.js|bindings\/sign/.test(url) || /^[sS]ign(OneShot)?$/.test(functionName),
  'garbage collection': ({ functionName }) => functionName === '(garbage collector)',
}

/** The part of the time that each kind took, with what it called: 0 to 1. */
export function sharesOf(profile) {
  const { times, all } = timesByNode(profile)
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const shares = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, 0]))
  const walk = (node, kind) => {
    const is = kind ?? Object.keys(KINDS).find((one) => KINDS[one](node.callFrame))
    if (is) shares[is] += times.get(node.id) / all
    for (const child of node.children ?? []) walk(byId.get(child), is)
  }
  walk(profile.nodes[0])
  return { shares }
}

/** The section of the report. */
export const profileLines = (shares) =>
  Object.entries(shares).flatMap(([name, { shares, stringified }]) => [
    `${name}: of the gateway's CPU, with what it calls: ${Object.entries(shares)
      .map(([kind, share]) => `${kind} ${(share * 100).toFixed(1)} %`)
      .join(', ')}; JSON.stringify ${stringified.toFixed(1)} times a task`,
  ])
