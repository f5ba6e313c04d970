import { isObject, type Fault, type Frame, type Json, type Peer, type SympleConnection } from '../../client/index.js'
import { batched, brief, find, h, keepAtEnd, timeOf } from '../dom.js'
import type { App } from './app.js'
import { describeTo } from './check.js'
import { explainFault } from './explain.js'
import { avatar } from './peers.js'

/** Lines that are kept. */
const MAX_LINES = 300

/** Who comes and goes is told one by one up to so many at a time. */
const MAX_NAMES = 3

/** What is said, by us and to us, and what happens meanwhile. @returns shows what we have sent */
export function setUpChat (app: App): (frame: Frame) => void {
  const log = find('chat', HTMLElement)
  const empty = find('chat-empty', HTMLElement)
  const follow = keepAtEnd(log)
  /** Lines that are not on the page yet. */
  let lines: HTMLElement[] = []

  const flush = batched(() => {
    log.append(...lines.slice(-MAX_LINES))
    lines = []
    while (log.childElementCount > MAX_LINES) log.firstElementChild!.remove()
    follow()
  })

  find('chat-clear', HTMLButtonElement).addEventListener('click', () => {
    lines = []
    log.replaceChildren()
  })

  app.follow(connection => {
    const noteMoves = gatherMoves(note)
    connection.on('welcome', ({ rooms: [, ...rooms] }) => {
      if (rooms.length === 0) note('You are in no room but your own.')
      else note(`You are in ${rooms.map(brief).join(', ')}.`, rooms.join(', '))
    })
    connection.on('roster', change => { if (change.kind === 'online' || change.kind === 'offline') noteMoves(change.kind, change.peer) })
    connection.on('frame', ({ direction, frame }) => {
      if (direction === 'in' && frame !== undefined && (frame.type === 'join:ok' || frame.type === 'leave:ok')) {
        const room = String(frame['room'])
        note(`You have ${frame.type === 'join:ok' ? 'joined' : 'left'} ${brief(room)}.`, room)
      }
    })
    for (const type of ['message', 'command', 'event'] as const) {
      connection.on(type, frame => { add(line(frame, senderOf(connection, frame), false)) })
    }
    connection.on('error', fault => { add(faultLine(fault, connection.state === 'online')) })
    connection.on('shutdown', () => { note('The server is shutting down.') })
    connection.on('end', ({ code }) => { note(`Disconnected (${code}).`) })
  })

  function add (element: HTMLElement): void {
    empty.remove()
    lines.push(element)
    flush()
  }

  function note (text: string, names?: string): void {
    add(h('p', { class: 'note', title: names }, text))
  }

  return frame => {
    const { peer } = app.connection!
    if (frame.type !== 'presence' && peer !== undefined) add(line(frame, peer, true))
  }
}

/** Tells of those who come and go; of many at a time, how many they are. */
function gatherMoves (note: (text: string, names?: string) => void): (kind: 'online' | 'offline', peer: Peer) => void {
  const moves = { online: [] as string[], offline: [] as string[] }
  const tell = batched(() => {
    for (const [kind, words] of [['online', 'here'], ['offline', 'gone']] as const) {
      const names = moves[kind].splice(0)
      if (names.length > MAX_NAMES) note(`${names.length} people are ${words}.`)
      else for (const name of names) note(`${brief(name)} is ${words}.`, name)
    }
  })
  return (kind, { name }) => {
    moves[kind].push(name)
    tell()
  }
}

function line (frame: Frame, sender: Pick<Peer, 'user' | 'name'>, own: boolean): HTMLElement {
  const now = new Date()
  const { type, to, name, node, action } = frame
  const whom = describeTo(to) ?? 'nobody'
  const what = type === 'message' ? '' : [type, name, node, action].filter(word => typeof word === 'string').join(' ')
  return h('article', { class: own ? 'line own' : 'line' },
    avatar(sender),
    h('div', { class: 'bubble' },
      h('p', { class: 'meta' },
        h('b', { title: own ? undefined : sender.name }, own ? 'You' : sender.name),
        h('span', { title: whom }, `to ${whom}`),
        h('time', { datetime: now.toISOString() }, timeOf(now))
      ),
      ...what === '' ? [] : [h('p', { class: 'what' }, what)],
      ...content(frame)
    )
  )
}

/** Text as text; what else there is, as JSON. */
function content (frame: Frame): HTMLElement[] {
  const { data } = frame
  const text = typeof data === 'string' ? data : isObject(data) && Object.keys(data).join() === 'text' ? data['text'] : undefined
  if (typeof text === 'string') return [h('p', { class: 'text' }, text)]
  const rest = data ?? without(frame, ['type', 'id', 'from', 'to', 'name', 'node', 'action'])
  return isObject(rest) && Object.keys(rest).length === 0 ? [] : [h('pre', {}, JSON.stringify(rest, null, 2))]
}

function without (frame: Frame, keys: string[]): Json {
  return Object.fromEntries(Object.entries(frame).filter(([key]) => !keys.includes(key)))
}

function faultLine ({ status, message }: Fault, welcome: boolean): HTMLElement {
  return h('div', { class: 'fault' }, h('b', {}, `Error ${status}: ${message}`), h('p', {}, explainFault(status, welcome)))
}

/** Backends may send from any address, or none. */
function senderOf (connection: SympleConnection, { from }: Frame): Pick<Peer, 'user' | 'name'> {
  const address = typeof from === 'string' && from !== '' ? from : 'the server'
  const bar = address.lastIndexOf('|')
  const known = connection.roster.get(address.slice(bar + 1))
  const user = bar > 0 ? address.slice(0, bar) : address
  return known ?? { user, name: user }
}
