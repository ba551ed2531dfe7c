/**
 * The gateway from the build, loaded and waiting for a line that says with which environment and bounds it shall start: the
 * driver keeps one loaded ahead, so that a kill costs no load time. The bounds are only waits, made short.
 */
import { createInterface } from 'node:readline'
import { LIMITS } from '../../../dist/limits.js'
import { runGateway } from '../../../dist/main.js'

const lines = createInterface({ input: process.stdin })
const line = await new Promise((resolve) => lines.once('line', resolve))
lines.close()
process.stdin.destroy()
const { env, limits, cwd } = JSON.parse(line)
Object.assign(process.env, env)
Object.assign(LIMITS, limits)
process.chdir(cwd)
await runGateway()
