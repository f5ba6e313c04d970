import { find } from '../dom.js'

/** The way through a list of pages: each is asked for by what the one before gave, so it goes back as it came. */
export class Pages {
  /** Cursors of the pages up to the one that is shown; the first one has none. */
  #cursors: Array<string | undefined> = [undefined]
  #next: string | null = null
  readonly #pager: HTMLElement
  readonly #buttons: Record<'back' | 'next', HTMLButtonElement>

  /** @param turn shows the page that is `cursor` now */
  constructor (name: string, turn: () => void) {
    this.#pager = find(`${name}-pager`, HTMLElement)
    this.#buttons = { back: find(`${name}-back`, HTMLButtonElement), next: find(`${name}-next`, HTMLButtonElement) }
    this.#buttons.back.addEventListener('click', () => {
      this.#cursors.pop()
      turn()
    })
    this.#buttons.next.addEventListener('click', () => {
      this.#cursors.push(this.#next ?? undefined)
      turn()
    })
  }

  get cursor (): string | undefined {
    return this.#cursors.at(-1)
  }

  /** From 1. */
  get number (): number {
    return this.#cursors.length
  }

  reset (): void {
    this.#cursors = [undefined]
    this.shown(null)
  }

  /** @param next the cursor that came with the page which is shown now; null: it is the last */
  shown (next: string | null): void {
    this.#next = next
    this.#buttons.back.disabled = this.#cursors.length === 1
    this.#buttons.next.disabled = next === null
    this.#pager.hidden = this.#cursors.length === 1 && next === null
  }
}
