/**
 * What the mailbox must show, number by number, and where it is shown: a test's file and a piece of its title. The register
 * is held by `mailboxRegister.test.ts`: each of these tests exists.
 */
export interface Shown {
  readonly what: string
  /** File below `test/`, and words of the test's title (or of a script's row). */
  readonly by: readonly (readonly [file: string, title: string])[]
}

export const MAILBOX_REGISTER: Readonly<Record<number, Shown>> = {
  1: {
    what: 'a thousand sends to an agent that was never started, each acknowledged at once, each done once',
    by: [['mailbox/c2.run.ts', 'C2']],
  },
  2: {
    what: 'gateways killed fifty times meanwhile: nothing lost, nothing twice, the same messageId is the same task',
    by: [['mailbox/c2.run.ts', 'C2']],
  },
  3: {
    what: 'a dead worker’s work goes to another; the first is told that it lost it; nothing of its open pieces stays',
    by: [
      ['e2e/mailboxFateSuite.ts', 'comes again when its holder falls silent'],
      ['e2e/mailboxSocketSuite.ts', 'a socket that breaks loses what it held after the grace'],
    ],
  },
  4: { what: 'the same end said five times is one event', by: [['e2e/mailboxSuite.ts', 'is settled once']] },
  5: {
    what: 'order is kept in each conversation with workers that are killed and stopped',
    by: [['mailbox/c3.run.ts', 'C3']],
  },
  6: {
    what: 'urgent overtakes across conversations, never inside one; low is still served',
    by: [['e2e/mailboxSuite.ts', 'that is urgent overtakes other conversations']],
  },
  7: {
    what: 'time to live, deadline and not-before end or begin as they say',
    by: [
      ['e2e/mailboxFateSuite.ts', 'ends by itself'],
      ['e2e/mailboxFateSuite.ts', 'is not there before its time'],
    ],
  },
  8: {
    what: 'poison is a dead letter, others flow, and replay is a new task',
    by: [['e2e/mailboxFateSuite.ts', 'that kills whoever takes it']],
  },
  9: {
    what: 'cancel has three right answers',
    by: [
      ['e2e/mailboxTalkSuite.ts', 'a cancel is heard by the holder'],
      ['e2e/mailboxTalkSuite.ts', 'a holder that does not answer a cancel'],
    ],
  },
  10: {
    what: 'a message at the instant of the end is never lost',
    by: [['e2e/mailboxTalkSuite.ts', 'a message at the instant of the end']],
  },
  11: {
    what: 'a question is answered while the agent is off, and comes with all that was said',
    by: [['e2e/mailboxTalkSuite.ts', 'a question goes to the sender']],
  },
  12: {
    what: 'a blocking send to an agent that is away is answered in time, and official clients take the answer',
    by: [
      ['e2e/peers/mailboxClients.test.ts', 'that waits for an agent that is away'],
      ['mailbox/clients.run.ts', 'clients'],
    ],
  },
  13: {
    what: 'a stream that is cut fifty times is resumed without a gap; begun anew it begins with the task',
    by: [
      ['faults/resume.run.ts', 'the pieces are the log'],
      ['conformance/spec/3.5-updates.test.ts', 'resumes behind Last-Event-ID'],
    ],
  },
  14: { what: 'looking changes nothing', by: [['e2e/mailboxReadingSuite.ts', 'a thousand times changes nothing']] },
  15: {
    what: 'a channel with a hundred members, thirty away and five leaving: each one’s state is exact, a quorum of three ends at three',
    by: [
      ['e2e/channelsSuite.ts', 'with 100 members, 30 of them away and 5 leaving'],
      ['store/fanOut.test.ts', 'of answer, cancel and deadline on one parent exactly one is the end'],
    ],
  },
  16: {
    what: 'a full mailbox refuses, loses nothing, and accepts again when it drains',
    by: [['e2e/mailboxConsentSuite.ts', 'one sender has its own share']],
  },
  17: {
    what: 'a right that is lost while the message waits is lost for it',
    by: [['e2e/mailboxConsentSuite.ts', 'a right that is lost while the message waits']],
  },
  18: {
    what: 'what is another’s looks like nothing',
    by: [
      ['e2e/mailboxSuite.ts', 'is only for the agent that it is for'],
      ['e2e/mailboxConsentSuite.ts', 'contacts look like nothing'],
    ],
  },
  19: {
    what: 'no lease is stuck with a client that has gone',
    by: [['e2e/mailboxSuite.ts', 'is not held for a client that has gone']],
  },
  20: {
    what: 'thousands of idle polls and a stream of messages: how soon the right one wakes, and what they cost',
    by: [['mailbox/c4.run.ts', 'C4']],
  },
  21: { what: 'the pages’ own programs run', by: [['docs/mailbox.test.ts', '']] },
  22: {
    what: 'results come home, one note per task, and outlive the gateway',
    by: [
      ['e2e/mailboxHomeSuite.ts', 'one note per task'],
      ['e2e/mailboxEmbedded.test.ts', 'a lease outlives the gateway'],
    ],
  },
  23: {
    what: 'a burst is one wake-up; unread it is repeated, read it is not',
    by: [['e2e/mailboxWakeSuite.ts', 'a burst is one wake-up']],
  },
  24: {
    what: 'the official kit against a mailbox agent with a worker, and with one that sleeps',
    by: [['mailbox/c7.run.ts', 'C7']],
  },
  25: {
    what: 'official clients do all that they do, in JavaScript and in Python',
    by: [
      ['e2e/peers/mailboxClients.test.ts', 'sends, gets, and lists'],
      ['mailbox/clients.run.ts', 'clients'],
    ],
  },
}
