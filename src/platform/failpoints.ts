/**
 * Failpoints: named places where a test makes this process die, stop, stall or fail. A test setting
 * (`WAYPOST_FAILPOINTS`); without it each is a call of a function that gives back false.
 *
 *     rules:  PATTERNS=ACTION[@K][;…]        *,!replicas.*=kill@7
 *             after=NAME                     counting begins after the first hit of NAME
 *
 * PATTERNS are names with `*`, separated by commas, with `!` those that are left out. `@K`: at the K-th hit of the rule
 * only; otherwise at each. Where a rule acts once, it says so on stderr: `failpoint NAME hit K`.
 */
import { writeSync } from 'node:fs'

/** What a failpoint throws. */
export class FailpointError extends Error {
  readonly code = 'WAYPOST_ERR_FAILPOINT'
}

/** What was asked for cannot be understood. */
export class FailpointRuleError extends Error {
  readonly code = 'WAYPOST_ERR_CONFIG'
  readonly hint = 'PATTERNS=kill|stop|sleep(ms)|throw|throwOnce|dropReply[@K], rules separated by semicolons'
}

const off = (): boolean => false

/** Names a place. true: drop the reply that is about to be written. Throws a FailpointError if a rule says so. */
export let failpoint: (name: string) => boolean = off
/** For what is worth doing only if there are any. */
export let failpointsOn = false

type Act = () => boolean

/** How each ends the place, by name; `sleep` stalls the whole process, as a blocked loop does. */
const ACTIONS: Readonly<Record<string, (argument: number) => Act>> = {
  kill: () => () => {
    process.kill(process.pid, 'SIGKILL')
    return false
  },
  stop: () => () => {
    process.kill(process.pid, 'SIGSTOP')
    return false
  },
  sleep: (ms) => () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
    return false
  },
  throw: () => () => {
    throw new FailpointError('a failpoint')
  },
  throwOnce: () => {
    let thrown = false
    return () => {
      if (thrown) return false
      thrown = true
      throw new FailpointError('a failpoint')
    }
  },
  dropReply: () => () => true,
}

interface Rule {
  readonly fits: (name: string) => boolean
  readonly act: Act
  /** undefined: at each hit. */
  readonly at: number | undefined
  hits: number
}

const RULE = /^(?<patterns>[A-Za-z0-9.*!,_-]+)=(?<action>[a-zA-Z]+)(?:\((?<argument>\d{1,6})\))?(?:@(?<at>\d{1,6}))?$/

function readRule(text: string): Rule {
  const parts = RULE.exec(text)?.groups as
    | { patterns: string; action: string; argument?: string; at?: string }
    | undefined
  const make = parts && Object.hasOwn(ACTIONS, parts.action) ? ACTIONS[parts.action] : undefined
  if (!parts || !make || (parts.action === 'sleep') !== (parts.argument !== undefined))
    throw new FailpointRuleError(`WAYPOST_FAILPOINTS: "${text}" is not a rule`)
  const patterns = parts.patterns.split(',')
  const taken = patterns.filter((pattern) => !pattern.startsWith('!')).map(matcher)
  const left = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => matcher(pattern.slice(1)))
  return {
    fits: (name) => taken.some((one) => one.test(name)) && !left.some((one) => one.test(name)),
    act: make(Number(parts.argument ?? 0)),
    at: parts.at === undefined ? undefined : Number(parts.at),
    hits: 0,
  }
}

const matcher = (pattern: string): RegExp => new RegExp(`^${pattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`)

/** Takes the rules; before anything else runs. `undefined`: none, as by default. Throws a FailpointRuleError. */
export function armFailpoints(rules: string | undefined): void {
  const texts = (rules ?? '').split(';').filter(Boolean)
  failpointsOn = texts.length > 0
  if (!failpointsOn) {
    failpoint = off
    return
  }
  let waitFor = texts.find((text) => text.startsWith('after='))?.slice('after='.length)
  const read = texts.filter((text) => !text.startsWith('after=')).map(readRule)
  failpoint = (name) => {
    if (waitFor !== undefined) {
      if (name === waitFor) waitFor = undefined
      return false
    }
    let drop = false
    for (const rule of read) if (rule.fits(name)) drop = hit(rule, name) || drop
    return drop
  }
}

function hit(rule: Rule, name: string): boolean {
  rule.hits++
  if (rule.at !== undefined && rule.hits !== rule.at) return false
  // Before it acts: afterwards there may be nobody who could say it.
  if (rule.at !== undefined) writeSync(2, `failpoint ${name} hit ${rule.hits}\n`)
  return rule.act()
}
