import { addressOf, type Peer } from '../../client/index.js'
import { batched, find, h } from '../dom.js'
import type { App } from './app.js'
import { avatar, tail } from './peers.js'

/** A page with ten thousand peers on it serves nobody. */
const MAX_SHOWN = 200

/** Who is there, live; and the rooms that we are in. */
export function setUpPeople (app: App, writeTo: (to: string) => void): void {
  const list = find('people', HTMLUListElement)
  const count = find('people-count', HTMLElement)
  const empty = find('people-empty', HTMLElement)
  const anotherTab = find('another-tab', HTMLAnchorElement)

  const render = batched(() => {
    const peers = [...app.connection?.roster.values() ?? []].sort(byName)
    const focused = document.activeElement?.getAttribute('data-address')
    count.textContent = app.online ? String(peers.length) : ''
    empty.hidden = peers.length > 0 && peers.length <= MAX_SHOWN
    anotherTab.hidden = !app.online || peers.length > 0
    empty.textContent = peers.length > MAX_SHOWN
      ? `and ${peers.length - MAX_SHOWN} more`
      : app.online ? 'Nobody else is here yet.' : 'Connect to see who is there.'
    list.replaceChildren(...peers.slice(0, MAX_SHOWN).map(item))
    if (focused != null) list.querySelector<HTMLElement>(`[data-address="${CSS.escape(focused)}"]`)?.focus()
  })

  app.follow(connection => {
    connection.on('roster', render)
    connection.on('state', render)
  })

  function item (peer: Peer): HTMLElement {
    const address = addressOf(peer)
    const { status } = peer
    const button = h('button', { type: 'button', class: 'peer', 'data-address': address, title: `Write to ${address}` },
      avatar(peer),
      h('span', { class: 'who' },
        h('b', {}, peer.name),
        h('span', { class: 'detail' }, `${typeof status === 'string' && status !== '' ? `${status} · ` : `${peer.user} `}${tail(peer.id)}`)
      )
    )
    button.addEventListener('click', () => { writeTo(address) })
    return h('li', {}, button)
  }
}

export function setUpRooms (app: App): void {
  const card = find('rooms-card', HTMLElement)
  const list = find('room-list', HTMLUListElement)
  const input = find('join-room', HTMLInputElement)

  find('join', HTMLFormElement).addEventListener('submit', event => {
    event.preventDefault()
    const room = input.value.trim()
    if (room === '' || !app.online) return
    // A refusal is told by the event `error`.
    app.connection!.join(room).catch(() => {})
    input.value = ''
  })

  app.follow(connection => {
    connection.on('state', state => { card.hidden = state !== 'online' })
    connection.on('rooms', rooms => {
      const [personal, ...others] = rooms
      if (personal === undefined) return list.replaceChildren()
      const own = h('li', { class: 'chip own', title: `${personal}: the room of all your tabs and devices` }, named(personal), h('span', {}, 'you'))
      list.replaceChildren(own, ...others.map(chip))
    })

    function chip (room: string): HTMLElement {
      const leave = h('button', { type: 'button', 'aria-label': `Leave ${room}`, title: 'Leave' }, '×')
      leave.addEventListener('click', () => {
        connection.leave(room).catch(() => {})
        input.focus()
      })
      return h('li', { class: 'chip', title: room }, named(room), leave)
    }
  })
}

function named (room: string): HTMLElement {
  return h('b', {}, room)
}

function byName (a: Peer, b: Peer): number {
  return a.name.localeCompare(b.name) || a.id.localeCompare(b.id)
}
