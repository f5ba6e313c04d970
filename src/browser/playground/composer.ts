import { addressOf, type Frame } from '../../client/index.js'
import { batched, find, h } from '../dom.js'
import type { App } from './app.js'
import { tail } from './peers.js'

/** Peers that one can choose from; to all others one can write from the list of people. */
const MAX_CHOICES = 200

/** Writes text, to whom one likes. @returns chooses a recipient */
export function setUpComposer (app: App, sent: (frame: Frame) => void): (to: string) => void {
  const to = find('to', HTMLSelectElement)
  const text = find('text', HTMLInputElement)
  const send = find('send', HTMLButtonElement)

  const render = batched(() => {
    const chosen = to.value
    const peers = [...app.connection?.roster.values() ?? []].slice(0, MAX_CHOICES)
    const users = [...new Set(peers.map(({ user }) => user))].sort()
    const [, ...rooms] = app.connection?.rooms ?? []
    to.replaceChildren(
      h('option', { value: '' }, 'Everybody near'),
      ...group('A room', rooms.map(room => choice([room], room))),
      ...group('A user', users.map(user => choice(user, user))),
      ...group('One peer', peers.map(peer => choice(addressOf(peer), `${peer.name} ${tail(peer.id)}`)))
    )
    select(chosen)
  })

  find('write', HTMLFormElement).addEventListener('submit', event => {
    event.preventDefault()
    if (text.value === '' || !app.online) return
    const frame: Frame = { type: 'message', ...(to.value !== '' && { to: JSON.parse(to.value) as string | string[] }), data: text.value }
    app.connection!.send(frame)
    sent(frame)
    text.value = ''
  })
  app.follow(connection => {
    connection.on('state', state => { send.disabled = state !== 'online' })
    for (const event of ['state', 'rooms', 'roster'] as const) connection.on(event, render)
  })
  render()

  /** Whoever was chosen and has gone stays chosen: what is written must not go to somebody else. */
  function select (value: string): void {
    if (![...to.options].some(option => option.value === value)) {
      to.append(h('option', { value }, `${String(JSON.parse(value))} (not here)`))
    }
    to.value = value
  }

  return address => {
    select(JSON.stringify(address))
    text.focus()
  }
}

function choice (to: string | string[], words: string): HTMLOptionElement {
  return h('option', { value: JSON.stringify(to) }, words)
}

function group (label: string, options: HTMLOptionElement[]): HTMLElement[] {
  return options.length === 0 ? [] : [h('optgroup', { label }, ...options)]
}
