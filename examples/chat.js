// Chat in a terminal. A line goes to the room, or to one user where it begins with @user.
import { createInterface } from 'node:readline'
import { SympleConnection } from 'symple-server/client'
import WebSocket from 'ws'

const [user, room = 'lobby', url = 'ws://localhost:4500'] = process.argv.slice(2)
const terminal = createInterface({ input: process.stdin })
const connection = new SympleConnection(url, { user, rooms: [room], token: process.env.TOKEN, WebSocket })

connection.on('welcome', ({ peer }) => console.log(`* You are ${peer.name}`))
connection.on('roster', ({ kind, peer }) => {
  if (kind === 'online') console.log(`* ${peer.name} is here`)
  if (kind === 'offline') console.log(`* ${peer.name} has left`)
})
connection.on('message', ({ from, to, data }) => {
  // What a backend sends may have no sender.
  const [sender, id] = typeof from === 'string' ? from.split('|') : ['The server']
  const name = connection.roster.get(id)?.name ?? sender
  console.log(`${name}${typeof to === 'string' ? ' to you' : ''}: ${data}`)
})
connection.on('error', ({ message }) => console.log(`! ${message}`))
connection.on('end', ({ reason, retryIn }) => {
  console.log(`* ${reason || 'The connection was lost'}`)
  if (retryIn === undefined) terminal.close()
})

terminal.on('line', line => {
  const [, to = [room], data = line] = /^@(\S+) (.*)$/.exec(line) ?? []
  if (!connection.send({ type: 'message', to, data })) console.log('! Not sent: there is no connection')
})
terminal.on('close', () => connection.close())

connection.connect()
