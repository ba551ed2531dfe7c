/** What our own face says no to in words that A2A does not have. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly hint: string | undefined
  constructor(status: number, code: string, message: string, hint?: string) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.code = code
    this.hint = hint
  }
}
