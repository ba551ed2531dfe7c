/** What can be read by address: agent://, task://, conversation://, inbox://me. Unknown and foreign look alike. */
import { A2AError } from '../../a2a/errors.ts'
import { isVisible } from '../../gateway/agents/present.ts'
import { authorize } from '../../gateway/callers/permits.ts'
import { readQueues } from '../../store/queues.ts'
import { listTasks } from '../../store/tasks.ts'
import { callOf, type DeskTools, ownTask, type Seat } from './desk.ts'
import { agentView } from './sending.ts'
import { stateWord } from './view.ts'
import { inboxText } from './working.ts'

const TASKS_MAX = 100
const ADDRESS = /^(agent|task|conversation|inbox):\/\/([^/?#]{1,300})\/?$/

type Reader = (name: string, seat: Seat, tools: DeskTools) => Promise<string | undefined>

const READERS: Readonly<Record<string, Reader>> = {
  async agent(name, { caller }, { agents, db, publicUrl }) {
    const agent = await agents.find(caller.tenant, name.split('@')[0] as string)
    if (!agent || !isVisible(agent, caller)) return undefined
    authorize(caller, 'card', agent.name)
    const [lane] = await readQueues(db, [agent])
    return JSON.stringify(agentView(agent, lane, publicUrl()))
  },
  async task(id, seat, tools) {
    authorize(seat.caller, 'read')
    const head = await ownTask(id, seat, tools)
    return JSON.stringify(await tools.execute('GetTask', { id: head.id }, callOf(head.agent, seat)))
  },
  async conversation(contextId, { caller }, { db }) {
    authorize(caller, 'read')
    const { heads, total } = await listTasks(db, {
      tenant: caller.tenant,
      caller: caller.id,
      contextId,
      limit: TASKS_MAX,
    })
    if (total === 0) return undefined
    const tasks = heads.map(({ id, agent, state }) => ({ taskId: id, agent, state: stateWord({ status: { state } }) }))
    return JSON.stringify({ contextId, tasks, total })
  },
  inbox: async (name, seat, tools) => (name === 'me' ? inboxText(seat, tools) : undefined),
}

export async function readResource(uri: string, seat: Seat, tools: DeskTools): Promise<string | undefined> {
  const [, scheme = '', encoded = ''] = ADDRESS.exec(uri) ?? []
  const read = READERS[scheme]
  if (!read) return undefined
  try {
    return await read(decodeURIComponent(encoded), seat, tools)
  } catch (error) {
    if (error instanceof URIError) return undefined
    if (error instanceof A2AError && (error.reason === 'TASK_NOT_FOUND' || error.reason === 'AGENT_NOT_FOUND'))
      return undefined
    throw error
  }
}
