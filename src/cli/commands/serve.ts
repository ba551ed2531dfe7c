/** `serve`: runs the gateway in this process. */
import type { Run } from '../invocation.ts'

export const serve: Run = async (call) => {
  const { runGateway } = await import('../../main.ts')
  const flags = Object.entries(call.flags).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), value] as const] : [],
  )
  await runGateway(Object.fromEntries(flags))
  // It runs until a signal stops it; the process ends by itself when nothing is left to do.
  return undefined
}
