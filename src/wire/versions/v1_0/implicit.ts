/**
 * Protobuf does not send its zero values: over gRPC an absent state is UNSPECIFIED, an absent role too, and absent parts
 * are none. Over HTTP the same absence is a mistake, because JSON can say what it means.
 */
import { type Fields, isFields } from '../liberal.ts'

const message = (json: unknown): unknown => (isFields(json) ? { role: 'ROLE_UNSPECIFIED', ...json } : json)
const artifact = (json: unknown): unknown => (isFields(json) ? { parts: [], ...json } : json)

function status(json: unknown): unknown {
  if (!isFields(json)) return json
  const said = json.message === undefined ? {} : { message: message(json.message) }
  return { state: 'TASK_STATE_UNSPECIFIED', ...json, ...said }
}

const each = (json: unknown, fill: (one: unknown) => unknown): unknown => (Array.isArray(json) ? json.map(fill) : json)

/** By the member's name, in whatever document: each of them means one thing only. */
const FILL: Readonly<Record<string, (json: unknown) => unknown>> = {
  task: withImplicit,
  tasks: (json) => each(json, withImplicit),
  statusUpdate: withImplicit,
  artifactUpdate: withImplicit,
  message,
  status,
  artifact,
  artifacts: (json) => each(json, artifact),
  history: (json) => each(json, message),
}

/** What an agent said over gRPC, with what it could only say by silence. */
export function withImplicit(json: unknown): unknown {
  if (!isFields(json)) return json
  const out: Fields = { ...json }
  for (const [name, fill] of Object.entries(FILL)) if (name in out) out[name] = fill(out[name])
  return out
}
