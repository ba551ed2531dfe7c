/** `explain <CODE>`: what an error means, and what to do about it. */

import { distance } from '../agentRef.ts'
import { CATALOGUE } from '../catalogue.ts'
import { CliError } from '../errors.ts'
import type { Run } from '../invocation.ts'

export const explainCode: Run = async (call) => {
  const wanted = call.args[0]
  const { out } = call
  if (!wanted) {
    const codes = Object.entries(CATALOGUE)
    if (out.json) out.document(Object.fromEntries(codes))
    else
      out.table(
        ['CODE', 'CAUSE'],
        codes.map(([code, { cause }]) => [code, cause]),
      )
    return 0
  }
  const code = wanted.toUpperCase()
  const found = [code, `WAYPOST_ERR_${code}`].find((candidate) => Object.hasOwn(CATALOGUE, candidate)) ?? ''
  const page = CATALOGUE[found]
  if (!page) throw unknown(code, call.program)
  if (out.json) out.document({ code: found, ...page })
  else {
    out.fields([
      ['Code', found],
      ['Cause', page.cause],
      ['Effect', page.effect],
      ['Fix', page.fix],
      ['Example', page.example],
    ])
  }
  return 0
}

function unknown(code: string, program: string): CliError {
  const bare = code.replace(/^WAYPOST_ERR_/, '')
  const near = Object.keys(CATALOGUE).find((known) => distance(known.replace('WAYPOST_ERR_', ''), bare) <= 3)
  return new CliError('A2ACLI_ERR_USAGE', `there is no page about ${code}`, {
    hint: near ? `did you mean ${near}?` : `list them: ${program} explain`,
  })
}
