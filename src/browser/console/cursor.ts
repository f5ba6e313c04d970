import type { Window } from './history.js'

/** The time that all charts point at together: under the mouse, or moved by the keyboard. */
export class Cursor {
  /** That of a sample; null: none is pointed at. */
  time: number | null = null
  readonly #followers: Array<(spoken: boolean) => void> = []

  /** @param react is told whether it was moved by the keyboard, so that it should be said what is there */
  follow (react: (spoken: boolean) => void): void {
    this.#followers.push(react)
  }

  /** Points at the sample next to a time. */
  move ({ times }: Window, time: number): void {
    if (times.length === 0) return
    this.#set(times.reduce((best, other) => Math.abs(other - time) < Math.abs(best - time) ? other : best), false)
  }

  /** @returns whether the key means something here */
  press ({ times }: Window, key: string): boolean {
    if (key === 'Escape') {
      this.clear()
      return true
    }
    const last = times.length - 1
    const place = this.time === null ? last + 1 : times.indexOf(this.time)
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }
    const target = { Home: 0, End: last }[key] ?? (key in steps ? place + steps[key]! : undefined)
    if (target === undefined || last < 0) return false
    this.#set(times[Math.min(last, Math.max(0, target))]!, true)
    return true
  }

  clear (): void {
    this.#set(null, false)
  }

  #set (time: number | null, spoken: boolean): void {
    if (time === this.time) return
    this.time = time
    for (const react of this.#followers) react(spoken)
  }
}
