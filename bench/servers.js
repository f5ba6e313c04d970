import { fileURLToPath } from 'node:url'

const path = relative => fileURLToPath(new URL(relative, import.meta.url))

const product = {
  title: 'symple-server',
  script: path('../dist/src/server.js'),
  dialect: 'symple',
  // Everything is as it comes, except for what the load would run into.
  env: {
    SYMPLE_HOST: '127.0.0.1',
    LOG_LEVEL: 'warn',
    SYMPLE_RATE_LIMIT: '0',
    SYMPLE_PRESENCE_RATE: '0',
    SYMPLE_DRAIN_SECONDS: '0'
  },
  /** Answers with 200 when all is there that it needs. Without: it is ready when it listens. */
  readiness: '/readyz'
}

/** The servers that are compared; each listens on 127.0.0.1 at `PORT`. */
export const servers = {
  product,
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

/**
 * One node, and two on one Redis. Senders are at the first node, receivers at that which `receiversAt` says, and those
 * who have nothing to do with it at the last.
 */
export const setups = {
  one: { ...product, title: 'one node' },
  local: { ...product, title: 'two, room on one', nodes: 2, receiversAt: 0 },
  cross: { ...product, title: 'two, receivers on the other', nodes: 2, receiversAt: 1 }
}

export const SETUP_BASE = 'one'

/** The same server with more and more peers: the crowd of a scenario is multiplied by `scale`. */
export const crowds = {
  thousand: { ...product, title: '1 000 peers', scale: 1 },
  tenThousand: { ...product, title: '10 000 peers', scale: 10 }
}

export const CROWD_BASE = 'thousand'

export const definitions = { ...servers, ...setups, ...crowds }

export function isProduct (server) {
  return definitions[server].script === product.script
}
