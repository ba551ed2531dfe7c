/** Preloaded into a replica: its wall clock is wrong by SKEW_MS. The monotonic clock is not. */
const skew = Number(process.env.SKEW_MS ?? 0)
const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + skew)
    else super(...given)
  }
  static now() {
    return RealDate.now() + skew
  }
}
