/**
 * A rate of which a burst may be taken at once, and that refills evenly. What is known of somebody who is held to it is
 * one number: when all that was taken will have come back. A time that is past says nothing, and can be forgotten. All
 * times in milliseconds of one clock.
 */
export class Pace {
  /** Time in which one comes back. */
  readonly #interval: number
  /** What may be outstanding when one more is taken. */
  readonly #slack: number

  /** @param limit how many may be taken in `seconds`, all at once too; Infinity: any number */
  constructor (limit: number, seconds: number) {
    const limited = limit !== Infinity && seconds !== Infinity
    this.#interval = limited ? seconds * 1000 / limit : 0
    this.#slack = limited ? this.#interval * (limit - 1) : Infinity
  }

  /** How long one more has to wait; 0: not at all. */
  wait (due: number, now: number): number {
    return Math.max(0, due - now - this.#slack)
  }

  /** @returns what `due` is when some more were taken */
  take (due: number, now: number, count = 1): number {
    return Math.max(due, now) + this.#interval * count
  }
}
