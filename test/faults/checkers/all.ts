/** All checkers over one run. */
import type { Case, Checker, Finding } from './checker.ts'
import {
  cardsAreNotFollowed,
  gaplessAndFinal,
  legalTransitions,
  nothingOfOthers,
  readsGoForward,
  secretsStay,
  streamsArePieces,
  streamsEndRight,
  writtenOnce,
} from './logs.ts'
import {
  acknowledgedIsKept,
  canceledIsNotSent,
  collectedOnce,
  executedOnce,
  oneTaskPerMessage,
  orderedConversations,
  purgeIsNarrow,
  refusedIsNothing,
  sameKeyEachAttempt,
} from './messages.ts'
import { alive, livingIsNotDead, recovers } from './service.ts'
import { deletedIsSilent, signedAndUnchanged, webhooksAllInOrder } from './webhooks.ts'

const CHECKERS: readonly Checker[] = [
  acknowledgedIsKept,
  purgeIsNarrow,
  refusedIsNothing,
  oneTaskPerMessage,
  executedOnce,
  sameKeyEachAttempt,
  writtenOnce,
  livingIsNotDead,
  gaplessAndFinal,
  streamsArePieces,
  streamsEndRight,
  legalTransitions,
  canceledIsNotSent,
  readsGoForward,
  webhooksAllInOrder,
  deletedIsSilent,
  signedAndUnchanged,
  nothingOfOthers,
  collectedOnce,
  orderedConversations,
  alive,
  cardsAreNotFollowed,
]

export interface CheckOptions {
  readonly recoveryP95MaxMs: number
  readonly secrets: readonly string[]
}

export const checkAll = (data: Case, { recoveryP95MaxMs, secrets }: CheckOptions): Finding[] => [
  ...CHECKERS.map((check) => check(data)),
  recovers(recoveryP95MaxMs)(data),
  secretsStay(data, secrets),
]
