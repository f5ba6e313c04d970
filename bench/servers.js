import { fileURLToPath } from 'node:url'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))

/** The servers that are compared; each listens on 127.0.0.1 at `PORT`. */
export const servers = {
  product: {
    title: 'symple-server',
    script: path('../dist/src/server.js'),
    dialect: 'symple',
    // Everything is as it comes, except for what the load would run into.
    env: { SYMPLE_HOST: '127.0.0.1', LOG_LEVEL: 'warn', SYMPLE_RATE_LIMIT: '0', SYMPLE_DRAIN_SECONDS: '0' }
  },
  ws: {
    title: 'ws loop',
    script: path('servers/ws.js'),
    dialect: 'symple',
    env: { HOST: '127.0.0.1' }
  },
  socketio: {
    title: 'Socket.IO',
    script: path('servers/socketio.js'),
    dialect: 'socketio',
    env: { HOST: '127.0.0.1' }
  }
}

/** What the others are compared with. */
export const BASE = 'ws'
