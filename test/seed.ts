/** Seeds all randomness of the tests: `SYMPLE_TEST_SEED=<seed>` repeats a run that failed. */
export const seed = Number(process.env['SYMPLE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** Random choices that the seed decides (mulberry32). */
export class Random {
  #state: number

  constructor (seed: number) {
    this.#state = seed | 0
  }

  /** From 0 to below 1. */
  next (): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from 0 to below `end`. */
  below (end: number): number {
    return Math.floor(this.next() * end)
  }

  /** True once in `n` times. */
  oneIn (n: number): boolean {
    return this.below(n) === 0
  }

  /** One of some; there must be one. */
  pick<T> (items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}
