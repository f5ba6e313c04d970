import { find } from '../dom.js'

export interface Question {
  readonly title: string
  readonly text: string
  /** All of the names in the words, which may be too long for them. */
  readonly names: string
  /** Does it; what it rejects with is said, and can be tried again. */
  readonly act: (reason: string | undefined) => Promise<void>
  /** When it is done, and the question gone. */
  readonly done: () => void
}

/** Asks before peers are sent away. */
export class Confirm {
  readonly #dialog = find('confirm', HTMLDialogElement)
  readonly #yes = find('confirm-yes', HTMLButtonElement)
  readonly #reason = find('reason', HTMLInputElement)
  readonly #fault = find('confirm-fault', HTMLElement)
  #question: Question | undefined

  constructor () {
    find('confirm-no', HTMLButtonElement).addEventListener('click', () => { this.#dialog.close() })
    find('confirm-form', HTMLFormElement).addEventListener('submit', event => {
      event.preventDefault()
      this.#act()
    })
  }

  ask (question: Question): void {
    this.#question = question
    this.#say(question)
    this.#dialog.showModal()
    this.#reason.focus()
  }

  /** Takes the question back. */
  clear (): void {
    this.#question = undefined
    this.#dialog.close()
    this.#say({ title: '', text: '', names: '' })
  }

  #say ({ title, text, names }: Pick<Question, 'title' | 'text' | 'names'>): void {
    const [head, body] = [find('confirm-title', HTMLElement), find('confirm-text', HTMLElement)]
    head.textContent = title
    body.textContent = text
    head.title = body.title = names
    this.#fault.textContent = ''
    this.#reason.value = ''
  }

  async #act (): Promise<void> {
    const question = this.#question!
    const reason = this.#reason.value.trim()
    this.#yes.disabled = true
    try {
      await question.act(reason === '' ? undefined : reason)
      if (question !== this.#question) return
      this.#dialog.close()
      question.done()
    } catch (error) {
      if (question === this.#question) this.#fault.textContent = (error as Error).message
    } finally {
      this.#yes.disabled = false
    }
  }
}
