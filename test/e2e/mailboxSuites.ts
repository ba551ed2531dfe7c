/** All that a mailbox does, in pieces; each runs on both databases. */
import { mailboxConsentSuite } from './mailboxConsentSuite.ts'
import { mailboxFateSuite } from './mailboxFateSuite.ts'
import { mailboxHomeSuite } from './mailboxHomeSuite.ts'
import { mailboxKindsSuite } from './mailboxKindsSuite.ts'
import { mailboxReadingSuite } from './mailboxReadingSuite.ts'
import { mailboxSocketSuite } from './mailboxSocketSuite.ts'
import { mailboxSuite } from './mailboxSuite.ts'
import { mailboxTalkSuite } from './mailboxTalkSuite.ts'
import { mailboxWakeSuite } from './mailboxWakeSuite.ts'

export const mailboxSuites = [
  mailboxSuite,
  mailboxFateSuite,
  mailboxTalkSuite,
  mailboxKindsSuite,
  mailboxHomeSuite,
  mailboxConsentSuite,
  mailboxSocketSuite,
  mailboxReadingSuite,
  mailboxWakeSuite,
]
