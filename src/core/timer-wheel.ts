/** Something that waits for a point in time. The fields are the wheel's own. */
export interface Timed {
  /** When it is due, in the wheel's milliseconds. */
  due: number
  slot: Set<Timed> | null
  /** Called once, in the first tick at or after `due`. */
  expire (): void
}

const SLOTS = 512

/** One timer for all connections: items hang in the slot of the tick in which they are due. */
export class TimerWheel {
  readonly #slots = Array.from({ length: SLOTS }, () => new Set<Timed>())
  readonly #now: () => number
  readonly #tick: number
  #last: number

  /**
   * @param now the clock, in milliseconds
   * @param tick milliseconds between two calls of `advance`: the precision of all that is scheduled
   */
  constructor (now: () => number, tick: number) {
    this.#now = now
    this.#tick = tick
    this.#last = Math.floor(now() / tick)
  }

  /**
   * Has `item` expire after `delay` milliseconds, in the next tick at the earliest, and not when it was to expire
   * before. Infinity: never.
   */
  schedule (item: Timed, delay: number): void {
    this.cancel(item)
    if (delay === Infinity) return
    // What is overdue would stand in the slot that is walked over just now, and be met there again and again.
    item.due = this.#now() + Math.max(delay, 0)
    // In the tick that follows, so that it is never early.
    item.slot = this.#slots[(Math.floor(item.due / this.#tick) + 1) % SLOTS]!
    item.slot.add(item)
  }

  cancel (item: Timed): void {
    item.slot?.delete(item)
    item.slot = null
  }

  /** Expires what is due by now. */
  advance (): void {
    const now = this.#now()
    const current = Math.floor(now / this.#tick)
    const ticks = Math.min(current - this.#last, SLOTS)
    for (let i = 1; i <= ticks; i++) this.#expire(this.#slots[(this.#last + i) % SLOTS]!, now)
    this.#last = current
  }

  #expire (slot: Set<Timed>, now: number): void {
    for (const item of slot) {
      // What is due in a later round of the wheel stays.
      if (item.due > now) continue
      this.cancel(item)
      item.expire()
    }
  }

  /** How many items wait. */
  get size (): number {
    return this.#slots.reduce((sum, slot) => sum + slot.size, 0)
  }
}
