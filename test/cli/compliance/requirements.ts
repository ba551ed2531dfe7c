/** The requirements of the a2a-cli specification 0.2 (revised 2026-08-17): identifier, tier, sections, in a few words of ours. */

export const SPECIFICATION = { version: '0.2', revision: '2026-08-17' } as const

export type Tier = 1 | 2 | 3
export interface Requirement {
  readonly tier: Tier
  readonly spec: string
  readonly says: string
}

const row =
  (tier: Tier) =>
  (spec: string, says: string): Requirement => ({ tier, spec, says })
const [core, standard, advanced] = [row(1), row(2), row(3)]

export const REQUIREMENTS = {
  A2ACLI_CARD_GET_001: core(
    '§10.1, §13',
    '`card get` resolves a card from a host, a URL or a file; the card selects the transport',
  ),
  A2ACLI_SEND_001: core('§10.2', '`send` starts an interaction'),
  A2ACLI_SEND_002: core('§10.2, §6.5', 'waits by default; `--async` returns the identifiers at once'),
  A2ACLI_SEND_003: core(
    '§10.2, §9.2',
    '`--stream` follows events where there are some, never hangs where not; a lone Message ends cleanly',
  ),
  A2ACLI_SEND_004: core('§10.2', 'artifacts are rendered, no part is dropped'),
  A2ACLI_SEND_005: core('§10.2', '`--media-type` belongs to the part before it; inferred only if not given'),
  A2ACLI_SEND_006: core('§10.2', '`--text`, `--file`, `--data` repeat and keep their order; `--data -` is stdin'),
  A2ACLI_TASK_GET_001: core('§10.3', '`task get` shows state, artifacts and history'),
  A2ACLI_TASK_CANCEL_001: core('§10.4', '`task cancel` cancels and tells the state'),
  A2ACLI_INTERACT_001: core('§8.1', '`--context-id` continues an interaction'),
  A2ACLI_INTERACT_002: core(
    '§8.1',
    '`--task-id` continues a task; a refused one fails, makes nothing new, points at `--debug`',
  ),
  A2ACLI_INTERACT_003: core('§4.1, §4', 'identifiers of the server are never invented'),
  A2ACLI_INTERACT_004: core('§8.2', 'identifiers, state and the exact command to go on are told'),
  A2ACLI_INTERACT_005: core('§6.3, §4.1, §8.3', 'stateless: nothing of an interaction is stored, no `--continue`'),
  A2ACLI_TASK_POLL_001: core('§9.3', 'one-shot `task get`, and `task get --wait`'),
  A2ACLI_TASK_POLL_002: core('§9.3', '`--poll-interval`, `--timeout`, bounded backoff, interruptible'),
  A2ACLI_TASK_POLL_003: core(
    '§9.1, §9.3',
    'stops at interrupted states; UNSPECIFIED is neither terminal nor interrupted',
  ),
  A2ACLI_TASK_POLL_004: core('§9.3', 'a wait whose stream fails goes on by polling'),
  A2ACLI_OUT_001: core(
    '§11.1, §11.5, §8.2',
    'context, task and state in every mode; payload on stdout, the rest on stderr',
  ),
  A2ACLI_OUT_002: core('§11.3, App. B', '`-o json` is exactly one document, the terminal object'),
  A2ACLI_OUT_003: core(
    '§11.3, §11.4, App. B',
    '`-o json --stream` is JSON Lines, flushed; an error that ends it is the last line',
  ),
  A2ACLI_OUT_004: core(
    '§11.4, App. B, App. D',
    'errors have A2A names or `A2ACLI_ERR_*`, the same over every transport, with a hint',
  ),
  A2ACLI_OUT_005: core(
    '§11.2, §6.1',
    'text: one `Label: value` a line, blocks closed by an empty line, no control sequences',
  ),
  A2ACLI_OUT_006: core('§11.5', '`--async` still tells taskId and contextId'),
  A2ACLI_EXIT_001: core(
    '§11.6, App. D',
    'exit codes 0, 1, 2; reserved ones as documented and in agreement with the error',
  ),
  A2ACLI_EXIT_002: core('§6.6, §11.6', "a task's outcome is not the exit code; it is named on stderr"),
  A2ACLI_AUTH_001: core(
    '§12.1',
    "bearer and API key, by flag or variable, placed as the card's scheme says; `--svc-param` apart",
  ),
  A2ACLI_AUTH_002: core(
    '§12.1, §6.5',
    'variables for credentials, the exposure of flags documented, flag before variable',
  ),
  A2ACLI_AUTH_003: core('§12.1, §6.5', '`--insecure` warns, and is the only way to unchecked TLS'),
  A2ACLI_AUTH_004: core('§12.1, §7.2', 'credentials are redacted from diagnostics, whatever the verbosity'),
  A2ACLI_TX_001: core('§13.1', "the transport is the card's, in its order"),
  A2ACLI_TX_002: core('§13.1, §6.5', 'first supported entry; `--transport` repeats and is ordered'),
  A2ACLI_TX_003: core('§13.1', "the interface's tenant in every request, absent if it has none"),
  A2ACLI_VER_001: core('§13.2', '`A2A-Version` with every request, never below 1.0, no silent downgrade'),
  A2ACLI_DEFAULT_001: core('§6.5', 'the baseline defaults, each overridable, told by `--help`'),
  A2ACLI_CONFIG_001: core(
    '§8.3',
    'persisted configuration: conventional path, secrets 0600, shown by `config show`, no session state',
  ),
  A2ACLI_CLI_001: core('§7.1, §7.2, §6.5', '`help`, `--help` with defaults, `--version`'),
  A2ACLI_SKILL_001: core('§14.1, §14.2', 'exactly one Agent Skill, lean, deferring to `help`'),
  A2ACLI_SKILL_002: core('§14.3', 'the skill restates no requirements'),

  A2ACLI_CARD_GET_002: standard('§10.1', '`card get --validate`'),
  A2ACLI_TASK_LIST_001: standard('§7.1, App. A', '`task list`, paged by cursor, filtered by status and context'),
  A2ACLI_TASK_SUBSCRIBE_001: standard('§7.1, §9.2', '`task subscribe`'),
  A2ACLI_TASK_SUBSCRIBE_002: standard('§9.4, §9.2', 'a cut stream is taken up again'),
  A2ACLI_AUTH_005: standard('§12.2', '`auth login`, device code'),
  A2ACLI_AUTH_006: standard('§12.2', '`auth login`, client credentials'),
  A2ACLI_AUTH_007: standard('§12.2', 'tokens stored safely and attached to later calls'),
  A2ACLI_TX_004: standard('§13.1', 'two transports at least'),
  A2ACLI_VER_003: standard('§13.3', 'capabilities are looked up before they are used'),
  A2ACLI_CONFIG_002: standard(
    '§8.3',
    'flag, environment, local file, global file, default; `config show` tells the source',
  ),
  A2ACLI_DOWNLOAD_001: standard('§7.1', '`task download`'),
  A2ACLI_OUT_007: standard('§7.2', '`--debug` tells what went over the wire'),
  A2ACLI_CONFORM_001: standard('§7.1', '`conformance` smoke-checks an agent against the TCK'),
  A2ACLI_CLI_002: standard('§7.1', '`completion <shell>`'),
  A2ACLI_PUSH_001: standard('§7.1, App. A', '`task push-config` create, get, list, delete'),

  A2ACLI_CARD_GET_003: advanced('§10.1, §12.4', 'the extended card, by an advertised scheme only'),
  A2ACLI_CARD_GET_004: advanced('§10.1', 'card signatures: verified, unverifiable or absent'),
  A2ACLI_CARD_GET_005: advanced('§10.1', 'a catalogue entry in place of a card reference'),
  A2ACLI_PUSH_002: advanced('§9.2', 'a local webhook receiver'),
  A2ACLI_CHAT_001: advanced('§8.1, §7.1', '`chat` carries context and task'),
  A2ACLI_TX_005: advanced('§13.1', 'gRPC'),
  A2ACLI_AUTH_008: advanced('§12.4', 'no credential to a card endpoint that has not asked for it'),
  A2ACLI_AUTH_009: advanced('§12.3', 'mutual TLS'),
  A2ACLI_AUTH_010: advanced('§12.3', 'OpenID Connect'),
  A2ACLI_AUTH_011: advanced('§12.3', 'AUTH_REQUIRED inside a task'),
  A2ACLI_DEMO_SERVER_001: advanced('§7.1, §3', '`demo-server`'),
  A2ACLI_VER_002: advanced('§13.3, A2A §4.6', 'required extensions are declared'),
} as const satisfies Record<string, Requirement>

export type RequirementId = keyof typeof REQUIREMENTS
