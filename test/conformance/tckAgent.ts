/**
 * The scripted agent as a program of its own, for the official kit: `tckAgent.js <port> [way …]`.
 * asks: every task is still open after its first answer. takesAll: any media type, in the words of either kit.
 * requires: the kit's own extension. 0.3, 0.2: speaks that version only, over JSON-RPC. restarts: every three seconds
 * its connections are cut and nobody listens for half a second; it keeps its tasks.
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

const older = (['0.3', '0.2'] as const).find((version) => ways.includes(version))

const agent = await startAgent({
  ...(older && { interfaces: [`${older} JSONRPC` as const] }),
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

while (ways.includes('restarts')) {
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  await agent.stop()
  await new Promise((resolve) => setTimeout(resolve, 500))
  await agent.start()
}
