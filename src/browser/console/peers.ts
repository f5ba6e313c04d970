import { brief, clamped, find, h } from '../dom.js'
import type { PeerDetails, PeerInfo, PeersPage } from './answers.js'
import { ApiError, segment, type Api } from './api.js'
import type { Confirm } from './confirm.js'
import { Pages } from './pages.js'
import { Problem } from './problem.js'

const SHOWN = 20
const PAGE = ['peers', 'cursor'] as const
/** Rooms of a peer that are listed; the others are counted. */
const ROOMS = 6
/** Requests at a time. */
const ABREAST = 4

export const KINDS = ['user', 'room', 'peer', 'all'] as const
type Kind = typeof KINDS[number]
interface Search { readonly kind: Kind, readonly name: string }

const PLACEHOLDERS: Record<Kind, string> = { user: 'Name of a user', room: 'Name of a room', peer: 'id, or user|id', all: '' }

/** Finds peers on all nodes, tells where they are, and sends them away. */
export class Peers {
  readonly #api: Api
  readonly #confirm: Confirm
  readonly #kind = find('kind', HTMLSelectElement)
  readonly #query = find('query', HTMLInputElement)
  readonly #body = find('peers', HTMLTableSectionElement)
  readonly #what = find('peers-what', HTMLElement)
  readonly #empty = find('peers-empty', HTMLElement)
  readonly #everybody = find('disconnect-user', HTMLButtonElement)
  readonly #problem = new Problem('peers-problem')
  readonly #failed: (error: unknown) => void
  readonly #pages = new Pages('peers', async () => { await this.#show() })
  #search: Search | undefined
  #shown: PeerInfo[] = []

  /** @param failed is told what concerns the whole page */
  constructor (api: Api, confirm: Confirm, failed: (error: unknown) => void) {
    this.#api = api
    this.#confirm = confirm
    this.#failed = failed
    this.#kind.addEventListener('change', () => { this.#fit() })
    find('search', HTMLFormElement).addEventListener('submit', event => {
      event.preventDefault()
      const [kind, name] = [this.#kind.value as Kind, this.#query.value.trim()]
      if (kind !== 'all' && name === '') return this.#query.focus()
      this.search({ kind, name })
    })
    this.#everybody.addEventListener('click', () => { this.#askForUser(this.#search!.name) })
    this.#fit()
  }

  search (search: Search): void {
    this.#search = search
    this.#kind.value = search.kind
    this.#query.value = search.name
    this.#fit()
    this.#pages.reset()
    this.#show()
  }

  clear (): void {
    this.#search = undefined
    this.#query.value = ''
    this.#problem.show('')
    this.#list([], null)
  }

  #fit (): void {
    const kind = this.#kind.value as Kind
    this.#query.placeholder = PLACEHOLDERS[kind]
    this.#query.disabled = kind === 'all'
  }

  async #show (): Promise<void> {
    const search = this.#search!
    const asked = this.#pages.cursor
    this.#empty.textContent = 'Searching…'
    this.#empty.hidden = this.#shown.length > 0
    await this.#problem.attempt(async () => {
      const { peers, cursor } = await this.#find(search)
      // Another search may have begun meanwhile, or another page been asked for.
      if (search === this.#search && asked === this.#pages.cursor) this.#list(peers, cursor)
    }, this.#failed)
    if (this.#empty.textContent === 'Searching…') this.#empty.textContent = ''
    this.#tellRooms(search).catch(() => {})
  }

  async #find ({ kind, name }: Search): Promise<PeersPage> {
    const page = { limit: String(SHOWN), cursor: this.#pages.cursor }
    switch (kind) {
      case 'all': return await this.#api.get('peers', PAGE, page)
      case 'user': return await this.#api.get(`users/${segment(name)}/peers`, PAGE, page)
      case 'room': return await this.#api.get(`rooms/${segment(name)}/peers`, PAGE, page)
      case 'peer': return { peers: [await this.#details(name)].flatMap(peer => peer ?? []), cursor: null }
    }
  }

  async #details (peer: string): Promise<PeerDetails | undefined> {
    try {
      return await this.#api.get<PeerDetails>(`peers/${segment(peer)}`, ['id', 'rooms'])
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined
      throw error
    }
  }

  #list (peers: PeerInfo[], cursor: string | null): void {
    this.#shown = peers
    this.#pages.shown(cursor)
    this.#body.replaceChildren(...peers.map(peer => this.#row(peer)))
    this.#describe()
  }

