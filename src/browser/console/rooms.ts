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
  readonly #pages = new Pages('rooms', () => { this.#turn() })
  #view: View = 'largest'

  /** @param choose shows who is in a room */
  constructor (api: Api, choose: (room: string) => void) {
    this.#api = api
    this.#choose = choose
    const buttons = [...document.querySelectorAll<HTMLButtonElement>('[data-rooms]')]
    for (const button of buttons) {
      button.addEventListener('click', () => {
        this.#view = button.dataset['rooms'] as View
        for (const other of buttons) other.setAttribute('aria-pressed', String(other === button))
        this.#pages.reset()
        this.#turn()
      })
    }
  }

  /** Reads the largest rooms again. A page of all costs the server a look at all names: only when it is turned. */
  async refresh (): Promise<void> {
    if (this.#view === 'largest') await this.#read()
  }

  #turn (): void {
    // What concerns the whole page is found out by its next round, too.
    this.#read().catch(() => {})
  }

  async #read (): Promise<void> {
    await this.#problem.watch(async () => {
      const view = this.#view
      const page = view === 'largest'
        ? { ...await this.#api.get<{ rooms: RoomInfo[] }>('stats/rooms', { limit: String(SHOWN) }), cursor: null }
        : await this.#api.get<RoomsPage>('rooms', { limit: String(SHOWN), cursor: this.#pages.cursor })
      if (view !== this.#view) return
      this.#pages.shown(page.cursor)
      this.#hint.textContent = page.rooms.length === 0 ? 'There are no rooms.' : HINTS[view]
      this.#show(page.rooms)
    })
  }

  clear (): void {
    this.#pages.reset()
    this.#body.replaceChildren()
  }

  #show (rooms: readonly RoomInfo[]): void {
    const focused = document.activeElement?.getAttribute('data-room')
    const most = Math.max(...rooms.map(({ members }) => members))
    this.#body.replaceChildren(...rooms.map(({ name, members }) => {
      const button = h('button', { type: 'button', class: 'link', 'data-room': name, title: 'Show who is in it' }, name)
      button.addEventListener('click', () => { this.#choose(name) })
      return h('tr', {}, h('th', { scope: 'row' }, button), h('td', { class: 'number' }, share(members / most), h('b', {}, count(members))))
    }))
    if (focused != null) this.#body.querySelector<HTMLElement>(`[data-room="${CSS.escape(focused)}"]`)?.focus()
  }
}
