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
}
