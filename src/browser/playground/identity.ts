import { addressOf, type Peer } from '../../client/index.js'
import { brief, find, h } from '../dom.js'
import type { App } from './app.js'
import { avatar } from './peers.js'
import type { Settings } from './settings.js'
import { saveSettings } from './settings.js'

/** The form that connects, and in its place, while we are connected, who we are. */
export function setUpIdentity (app: App, settings: Settings): void {
  const form = find('enter', HTMLFormElement)
  const user = find('user', HTMLInputElement)
  const name = find('name', HTMLInputElement)
  const rooms = find('rooms', HTMLInputElement)
  const token = find('token', HTMLInputElement)
  const button = find('connect', HTMLButtonElement)
  const enterCard = find('enter-card', HTMLElement)
  const youCard = find('you-card', HTMLElement)
  const you = find('you', HTMLElement)
  const status = find('status', HTMLInputElement)

  user.value = settings.user
  name.value = settings.name
  rooms.value = settings.rooms
  status.value = settings.status

  form.addEventListener('submit', event => {
    event.preventDefault()
    if (app.connection?.state === 'connecting' || app.connection?.state === 'waiting') return app.connection.close()
    Object.assign(settings, { user: user.value.trim(), name: name.value.trim(), rooms: rooms.value })
    saveSettings(settings)
    app.connect({
      ...(settings.user !== '' && { user: settings.user }),
      ...(settings.name !== '' && { name: settings.name }),
      ...(token.value !== '' && { token: token.value }),
      rooms: rooms.value.split(',').map(room => room.trim()).filter(room => room !== ''),
      ...(settings.status !== '' && { data: { status: settings.status } })
    })
  })
  find('disconnect', HTMLButtonElement).addEventListener('click', () => { app.connection?.close() })
  find('publish', HTMLFormElement).addEventListener('submit', event => {
    event.preventDefault()
    settings.status = status.value.trim()
    saveSettings(settings)
    if (app.connection?.presence({ status: settings.status }) === true) show(app.connection.peer!)
  })

  app.follow(connection => {
    connection.on('state', state => {
      const online = state === 'online'
      const focusWasInside = (online ? enterCard : youCard).contains(document.activeElement)
      enterCard.hidden = online
      youCard.hidden = !online
      button.textContent = state === 'connecting' || state === 'waiting' ? 'Cancel' : 'Connect'
      for (const field of [user, name, rooms, token]) field.readOnly = state === 'connecting' || state === 'waiting'
      if (focusWasInside) (online ? find('text', HTMLInputElement) : button).focus()
    })
    connection.on('welcome', ({ peer }) => {
      show(peer)
      // What was published later than this connection was begun is published anew on each.
      if (settings.status !== (peer['status'] ?? '')) connection.presence({ status: settings.status })
    })
    connection.on('error', ({ status }) => {
      if (status !== 401) return
      find('token-details', HTMLDetailsElement).open = true
      if (connection.state === 'connecting') setTimeout(() => { token.focus() })
    })
  })

  function show (peer: Peer): void {
    const address = addressOf(peer)
    you.replaceChildren(
      avatar(peer),
      h('div', { class: 'who' },
        h('b', { title: peer.name }, peer.name),
        h('code', { class: 'address', tabindex: brief(address) === address ? undefined : '0', title: 'Your address: what stands in "from"' }, address)
      )
    )
  }
}
