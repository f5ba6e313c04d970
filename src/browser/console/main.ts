import { find, h, timeOf } from '../dom.js'
import { Abandoned, Api, ApiError } from './api.js'
import { Confirm } from './confirm.js'
import { Figures } from './figures.js'
import { Nodes } from './nodes.js'
import { Peers } from './peers.js'
import { Poller } from './poller.js'
import { Rooms } from './rooms.js'
import { loadKey, saveKey } from './session.js'

const api = new Api(document.querySelector<HTMLMetaElement>('meta[name=symple-api]')!.content)
const figures = new Figures(api)
const nodes = new Nodes(api)
const confirm = new Confirm()
const peers = new Peers(api, confirm, concerned)
const rooms = new Rooms(api, name => {
  peers.search({ kind: 'room', name })
  find('peers-title', HTMLElement).scrollIntoView({ block: 'start' })
}, concerned)

const state = find('state', HTMLElement)
const notice = find('notice', HTMLElement)
const signIn = find('sign-in', HTMLFormElement)
const key = find('key', HTMLInputElement)
const fault = find('key-fault', HTMLElement)
const pause = find('pause', HTMLButtonElement)

const poller = new Poller(async () => {
  poller.interval = await figures.refresh()
  // The key is good: from now on there is something to see.
  open(true)
  await Promise.all([nodes.refresh(), rooms.refresh()])
}, error => {
  if (error !== undefined) return concerned(error)
  notice.hidden = true
  say('live', 'Live')
  state.title = `Last answer at ${timeOf(new Date())}`
})

signIn.addEventListener('submit', event => {
  event.preventDefault()
  enter(key.value.trim())
})

pause.addEventListener('click', () => {
  const paused = poller.on
  pause.setAttribute('aria-pressed', String(paused))
  if (paused) {
    poller.stop()
    notice.hidden = true
    say('paused', `Paused at ${timeOf(new Date())}`)
  } else {
    say('waiting', 'Connecting…')
    poller.start()
  }
})

find('sign-out', HTMLButtonElement).addEventListener('click', () => { leave('') })

const stored = loadKey()
if (stored === '') leave('')
else enter(stored)

function enter (typed: string): void {
  // A header can't carry anything else, nor can such be a key.
  if (!/^[!-~]+$/.test(typed)) return leave(typed === '' ? '' : 'This can not be a key: it holds signs that no key has.')
  api.key = typed
  fault.textContent = ''
  say('waiting', 'Connecting…')
  poller.start()
}

function leave (why: string): void {
  poller.stop()
  saveKey('')
  api.key = ''
  figures.clear()
  nodes.clear()
  rooms.clear()
  peers.clear()
  confirm.clear()
  pause.setAttribute('aria-pressed', 'false')
  fault.textContent = why
  notice.hidden = true
  open(false)
  say('out', 'Signed out')
  key.focus()
}

/** Shows the board, or the form. */
function open (inside: boolean): void {
  if (inside && key.value !== '') key.value = ''
  if (inside) saveKey(api.key)
  signIn.hidden = inside
  find('board', HTMLElement).hidden = find('tools', HTMLElement).hidden = !inside
}

/** What goes beyond one part of the page: the key is not good any more, or the server can't be reached. */
function concerned (error: unknown): void {
  if (error instanceof Abandoned) return
  if (!(error instanceof ApiError)) throw error
  const { status, message } = error
  if (status === 401) return leave('The server does not accept this key. It is one that SYMPLE_CONSOLE_KEY or SYMPLE_API_KEY held when the server was started.')
  if (status === 404) return leave('The console is off at this server now: it was started without SYMPLE_CONSOLE_KEY.')
  say('waiting', 'Reconnecting…')
  const words = h('b', {}, status === 0 ? `${message}.` : `The server answers: ${message}.`)
  const rest = ` What you see is as of before; it is tried again every ${Math.ceil(poller.wait)} s.`
  if (notice.textContent !== words.textContent + rest) notice.replaceChildren(words, rest)
  notice.hidden = false
}

function say (what: 'out' | 'waiting' | 'live' | 'paused', words: string): void {
  state.dataset['state'] = what
  // It is read out when it changes.
  if (state.textContent !== words) state.textContent = words
}
