// A server with a bot in it: a peer like any other, without a connection.
import { createServer } from 'symple-server'

const server = await createServer()
const { symple } = server.app

const answers = {
  time: () => new Date().toLocaleTimeString(),
  who: async () => {
    const { peers } = await symple.peers({ room: 'lobby' })
    return peers.map(({ name }) => name).join(', ')
  }
}

const bot = await symple.addVirtualPeer({ user: 'bot', name: 'Bot', rooms: ['lobby'] }, async ({ type, from, data }) => {
  // What a backend sends may have no sender, and what is sent to nobody goes to everybody.
  if (type !== 'message' || typeof from !== 'string') return
  const answer = Object.hasOwn(answers, data) ? await answers[data]() : `I don't know ${data}.`
  bot.send({ type: 'message', to: from, data: answer })
})

// Who shares no room with the bot does not hear it, as with any peer.
symple.on('online', ({ id, name }) => {
  bot.send({ type: 'message', to: id, data: `Welcome, ${name}! Ask me "who" or "time".` })
})

process.once('SIGTERM', () => server.close())

await server.listen()
