/** Seconds that a wait after failures lasts at most. */
const MAX_WAIT = 15

/**
 * Does something again and again, while it is not paused and somebody can see the page: after failures less often,
 * and at once when the page is looked at again.
 */
export class Poller {
  readonly #task: () => Promise<void>
  readonly #ended: (error: unknown) => void
  /** Seconds between two rounds. */
  interval = 3
  #timer: ReturnType<typeof setTimeout> | undefined
  #running = false
  #wanted = false
  #failures = 0
  #starts = 0

  /** @param ended is told of each round's end; undefined: it went well */
  constructor (task: () => Promise<void>, ended: (error: unknown) => void) {
    this.#task = task
    this.#ended = ended
    document.addEventListener('visibilitychange', () => { this.#schedule(0) })
    window.addEventListener('online', () => { this.#schedule(0) })
  }

  get on (): boolean {
    return this.#wanted
  }

  start (): void {
    this.#wanted = true
    this.#failures = 0
    this.#starts++
    this.#schedule(0)
  }

  stop (): void {
    this.#wanted = false
    clearTimeout(this.#timer)
  }

  /** Seconds until the next round, after this one has ended. */
  get wait (): number {
    return Math.min(MAX_WAIT, this.interval * 2 ** Math.min(this.#failures, 4) / (this.#failures > 0 ? 2 : 1))
  }

  #schedule (seconds: number): void {
    clearTimeout(this.#timer)
    if (!this.#wanted || this.#running || document.hidden) return
    this.#timer = setTimeout(() => { this.#run() }, seconds * 1000)
  }

  async #run (): Promise<void> {
    this.#running = true
    const starts = this.#starts
    let failure: unknown
    try {
      await this.#task()
      this.#failures = 0
    } catch (error) {
      failure = error
      this.#failures++
    }
    this.#running = false
    // What was begun before it was started again says nothing of now.
    if (starts !== this.#starts) return this.#schedule(0)
    // First, so that a listener which throws does not end it.
    this.#schedule(this.wait)
    // Whoever has stopped it meanwhile does not want to hear of it.
    if (this.#wanted) this.#ended(failure)
  }
}
