import { find } from '../dom.js'
import { ApiError } from './api.js'

/** The place in which a part of the page says why it can't show what it should. */
export class Problem {
  readonly #element: HTMLElement

  constructor (id: string) {
    this.#element = find(id, HTMLElement)
  }

  show (words: string): void {
    this.#element.hidden = words === ''
    // It may be read out: once is enough.
    if (this.#element.textContent !== words) this.#element.textContent = words
  }

  /** Does something, and says what the server answers if it can't. What concerns the whole page is thrown on. */
  async watch (work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.show('')
    } catch (error) {
      if (!(error instanceof ApiError) || [0, 401].includes(error.status)) throw error
      this.show(error.message)
    }
  }

  /**
   * The same for what somebody has asked for, which is not tried again by itself: that the server can't be reached is
   * said here, too.
   *
   * @param failed is told what concerns the whole page
   */
  async attempt (work: () => Promise<void>, failed: (error: unknown) => void): Promise<void> {
    try {
      await this.watch(work)
    } catch (error) {
      if (error instanceof ApiError && error.status === 0) this.show(`${error.message}. Try again.`)
      else failed(error)
    }
  }
}
