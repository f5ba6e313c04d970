// Socket.IO with its own rooms, on WebSockets only: what its documentation shows, without compression and polling.
import { Server } from 'socket.io'
import { createServer } from 'node:http'

const http = createServer()
const io = new Server(http, { transports: ['websocket'], serveClient: false })

io.on('connection', socket => {
  const { user, name, rooms } = socket.handshake.auth
  const describe = online => ({ id: socket.id, user, name, online })
  const presence = online => ({ type: 'presence', from: `${user}|${socket.id}`, data: describe(online) })
  socket.data.presence = presence(true)

  socket.emit('welcome', { type: 'welcome', status: 200, peer: describe(true), rooms })
  for (const room of rooms) {
    for (const id of io.of('/').adapter.rooms.get(room) ?? []) {
      socket.emit('presence', io.of('/').sockets.get(id).data.presence)
    }
  }
  socket.join(rooms)
  socket.to(rooms).emit('presence', socket.data.presence)

  socket.on('message', message => {
    message.from = `${user}|${socket.id}`
    // Each socket is in a room that bears its id.
    socket.to(message.to.slice(message.to.lastIndexOf('|') + 1)).emit('message', message)
  })
  socket.on('disconnect', () => { socket.to(rooms).emit('presence', presence(false)) })
})

http.listen({ host: process.env.HOST, port: Number(process.env.PORT), backlog: 4096 })
