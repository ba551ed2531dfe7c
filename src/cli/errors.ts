/** What may go wrong at the command line: a stable code, a sentence, the next step, an exit code. */

/** The exit codes of the a2a-cli specification 0.2 §11.6; 3 to 5 are reserved there with exactly these meanings. */
export const EXIT = { ok: 0, failure: 1, usage: 2, unreachable: 3, credentials: 4, timeout: 5 } as const

/** Codes that do not end with 1. Whatever exit code is used must agree with the code that was told. */
const EXIT_BY_CODE: Readonly<Record<string, number>> = {
  A2ACLI_ERR_USAGE: EXIT.usage,
  A2ACLI_ERR_CARD_NOT_FOUND: EXIT.unreachable,
  A2ACLI_ERR_UNREACHABLE: EXIT.unreachable,
  A2ACLI_ERR_CREDENTIALS_MISSING: EXIT.credentials,
  A2ACLI_ERR_AUTH_FAILED: EXIT.credentials,
  A2ACLI_ERR_TIMEOUT: EXIT.timeout,
  WAYPOST_ERR_AGENT_NOT_FOUND: EXIT.unreachable,
}

export interface ErrorEnvelope {
  readonly error: {
    readonly code: string
    readonly message: string
    readonly hint: string | null
    readonly a2aCode: string | number | null
  }
}

export interface CliErrorFacts {
  readonly hint?: string | undefined
  /** The code of the wire below, when there was one. */
  readonly a2aCode?: string | number | undefined
  readonly exitCode?: number
}

/** The command could not do its work. What an agent decided about a task is no error. */
export class CliError extends Error {
  readonly code: string
  readonly hint: string | undefined
  readonly a2aCode: string | number | undefined
  readonly exitCode: number
  constructor(code: string, message: string, facts: CliErrorFacts = {}) {
    super(message)
    this.name = 'CliError'
    this.code = code
    this.hint = facts.hint
    this.a2aCode = facts.a2aCode
    this.exitCode = facts.exitCode ?? EXIT_BY_CODE[code] ?? EXIT.failure
  }
}

export const usage = (message: string, hint?: string): CliError => new CliError('A2ACLI_ERR_USAGE', message, { hint })

/** Everything that a command may throw, as one CliError. */
export function asCliError(error: unknown): CliError {
  if (error instanceof CliError) return error
  const {
    code,
    message = String(error),
    problems,
  } = (error ?? {}) as {
    code?: unknown
    message?: string
    problems?: unknown
  }
  if (typeof code === 'string' && code.startsWith('WAYPOST_ERR_')) {
    const hint =
      (error as { hint?: string }).hint ?? (problems ? 'see: waypost config show' : `waypost explain ${code}`)
    return new CliError(code, message, { hint })
  }
  return new CliError('A2ACLI_ERR_INTERNAL', message, { hint: 'run it again with --debug for the details' })
}

export const envelope = ({ code, message, hint, a2aCode }: CliError): ErrorEnvelope => ({
  error: { code, message, hint: hint ?? null, a2aCode: a2aCode ?? null },
})
