/** Everything that is sealed, under the present master key: after this the one before may be forgotten (SR-80). */
import { credentialsPlace } from './gateway/agents/agent.ts'
import { SIGNING_KEYS_PLACE } from './gateway/callers/signingKeys.ts'
import { type PushSecret, pushSecretPlace } from './gateway/deliveries/pushConfigs.ts'
import type { Ground } from './ground.ts'
import { uuidv7 } from './platform/ids.ts'
import { SealError } from './platform/seal.ts'
import type { Caller } from './ports.ts'
import { noteResealing, putSealed, type SealedTable, type SealedText, sealedTexts } from './store/sealed.ts'

export interface Resealed {
  /** Are sealed under the present key now and were not before. */
  readonly resealed: number
  /** Somebody changed them meanwhile: under the present key, if his gateway has it. */
  readonly changed: number
  /** Sealed under a key that is not given, or damaged: where they stand. At most 100 are named. */
  readonly lost: readonly string[]
}

const PLACES: Readonly<Record<SealedTable, (row: SealedText) => string>> = {
  agents: ({ tenant, id }) => credentialsPlace(tenant, id),
  push_configs({ tenant, id, field }) {
    const slash = id.indexOf('/')
    return pushSecretPlace({ tenant, taskId: id.slice(0, slash) }, id.slice(slash + 1), field as PushSecret)
  },
  secrets: () => SIGNING_KEYS_PLACE,
}
const NAMED_MAX = 100

/** May run while everything goes on, on several replicas at once, and again: what is done already is passed over. */
export async function reseal({ db, seal }: Pick<Ground, 'db' | 'seal'>, by: Caller): Promise<Resealed> {
  let [resealed, changed] = [0, 0]
  const lost: string[] = []
  for (const table of ['secrets', 'agents', 'push_configs'] as const) {
    for await (const { row, write } of sealedTexts(db, table, seal.form)) {
      const place = PLACES[table](row)
      try {
        if (await putSealed(db, write, row, seal.seal(seal.open(row.sealed, place), place))) resealed++
        else changed++
      } catch (error) {
        if (!(error instanceof SealError)) throw error
        lost.push(place)
      }
    }
  }
  const detail = { resealed, changed, lost: lost.length }
  await noteResealing(db, by.tenant, {
    id: uuidv7(),
    actor: by.id,
    action: 'masterKey.resealed',
    subject: 'master-key',
    detail,
  })
  return { resealed, changed, lost: lost.slice(0, NAMED_MAX) }
}
