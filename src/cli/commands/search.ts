/** `search`: what was said, by its words. */
import { usage } from '../errors.ts'
import type { Run } from '../invocation.ts'

interface FoundRecord {
  readonly task: string
  readonly caller: string
  readonly agent: string
  readonly state: string
  readonly at: string
  readonly text: string
}

export const search: Run = async (call) => {
  const q = call.args.join(' ')
  if (q === '') throw usage('what for?', `${call.program} search invoice march`)
  const given = ['participant', 'kind', 'since', 'until', 'limit'].map((name) => [name, call.option(name)] as const)
  const query = { q, contextId: call.option('context-id'), ...Object.fromEntries(given) }
  const items: FoundRecord[] = []
  const most = Number(call.option('limit') ?? 50)
  // A page may be empty and go on: it goes back over so many tasks, not over so many that fit.
  for (let cursor: string | undefined; items.length < most; ) {
    const page = (await call.gateway.get('/v1/search', { ...query, cursor })) as { items: FoundRecord[]; next?: string }
    items.push(...page.items)
    cursor = page.next
    if (cursor === undefined) break
  }
  const shown = items.slice(0, most)
  if (call.out.json) call.out.document({ items: shown })
  else {
    call.out.table(
      ['TASK', 'AT', 'FROM', 'TO', 'TEXT'],
      shown.map(({ task, at, caller, agent, text }) => [task, at, caller, agent, text.slice(0, 80)]),
    )
    if (shown.length === 0) call.out.note('nothing was found')
  }
  return 0
}
