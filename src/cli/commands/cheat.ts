/** `cheat [topic]`: commands to copy. */
import { usage } from '../errors.ts'
import type { Run } from '../invocation.ts'

type Sheet = readonly (readonly [command: string, does: string])[]

export const SHEETS: Readonly<Record<string, Sheet>> = {
  start: [
    ['serve', 'run the gateway (npm start does the same, and builds first)'],
    ['status', 'is it well, what waits'],
    ['doctor', 'what is wrong here'],
    ['config show', 'every setting, its value, its source'],
  ],
  send: [
    ['send -a @echo --text "hello"', 'send and wait for the answer'],
    ['send -a @echo --text "hello" --async', 'send and go; prints how to come back'],
    ['send -a @echo --text "hello" --stream', 'follow it live'],
    ['send -a @echo --text "see file" --file report.pdf', 'several parts, in this order'],
    ['send -a @echo --task-id ID --text "yes"', 'answer a task that asked'],
    ['send -a https://agent.example.test --text hello', 'any agent, without the gateway'],
    ['chat -a @echo', 'turn by turn; ^D ends'],
    ['auth login -a https://agent.example.test --client-id my-cli', 'sign in where its card says'],
    ['conformance -a https://agent.example.test', 'smoke-check it against the A2A kit'],
  ],
  task: [
    ['task get ID --wait', 'wait for its end'],
    ['task explain ID', 'why does it wait, what comes next'],
    ['task subscribe ID', 'its events, live'],
    ['task cancel ID', 'stop it'],
    ['task list -a @echo --state working', 'find it'],
  ],
  agent: [
    ['agent add https://agent.example.test --name invoices', 'register; it need not be up'],
    ['agent list', 'who is online, what waits'],
    ['agent probe invoices', 'look again now'],
    ['agent pause invoices', 'accept, but do not deliver'],
    ['agent resume invoices', 'deliver again'],
    ['agent approve invoices', 'accept its changed address, authentication or signing key'],
  ],
  work: [
    ['work shout -- tr a-z A-Z', 'a command as an agent: text on stdin, result on stdout'],
    ['work reviewer --concurrency 4 -- ./review.sh', 'several at a time; progress on stderr, exit 75: not now'],
    ['work counter --mode lines -- node lines.mjs', 'one process for all, lines of JSON'],
    ['hook my-laptop', "for a coding host's hooks: what waits for it"],
  ],
  repair: [
    ['dlq list', 'what will not be tried again by itself'],
    ['dlq replay --agent @invoices --dry-run', 'how many it would be'],
    ['dlq replay ID', 'try one anew'],
    ['webhook attempts --task ID', 'what a receiver answered'],
    ['explain WAYPOST_ERR_QUEUE_FULL', 'what an error means'],
  ],
  webhook: [
    ['webhook listen --task ID', 'a receiver here, with signatures checked'],
    ['webhook listen --agent @echo --forward-to http://localhost:3000/hook', 'pass events on to your program'],
    ['task push-config create ID --url https://hooks.example.test/a2a', 'register a receiver'],
  ],
}

export const cheat: Run = async (call) => {
  const topic = call.args[0]
  const chosen =
    topic === undefined ? Object.entries(SHEETS) : Object.entries(SHEETS).filter(([name]) => name === topic)
  if (chosen.length === 0) throw usage(`there is no sheet ${topic}`, `topics: ${Object.keys(SHEETS).join(', ')}`)
  if (call.out.json) {
    call.out.document(
      Object.fromEntries(chosen.map(([name, sheet]) => [name, sheet.map(([command, does]) => ({ command, does }))])),
    )
    return 0
  }
  for (const [name, sheet] of chosen) {
    call.out.text(`# ${name}`)
    for (const [command, does] of sheet) call.out.text(`${call.program} ${command}\n    ${does}`)
    call.out.text()
  }
  return 0
}
