/** What may be asked of an inbox, to take or to look: by kind, urgency, conversation, sender, label, skill. */
import { z } from 'zod'
import { MAIL_KINDS, type MailKind, mailKind, QUIET } from '../delivery.ts'
import { LEVELS, levelOf } from '../gateway/tasks/wishes.ts'
import type { Limits } from '../limits.ts'
import type { LeaseFilter } from '../store/collect.ts'
import { PAGE } from './face.ts'

const level = z.union([
  z.enum(LEVELS).transform((word) => LEVELS.indexOf(word)),
  z.int().min(0).max(9).transform(levelOf),
])
const FILTERS = {
  urgent: z.boolean().optional(),
  minPriority: level.optional(),
  contextId: z.string().min(1).max(256).optional(),
  from: z.string().min(1).max(256).optional(),
  label: z.string().min(1).max(64).optional(),
  skill: z.string().min(1).max(256).optional(),
}
const kind = z.enum(MAIL_KINDS)
const flag = z.enum(['', 'true', 'false', '1', '0']).transform((value) => value !== 'false' && value !== '0')
export const LIST = z.strictObject({
  state: z.enum(['waiting', 'leased', 'held']).optional(),
  ...FILTERS,
  kind: z
    .string()
    .max(64)
    .transform((words) => words.split(','))
    .pipe(z.array(kind))
    .optional(),
  urgent: flag.optional(),
  minPriority: z.union([z.coerce.number().int().min(0).max(9).transform(levelOf), level]).optional(),
  ...PAGE,
  unread: flag.optional(),
  /** `next` of the page before. */
  after: z.string().max(8_192).optional(),
  /** A watch: by arrival, and waits so many seconds if nothing has come. */
  wait: z.coerce.number().min(0).max(3_600).optional(),
})
export const WAIT = z.strictObject({ wait: z.coerce.number().min(0).max(3_600).optional() })

const asking = ({ leaseSecondsMin, leaseSecondsMax }: Limits) =>
  z.strictObject({
    leaseSeconds: z.int().min(leaseSecondsMin).max(leaseSecondsMax).optional(),
    worker: z.string().min(1).max(128).optional(),
    reclaim: z.boolean().optional(),
    ...FILTERS,
    kind: z.union([kind.transform((one) => [one]), z.array(kind).min(1).max(MAIL_KINDS.length)]).optional(),
  })

const namesWorker = ({ reclaim, worker }: { reclaim?: boolean | undefined; worker?: string | undefined }): boolean =>
  !reclaim || worker !== undefined
const NO_WORKER = { error: 'names the worker that reclaims', path: ['worker'] }

/** The body of a call for work. */
export const leaseForm = (limits: Limits) =>
  asking(limits)
    .extend({ max: z.int().min(1).max(limits.leaseMax).optional() })
    .refine(namesWorker, NO_WORKER)

/** A grant of credit on a socket. */
export const creditForm = (limits: Limits) =>
  asking(limits)
    .extend({ n: z.int().min(0).max(limits.leaseMax) })
    .refine(namesWorker, NO_WORKER)

interface Asked {
  urgent?: boolean | undefined
  minPriority?: number | undefined
  contextId?: string | undefined
  from?: string | undefined
  label?: string | undefined
  skill?: string | undefined
  kind?: readonly MailKind[] | undefined
}

/** What somebody asks for, as the store is asked; `least`: the level if nothing is said of urgency. */
export const filterOf = (
  { urgent, minPriority, contextId, from, label, skill, kind }: Asked,
  least: number,
): LeaseFilter => ({
  level: urgent ? 0 : (minPriority ?? least),
  kinds: kind ? [...new Set(kind)].map(mailKind).sort() : null,
  label: label ?? null,
  contextId: contextId ?? null,
  from: from ?? null,
  skill: skill ?? null,
})

/** A call for work, as the mailbox is asked. What nobody is woken for comes only to who names it. */
export const requestOf = ({
  max = 1,
  leaseSeconds,
  worker,
  reclaim = false,
  ...asked
}: Asked & {
  max?: number | undefined
  leaseSeconds?: number | undefined
  worker?: string | undefined
  reclaim?: boolean | undefined
}) => ({
  max,
  leaseSeconds,
  worker,
  reclaim,
  ...filterOf(asked, asked.kind?.includes('result') ? QUIET : LEVELS.length - 1),
})
