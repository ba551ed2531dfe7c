/**
 * The scripted agent as a program of its own, for the official kit: `tckAgent.js <port> [asks] [takesAll] [requires]`.
 * asks: every task is still open after its first answer. takesAll: any media type, in the words of either kit.
 * requires: the kit's own extension.
 */
import { startAgent } from '../support/agent.ts'
import { SCRIPTS, status } from '../support/agentScripts.ts'

const [port, ...ways] = process.argv.slice(2)

// The kit for 0.3 names no scenario; it takes it for granted that it can go on with any task.
if (ways.includes('asks'))
  SCRIPTS.echo = async function* (run) {
    yield status(run, 'TASK_STATE_WORKING')
    await new Promise((resolve) => setTimeout(resolve, 50))
    yield status(run, 'TASK_STATE_INPUT_REQUIRED', 'what else?')
  }

const agent = await startAgent({
  name: 'tck',
  port: Number(port),
  card: (card) => ({
    ...card,
    ...(ways.includes('takesAll') && { defaultInputModes: ['*/*', 'text', 'file', 'data'] }),
    ...(ways.includes('requires') && {
      capabilities: {
        ...(card.capabilities as object),
        extensions: [{ uri: 'urn:a2a:tck:required-extension', required: true }],
      },
    }),
  }),
})
process.stdout.write(`${agent.url}\n`)
