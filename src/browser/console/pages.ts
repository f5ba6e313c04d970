import { find } from '../dom.js'

type Cursors = ReadonlyArray<string | undefined>

/** The way through a list of pages: each is asked for by what the one before gave, so it goes back as it came. */
export class Pages {
  /** Cursors of the pages up to the one that is shown, or asked for; the first one has none. */
  #cursors: Cursors = [undefined]
  #next: string | null = null
  #turning = false
  readonly #turn: () => Promise<void>
  readonly #pager: HTMLElement
  readonly #buttons: Record<'back' | 'next', HTMLButtonElement>

  /** @param turn shows the page that is `cursor` now, and never rejects; where it can't, the one before stays */
  constructor (name: string, turn: () => Promise<void>) {
    this.#turn = turn
    this.#pager = find(`${name}-pager`, HTMLElement)
    this.#buttons = { back: find(`${name}-back`, HTMLButtonElement), next: find(`${name}-next`, HTMLButtonElement) }
    const { back, next } = this.#buttons
    back.addEventListener('click', () => { this.#press(back, next, this.back()) })
    next.addEventListener('click', () => { this.#press(next, back, this.#go([...this.#cursors, this.#next ?? undefined])) })
  }

  get cursor (): string | undefined {
    return this.#cursors.at(-1)
  }

  /** From 1. */
  get number (): number {
    return this.#cursors.length
  }

  /** Whether there is another page, before this or after. */
  get several (): boolean {
    return this.number > 1 || this.#next !== null
  }

  /** Whether there is none after this. */
  get last (): boolean {
    return this.#next === null
  }

  /** To the page before; where there is none, the first is read again. */
  async back (): Promise<void> {
    await this.#go(this.number > 1 ? this.#cursors.slice(0, -1) : [undefined])
  }

  reset (): void {
    this.#cursors = [undefined]
    this.shown(null)
  }

  /** @param next the cursor that came with the page which is shown now; null: it is the last */
  shown (next: string | null): void {
    this.#next = next
    this.#turning = false
    this.#fit()
  }

  async #go (cursors: Cursors): Promise<void> {
    const before = this.#cursors
    this.#cursors = cursors
    this.#turning = true
    this.#fit()
    await this.#turn()
    if (!this.#turning || this.#cursors !== cursors) return
    this.#cursors = before
    this.#turning = false
    this.#fit()
  }

  /** A button that is disabled loses the focus: it gets it back, or the other one, unless it has gone elsewhere. */
  async #press (button: HTMLButtonElement, other: HTMLButtonElement, turned: Promise<void>): Promise<void> {
    await turned
    const { activeElement } = document
    if (activeElement === document.body || activeElement === button) (button.disabled ? other : button).focus()
  }

  #fit (): void {
    this.#buttons.back.disabled = this.#turning || this.number === 1
    this.#buttons.next.disabled = this.#turning || this.#next === null
    this.#pager.hidden = !this.several
  }
}
