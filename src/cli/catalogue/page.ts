/** One page of the catalogue. */
export interface Page {
  readonly cause: string
  readonly effect: string
  readonly fix: string
  readonly example: string
}

export const page = (cause: string, effect: string, fix: string, example: string): Page => ({
  cause,
  effect,
  fix,
  example,
})
