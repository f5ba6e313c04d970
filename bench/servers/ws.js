// The loop that one would write: ws, a map of rooms, a message encoded once and sent to each member.
// It knows no limits, no sessions and no visibility, and checks nothing.
import { randomUUID } from 'node:crypto'
import { WebSocketServer } from 'ws'

const peers = new Map()
const rooms = new Map()

const server = new WebSocketServer({
  host: process.env.HOST,
  port: Number(process.env.PORT),
  backlog: 4096,
  perMessageDeflate: false,
  clientTracking: false
})

server.on('connection', ws => {
  let peer = null

  ws.on('message', data => {
    const message = JSON.parse(data)
    if (peer !== null) return route(peer, message)
    peer = { id: randomUUID(), user: message.user, name: message.name, rooms: message.rooms, ws }
    peer.address = `${peer.user}|${peer.id}`
    enter(peer)
  })
  ws.on('close', () => { if (peer !== null) leave(peer) })
  ws.on('error', () => {})
})

function enter (peer) {
  peers.set(peer.id, peer)
  peer.online = presence(peer, true)
  send(peer, encode({ type: 'welcome', status: 200, peer: describe(peer, true), rooms: peer.rooms }))
  for (const name of peer.rooms) {
    if (!rooms.has(name)) rooms.set(name, new Set())
    const members = rooms.get(name)
    for (const member of members) {
      send(peer, member.online)
      send(member, peer.online)
    }
    members.add(peer)
  }
}

function leave (peer) {
  peers.delete(peer.id)
  const offline = presence(peer, false)
  for (const name of peer.rooms) {
    const members = rooms.get(name)
    members.delete(peer)
    if (members.size === 0) rooms.delete(name)
    broadcast(members, peer, offline)
  }
}

function route (peer, message) {
  message.from = peer.address
  const data = encode(message)
  const separator = message.to.lastIndexOf('|')
  if (separator < 0) return broadcast(rooms.get(message.to) ?? [], peer, data)
  const recipient = peers.get(message.to.slice(separator + 1))
  if (recipient !== undefined) send(recipient, data)
}

function broadcast (members, sender, data) {
  for (const member of members) {
    if (member !== sender) send(member, data)
  }
}

/** Given a string, the library would encode it for each recipient. */
function encode (message) {
  return Buffer.from(JSON.stringify(message))
}

function send (peer, data) {
  peer.ws.send(data, { binary: false })
}

function describe ({ id, user, name }, online) {
  return { id, user, name, online }
}

function presence (peer, online) {
  return encode({ type: 'presence', from: peer.address, data: describe(peer, online) })
}
