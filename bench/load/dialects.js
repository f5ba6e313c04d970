// What a server speaks inside WebSocket text frames.

const parse = text => JSON.parse(text)

export const dialects = {
  symple: {
    path: '/',
    /** Whether the server speaks first. */
    greets: false,
    auth: ({ user, name, rooms }) => JSON.stringify({ type: 'auth', user, name, rooms }),
    /** The peer's id, if that text welcomes it. */
    welcomed (text) {
      const message = parse(text)
      if (message.type === 'error') throw new Error(`refused: ${text}`)
      return message.type === 'welcome' ? message.peer.id : undefined
    },
    // `data` is last and `to` has one length throughout, which makes stamps quick to find.
    message: (to, data) => JSON.stringify({ type: 'message', to, data }),
    /** What to answer to a text that is neither a message nor presence; undefined: it has no place here. */
    answer: () => undefined
  },

  // Engine.IO 4 packets (0 open, 2 ping, 3 pong, 4 message) around Socket.IO 5 packets (0 connect, 2 event).
  socketio: {
    path: '/socket.io/?EIO=4&transport=websocket',
    greets: true,
    auth: identity => `40${JSON.stringify(identity)}`,
    welcomed (text) {
      if (text.startsWith('44')) throw new Error(`refused: ${text}`)
      if (!text.startsWith('42["welcome"')) return undefined
      return parse(text.slice(2))[1].peer.id
    },
    message: (to, data) => `42${JSON.stringify(['message', { type: 'message', to, data }])}`,
    answer: text => text === '2' ? '3' : undefined
  }
}
