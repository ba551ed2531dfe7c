/** What must be right about a message before it is accepted: a message that will fail later helps nobody (7.13). */
import { A2AError } from '../../a2a/errors.ts'
import type { SendMessageRequest } from '../../a2a/operations.ts'
import type { CheckMessage } from '../../ports.ts'
import { ownExtensions } from '../agents/present.ts'
import type { AgentCall, OperationTools } from './tools.ts'

export function checkMessage(
  { message, metadata }: SendMessageRequest,
  call: AgentCall,
  { checkBridged }: Pick<OperationTools, 'checkBridged'>,
): Promise<void> | undefined {
  if (message.role !== 'ROLE_USER') {
    const description = 'a message to an agent has ROLE_USER'
    throw new A2AError('INVALID_PARAMS', description, { violations: [{ field: 'message.role', description }] })
  }
  checkExtensions(call)
  checkMediaTypes(message.parts, call)
  const { card, connector } = call.known
  // What opens a task at a bridge must be of the form that stands there; an answer is judged by who asked.
  const bridged = connector.kind === 'mcp' && card && message.taskId === undefined
  return bridged && checkBridged ? refuseWrong(checkBridged(card, message, metadata)) : undefined
}

async function refuseWrong(checking: ReturnType<CheckMessage>): Promise<void> {
  const wrong = await checking
  if (wrong) throw new A2AError('INVALID_PARAMS', `${wrong.field}: ${wrong.description}`, { violations: [wrong] })
}

/** An extension that the agent requires must have been asked for (spec §3.3.4). */
function checkExtensions({ known, extensions }: AgentCall): void {
  const missing = ownExtensions(known).filter(({ uri, required }) => required && !extensions.includes(uri))
  if (missing.length > 0) {
    throw new A2AError(
      'EXTENSION_SUPPORT_REQUIRED',
      `the agent requires the extension ${missing.map(({ uri }) => uri).join(', ')}: name it in A2A-Extensions`,
    )
  }
}

/**
 * The agent's input modes, its skills' included, as its card says them or, where there is none, its registration; a part
 * that says nothing of its type is not judged.
 */
function checkMediaTypes(parts: SendMessageRequest['message']['parts'], { known }: AgentCall): void {
  const { defaultInputModes: usual = [], skills = [] } = known.card ?? known.registration
  if (usual.length === 0) return
  const modes = [...usual, ...skills.flatMap((skill) => skill.inputModes ?? [])]
  const refused = parts.find(({ mediaType }) => mediaType && !modes.some((mode) => matches(mode, mediaType)))
  if (refused) {
    throw new A2AError(
      'CONTENT_TYPE_NOT_SUPPORTED',
      `the agent does not take ${refused.mediaType?.slice(0, 64)}; it takes ${modes.slice(0, 10).join(', ')}`,
    )
  }
}

/** Modes are media types, wildcards, or (in old cards) plain words like `text`. */
function matches(mode: string, mediaType: string): boolean {
  const wanted = mode.toLowerCase()
  const given = (mediaType.split(';')[0] as string).trim().toLowerCase()
  if (wanted === '*' || wanted === '*/*' || wanted === given) return true
  if (wanted.endsWith('/*')) return given.startsWith(wanted.slice(0, -1))
  return !wanted.includes('/') && given.startsWith(`${wanted}/`)
}
