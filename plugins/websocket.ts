import type { Duplex } from 'node:stream'
import { Socket } from 'node:net'
import websocket, { type WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Session } from '../src/core/session.js'
import type { Symple } from '../src/core/symple.js'
import { SocketConnection } from './socket-connection.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Makes an upgraded WebSocket a client of the service. */
    serveWebSocket (ws: WebSocket, request: FastifyRequest): void
  }
}

/**
 * The library's own limit, as a multiple of ours: past it, it closes with 1009 and no word. What lies between is
 * answered with `error 413` first.
 */
const SLACK = 2

const kSession = Symbol('symple.session')
interface Owned { [kSession]: Session }

/** Decorates the instance with `serveWebSocket`; registers @fastify/websocket unless it is there already. */
export default fp(async (fastify) => {
  if (!fastify.hasDecorator('websocketServer')) await registerWebSocket(fastify)
  const { symple } = fastify

  fastify.decorate('serveWebSocket', (ws: WebSocket, request: FastifyRequest) => {
    attach(symple, ws, request.raw.socket, request.ip)
  })
}, { name: 'symple-websocket', fastify: '5.x', dependencies: ['symple-config', 'symple-service'] })

async function registerWebSocket (fastify: FastifyInstance): Promise<void> {
  const { limits, compression } = fastify.config
  const upgrades = trackUpgrades(fastify)
  await fastify.register(websocket, {
    options: {
      // 0 means no limit to the library too.
      maxPayload: limits.maxMessageSize * SLACK,
      perMessageDeflate: compression,
      clientTracking: false
    },
    // Its default closes clients without a code, and waits for those that ignore it.
    preClose: done => { done() },
    errorHandler: (error, ws) => {
      fastify.log.debug({ err: error }, 'websocket failed')
      ws.terminate()
    }
  })
  fastify.websocketServer.on('connection', (_ws, request) => { upgrades.delete(request.socket) })
}

/**
 * Sockets that asked for an upgrade belong to nobody until they get it: Node has let go of them, and whatever answers
 * them otherwise leaves them open. So they are kept here, to be destroyed when they have been answered.
 */
function trackUpgrades (fastify: FastifyInstance): Set<Duplex> {
  const upgrades = new Set<Duplex>()

  fastify.server.prependListener('upgrade', (_request, socket: Duplex) => {
    upgrades.add(socket)
    socket.once('close', () => { upgrades.delete(socket) })
  })

  fastify.addHook('onResponse', async request => {
    const { socket } = request.raw
    if (upgrades.has(socket)) socket.destroy()
  })

  // From here on Fastify answers without hooks; so upgrades must not reach it.
  fastify.addHook('preClose', async () => {
    fastify.server.removeAllListeners('upgrade')
    fastify.server.on('upgrade', (_request, socket: Duplex) => {
      socket.on('error', () => {})
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n', () => {
        socket.destroy()
      })
    })
  })
  fastify.addHook('onClose', async () => {
    for (const socket of upgrades) socket.destroy()
  })
  return upgrades
}

/** Listeners are shared, and know their session by a property: an idle peer holds no closures. */
function attach (symple: Symple, ws: WebSocket, stream: unknown, host: string): void {
  const session = symple.open(new SocketConnection(ws, stream), { host: host.replace(/^::ffff:/, '') })
  Object.assign(ws, { [kSession]: session })
  // The plugin's listener holds on to the request of each connection.
  ws.removeAllListeners('error')
  ws.on('message', onMessage)
  ws.on('pong', onPong)
  ws.on('close', onClose)
  ws.on('error', onError)
  if (stream instanceof Socket) {
    Object.assign(stream, { [kSession]: session })
    stream.on('drain', onDrain)
  }
}

type Listening = WebSocket & Owned

function onMessage (this: WebSocket, data: unknown, binary: boolean): void {
  (this as Listening)[kSession].receive(data as Buffer, binary)
}

function onPong (this: WebSocket): void {
  (this as Listening)[kSession].pong()
}

function onClose (this: WebSocket, code: number): void {
  (this as Listening)[kSession].closed(code)
}

/** The library closes after an error of its own accord; `close` follows. */
function onError (this: WebSocket, error: Error): void {
  (this as Listening)[kSession].failed(error)
}

function onDrain (this: Socket): void {
  (this as Socket & Owned)[kSession].drained()
}
