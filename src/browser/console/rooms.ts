import { find, h } from '../dom.js'
import type { RoomInfo, RoomsPage } from './answers.js'
import type { Api } from './api.js'
import { share } from './breakdown.js'
import { count } from './format.js'
import { Pages } from './pages.js'
import { Problem } from './problem.js'

const SHOWN = 12

const HINTS = {
  largest: 'Of the rooms with members on the node that answers; members on other nodes are counted.',
  all: 'On all nodes, as of when this page was turned.'
}
type View = keyof typeof HINTS

/** The largest rooms, which stay up to date; or all of them, page by page, as of when the page was turned. */
export class Rooms {
  readonly #api: Api
  readonly #choose: (room: string) => void
  readonly #body = find('rooms', HTMLTableSectionElement)
  readonly #hint = find('rooms-hint', HTMLElement)
  readonly #problem = new Problem('rooms-problem')
  readonly #failed: (error: unknown) => void
  readonly #pages = new Pages('rooms', async () => { await this.#turn() })
  readonly #buttons = [...document.querySelectorAll<HTMLButtonElement>('[data-rooms]')]
  #view: View = 'largest'

  /**
   * @param choose shows who is in a room
   * @param failed is told what concerns the whole page
   */
  constructor (api: Api, choose: (room: string) => void, failed: (error: unknown) => void) {
    this.#api = api
    this.#choose = choose
    this.#failed = failed
    for (const button of this.#buttons) {
      button.addEventListener('click', () => {
        this.#look(button.dataset['rooms'] as View)
        this.#turn()
      })
    }
  }

  /** Reads the largest rooms again. A page of all costs the server a look at all names: only when it is turned. */
  async refresh (): Promise<void> {
    if (this.#view === 'largest') await this.#problem.watch(async () => { await this.#read() })
  }

  async #turn (): Promise<void> {
    await this.#problem.attempt(async () => { await this.#read() }, this.#failed)
  }

  async #read (): Promise<void> {
    const view = this.#view
    const { cursor } = this.#pages
    const page = view === 'largest'
      ? { ...await this.#api.get<{ rooms: RoomInfo[] }>('stats/rooms', ['rooms'], { limit: String(SHOWN) }), cursor: null }
      : await this.#api.get<RoomsPage>('rooms', ['rooms', 'cursor'], { limit: String(SHOWN), cursor })
    // Another page may have been asked for meanwhile.
    if (view !== this.#view || cursor !== this.#pages.cursor) return
    this.#pages.shown(page.cursor)
    this.#hint.textContent = page.rooms.length > 0 ? HINTS[view] : this.#pages.several ? 'No room is left on this page.' : 'There are no rooms.'
    this.#show(page.rooms)
  }

  clear (): void {
    this.#look('largest')
    this.#problem.show('')
    this.#hint.textContent = ''
    this.#body.replaceChildren()
  }

  #look (view: View): void {
    this.#view = view
    for (const button of this.#buttons) button.setAttribute('aria-pressed', String(button.dataset['rooms'] === view))
    this.#pages.reset()
  }

  #show (rooms: readonly RoomInfo[]): void {
    const focused = document.activeElement?.getAttribute('data-room')
    const most = Math.max(...rooms.map(({ members }) => members))
    this.#body.replaceChildren(...rooms.map(({ name, members }) => {
      const button = h('button', { type: 'button', class: 'link clamp', 'data-room': name, title: `Show who is in ${name}` }, name)
      button.addEventListener('click', () => { this.#choose(name) })
      return h('tr', {}, h('th', { scope: 'row' }, button), h('td', { class: 'number' }, share(members / most), h('b', {}, count(members))))
    }))
    if (focused != null) this.#body.querySelector<HTMLElement>(`[data-room="${CSS.escape(focused)}"]`)?.focus()
  }
}