  #describe (): void {
    const { kind, name: full } = this.#search ?? { kind: 'all', name: '' }
    const name = brief(full)
    const count = this.#shown.length
    const whose = { user: ` of the user ${name}`, room: ` in the room ${name}`, peer: '', all: '' }[kind]
    const nobody = { user: `The user ${name} has no peer online.`, room: `Nobody is in the room ${name}.`, peer: `There is no peer ${name}.`, all: 'No peer is online.' }[kind]
    // How many there are altogether, no page knows.
    const page = this.#pages.several ? `Page ${this.#pages.number}${this.#pages.last ? ', the last' : ''}: ` : ''
    this.#what.textContent = `${page}${count} ${count === 1 ? 'peer' : 'peers'}${whose}`
    this.#what.title = full
    find('peers-head', HTMLElement).hidden = find('peers-table', HTMLElement).hidden = count === 0
    this.#everybody.hidden = kind !== 'user'
    this.#empty.hidden = count > 0
    this.#empty.textContent = this.#search === undefined ? 'Search a user, or choose a room above, to see who is there, where, and to disconnect them.' : this.#pages.several ? 'Nobody is left on this page.' : nobody
  }

  #row (peer: PeerInfo): HTMLElement {
    const { id, user, name, host, node, address } = peer
    const button = h('button', { type: 'button', class: 'button danger small', 'aria-label': `Disconnect ${address}` }, 'Disconnect')
    button.addEventListener('click', () => { this.#askFor(peer) })
    return h('tr', { 'data-peer': id },
      h('th', { scope: 'row' },
        clamped(name === user ? user : `${user} ${name}`,
          h('b', {}, user), ...name === user ? [] : [h('span', { class: 'detail' }, ` ${name}`)])),
      h('td', { class: 'rooms', 'data-label': 'Rooms' }, h('span', { class: 'detail' }, '…')),
      h('td', { 'data-label': 'Host' }, host),
      h('td', { 'data-label': 'Node' }, h('code', {}, node)),
      h('td', { 'data-label': 'Id' }, h('code', { class: 'id' }, id)),
      h('td', { class: 'number' }, button))
  }

  /** Only its own node knows the rooms of a peer: each is asked for, some at a time. */
  async #tellRooms (search: Search): Promise<void> {
    const waiting = [...this.#shown]
    const work = async () => {
      for (let peer = waiting.shift(); peer !== undefined && search === this.#search; peer = waiting.shift()) {
        const details = await this.#details(peer.id).catch(() => null)
        const cell = this.#rowOf(peer.id)?.querySelector('.rooms')
        cell?.replaceChildren(...details === null ? [detail('not known')] : details === undefined ? [detail('gone')] : this.#rooms(details))
      }
    }
    await Promise.all(Array.from({ length: ABREAST }, work))
  }

  #rooms ({ rooms }: PeerDetails): Node[] {
    if (rooms.length === 0) return [detail('none')]
    const links = rooms.slice(0, ROOMS).map(name => {
      const link = h('button', { type: 'button', class: 'chip', title: `Show who is in ${name}` }, name)
      link.addEventListener('click', () => { this.search({ kind: 'room', name }) })
      return link
    })
    return rooms.length > ROOMS ? [...links, detail(`and ${rooms.length - ROOMS} more`)] : links
  }

  #rowOf (id: string): HTMLElement | null {
    return this.#body.querySelector<HTMLElement>(`[data-peer="${CSS.escape(id)}"]`)
  }

  #askFor ({ id, user, address }: PeerInfo): void {
    this.#confirm.ask({
      title: `Disconnect ${brief(user)}?`,
      names: address,
      text: `The peer ${id} is told error 403 and closed with 4403. It may come back unless its token or a hook forbids it.`,
      act: async reason => {
        try {
          await this.#api.delete(`peers/${segment(id)}`, { reason })
        } catch (error) {
          // It has gone by itself.
          if (!(error instanceof ApiError) || error.status !== 404) throw error
        }
      },
      done: () => { this.#remove(new Set([id])) }
    })
  }

  #askForUser (user: string): void {
    this.#confirm.ask({
      title: `Disconnect all peers of ${brief(user)}?`,
      names: user,
      text: 'Each, on whichever node, is told error 403 and closed with 4403. They may come back unless their token or a hook forbids it.',
      act: async reason => { await this.#api.post(`users/${segment(user)}/disconnect`, { reason }) },
      done: () => {
        if (this.#pages.several) this.search({ kind: 'user', name: user })
        else this.#remove(new Set(this.#shown.map(({ id }) => id)))
      }
    })
  }

  #remove (ids: ReadonlySet<string>): void {
    for (const id of ids) this.#rowOf(id)?.remove()
    this.#shown = this.#shown.filter(({ id }) => !ids.has(id))
    this.#describe()
    this.#query.focus()
    // Rather the page before, or who has moved up, than one without anybody.
    if (this.#shown.length === 0 && this.#pages.several) this.#pages.back()
  }
}

function detail (words: string): HTMLElement {
  return h('span', { class: 'detail' }, words)
}
