import { Server, ServerResponse, type IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import websocket, { type WebSocket } from '@fastify/websocket'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Session } from '../src/core/session.js'
import type { Symple } from '../src/core/symple.js'
import { clientAddress } from './client-address.js'
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

/** The most that the library can count. */
const MAX_PAYLOAD = 2 ** 31 - 1

/** Frames in which one message may come: the library keeps an object for each until the message is whole. */
const MAX_FRAGMENTS = 1024

/** Milliseconds that a client which has said goodbye has to end its connection. */
const CLOSE_TIMEOUT = 3000

const kSession = Symbol('symple.session')
interface Owned { [kSession]: Session }

/** Decorates the instance with `serveWebSocket`; registers @fastify/websocket unless it is there already. */
export default fp(async (fastify) => {
  if (!fastify.hasDecorator('websocketServer')) await registerWebSocket(fastify)
  const { symple } = fastify

  fastify.decorate('serveWebSocket', (ws: WebSocket, request: FastifyRequest) => {
    attach(symple, ws, request)
  })
}, { name: 'symple-websocket', fastify: '5.x', dependencies: ['symple-config', 'symple-service'] })

async function registerWebSocket (fastify: FastifyInstance): Promise<void> {
  const { limits, compression } = fastify.config
  const { gate, upgraded } = guardUpgrades(fastify)
  // The library would upgrade on any route, if only to close at once.
  fastify.addHook('onRoute', route => {
    if (route.websocket === true || route.wsHandler !== undefined) return
    route.onRequest = [refuseUpgrade, ...[route.onRequest ?? []].flat()]
  })
  const options = {
    server: gate,
    // 0 means no limit to the library too.
    maxPayload: Math.min(limits.maxMessageSize * SLACK, MAX_PAYLOAD),
    maxFragments: MAX_FRAGMENTS,
    closeTimeout: CLOSE_TIMEOUT,
    perMessageDeflate: compression,
    clientTracking: false
  }
  await fastify.register(websocket, {
    options,
    // Its default closes clients without a code, and waits for those that ignore it.
    preClose: done => { done() },
    errorHandler: (error, ws) => {
      fastify.log.debug({ err: error }, 'websocket failed')
      ws.terminate()
    }
  })
  fastify.websocketServer.on('connection', (_ws, request) => { upgraded(request.socket) })
}

async function refuseUpgrade (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  if (!request.ws) return
  request.log.info({ host: request.ip, status: 404, reason: 'No WebSocket at this address' }, 'refused')
  return await reply.code(404).header('connection', 'close').send({ status: 404, message: 'No WebSocket at this address' })
}

/**
 * Makes the gate through which upgrades come to the library.
 *
 * Sockets that asked for an upgrade belong to nobody until they get it: Node has let go of them. The library destroys
 * those that are answered otherwise; those that are not answered in time are destroyed here, at the end.
 */
function guardUpgrades (fastify: FastifyInstance): { gate: Server, upgraded (socket: Duplex): void } {
  const gate = new Server()
  const upgrades = new Set<Duplex>()
  let closing = false

  function forget (this: Duplex): void {
    upgrades.delete(this)
    this.off('close', forget)
  }

  fastify.server.on('upgrade', (request, socket: Duplex, head) => {
    // Whoever offers another protocol is content with plain HTTP.
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') return answerPlainly(fastify.server, request, socket)
    // Fastify would answer these without hooks, and so without an end.
    if (closing) return turnAway(socket, '503 Service Unavailable')
    if (!isDecodable(request.url!)) return turnAway(socket, '400 Bad Request')
    upgrades.add(socket)
    socket.on('close', forget)
    gate.emit('upgrade', request, socket, head)
  })

  fastify.addHook('preClose', async () => { closing = true })
  fastify.addHook('onClose', async () => {
    for (const socket of upgrades) socket.destroy()
  })
  return { gate, upgraded: socket => { forget.call(socket) } }
}

/** Node has let go of the connection: the answer is the last thing on it. */
function answerPlainly (server: FastifyInstance['server'], request: IncomingMessage, socket: Duplex): void {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Socket)
  response.on('finish', () => { socket.end(() => { socket.destroy() }) })
  socket.on('error', () => { socket.destroy() })
  server.emit('request', request, response)
}

function turnAway (socket: Duplex, status: string): void {
  socket.on('error', () => {})
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => { socket.destroy() })
}

function isDecodable (url: string): boolean {
  try {
    decodeURI(url)
    return true
  } catch {
    return false
  }
}

/** Listeners are shared, and know their session by a property: an idle peer holds no closures. */
function attach (symple: Symple<FastifyRequest>, ws: WebSocket, request: FastifyRequest): void {
  const stream = request.raw.socket
  const session = symple.open(new SocketConnection(ws, stream), { host: clientAddress(request), request })
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
  (this as Listening)[kSession].failed(error, closeCodeOf(error))
}

function onDrain (this: Socket): void {
  (this as Socket & Owned)[kSession].drained()
}

/** What the library tells a client that breaks the rules; undefined for an error of the connection itself. */
function closeCodeOf (error: Error): number | undefined {
  const { code = '' } = error as { code?: string }
  if (!code.startsWith('WS_ERR_')) return undefined
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return 1009
  if (code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS') return 1008
  return code === 'WS_ERR_INVALID_UTF8' ? 1007 : 1002
}
