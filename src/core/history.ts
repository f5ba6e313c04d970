/** Samples of some figures, from the oldest on; all lists are of one length. */
export interface Samples<Name extends string> {
  /** When each was taken, in milliseconds since 1970. */
  readonly times: number[]
  /** Null where a sample has nothing to tell of a figure. */
  readonly series: Record<Name, Array<number | null>>
}

/** Keeps the last samples of some figures, in one block of memory that never grows. */
export class History<Name extends string> {
  readonly #names: readonly Name[]
  readonly #capacity: number
  /** A stretch of `#capacity` for the times, and then one for each figure; NaN: nothing to tell. */
  readonly #values: Float64Array
  /** How many samples there have ever been. */
  #count = 0

  constructor (names: readonly Name[], capacity: number) {
    this.#names = names
    this.#capacity = capacity
    this.#values = new Float64Array((names.length + 1) * capacity)
  }

  /** @param time in milliseconds since 1970, later than that of the sample before */
  add (time: number, figures: Readonly<Record<Name, number | null>>): void {
    const place = this.#count++ % this.#capacity
    this.#values[place] = time
    this.#names.forEach((name, i) => { this.#values[(i + 1) * this.#capacity + place] = figures[name] ?? NaN })
  }

  /** The samples that were taken after a time. */
  after (time: number): Samples<Name> {
    const places = this.#placesAfter(time)
    const stretch = (i: number) => places.map(place => this.#values[i * this.#capacity + place]!)
    const figures = (i: number) => stretch(i + 1).map(value => isNaN(value) ? null : value)
    const series = Object.fromEntries(this.#names.map((name, i) => [name, figures(i)]))
    return { times: stretch(0), series: series as Record<Name, Array<number | null>> }
  }

  #placesAfter (time: number): number[] {
    const length = Math.min(this.#count, this.#capacity)
    const places = Array.from({ length }, (_, i) => (this.#count - length + i) % this.#capacity)
    const first = places.findIndex(place => this.#values[place]! > time)
    return first === -1 ? [] : places.slice(first)
  }
}
