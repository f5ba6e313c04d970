import { Server } from 'node:http'
import { Socket } from 'node:net'
import websocket, { type WebSocket, type WebsocketPluginOptions } from '@fastify/websocket'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { SympleError } from '../src/core/errors.js'
import type { Session } from '../src/core/session.js'
import type { Symple } from '../src/core/symple.js'
import { clientAddress } from './client-address.js'
import { SocketConnection } from './socket-connection.js'
import { SocketInput } from './socket-input.js'
import { Upgrades } from './upgrades.js'

declare module 'fastify' {
  interface FastifyInstance {
    /** Asks for one more WebSocket, and counts it: why it can't be; null: it can. */
    knock (request: FastifyRequest): SympleError | null
    /** Whether a request asks for a WebSocket; `reply` is its answer if it is not to get one. */
    isUpgrade (request: FastifyRequest, reply: FastifyReply): boolean
    /** Has a request get its WebSocket that came to the route as plain HTTP. */
    upgrade (request: FastifyRequest, reply: FastifyReply): void
    /** Makes a WebSocket a client of the service. */
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

/** The pieces of a message, frames or what was read at a time, have so many bytes on average if they are many. */
const LEAST_PIECE = 128
const MIN_PIECES = 1024

/** Milliseconds that a client which has said goodbye has to end its connection. */
const CLOSE_TIMEOUT = 3000

/** What @fastify/swagger passes over. */
const HIDDEN: object = { hide: true }

/** With those that the types of the library don't have. */
type LibraryOptions = NonNullable<WebsocketPluginOptions['options']> &
  Record<'maxFragments' | 'maxBufferedChunks' | 'closeTimeout', number>

const kSession = Symbol('symple.session')
interface Owned { [kSession]: Session }

/**
 * Decorates the instance with what turns upgrades into clients. Where the gateway has registered @fastify/websocket
 * before, that makes our WebSockets too; else, or where it comes later, we have one of our own, behind a gate through
 * which come the upgrades at our path alone.
 */
export default fp(async (fastify) => {
  const { symple, config: { limits } } = fastify
  const upgrades = Upgrades.of(fastify.server)
  // 0 means no limit to the library too.
  const maxPayload = Math.min(limits.maxMessageSize * SLACK, MAX_PAYLOAD)
  const isHosted = fastify.hasDecorator('websocketServer')
  const gate = isHosted ? null : new Server()
  if (gate === null) warnOfPayload(fastify, maxPayload)
  else await registerWebSocket(fastify, gate, maxPayload)
  const cut = isHosted ? cutInTime : undefined
  const directSize = directSizeOf(fastify)

  fastify.decorate('knock', (request: FastifyRequest) => symple.knock(clientAddress(request)))

  fastify.decorate('isUpgrade', (request: FastifyRequest, reply: FastifyReply) => {
    upgrades.admit(request.raw, reply.raw)
    // The library makes no WebSocket of a HEAD, which comes to the route of GET too.
    return request.method === 'GET' && upgrades.isPending(request.raw)
  })

  fastify.decorate('upgrade', (request: FastifyRequest, reply: FastifyReply) => {
    reply.hijack()
    upgrades.redirect(request.raw, gate!)
  })

  fastify.decorate('serveWebSocket', (ws: WebSocket, request: FastifyRequest) => {
    upgrades.release(request.raw)
    // The plugin of a gateway closes those it knows before we can tell them why, and waits for them.
    if (isHosted) fastify.websocketServer.clients?.delete(ws)
    // Its listener holds on to the request of each connection, and cuts those that are being told what they did wrong.
    ws.removeAllListeners('error')
    if (cut !== undefined) ws.on('error', cut)
    const session = attach(symple, ws, request.raw.socket, request, cut)
    const { socket } = request.raw
    if (directSize > 0 && socket instanceof Socket) SocketInput.between(ws, socket, session, directSize)
  })

  fastify.addHook('onRoute', route => {
    // The API that a gateway documents is its own.
    route.schema = { ...route.schema, ...HIDDEN }
    if ('wsHandler' in route) return upgrades.claim(route.url, gate)
    route.onRequest = [refuseUpgrade, ...[route.onRequest ?? []].flat()]
  })
  // Answers of hooks that come before us come here too.
  fastify.addHook('onResponse', (request, _reply, done) => {
    upgrades.refuse(request.raw)
    done()
  })
  // After the service has drained its peers.
  fastify.addHook('preClose', async () => { upgrades.close() })

  async function refuseUpgrade (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    if (!upgrades.isPending(request.raw)) return
    request.log.info({ host: request.ip, status: 404, reason: 'No WebSocket at this address' }, 'refused')
    return await reply.code(404).header('connection', 'close').send({ status: 404, message: 'No WebSocket at this address' })
  }
}, { name: 'symple-websocket', fastify: '5.x', dependencies: ['symple-config', 'symple-service'] })

async function registerWebSocket (fastify: FastifyInstance, gate: Server, maxPayload: number): Promise<void> {
  const pieces = piecesOf(fastify.config.limits.maxMessageSize)
  const options: LibraryOptions = {
    server: gate,
    maxPayload,
    maxFragments: pieces,
    maxBufferedChunks: pieces,
    closeTimeout: CLOSE_TIMEOUT,
    perMessageDeflate: fastify.config.compression,
    clientTracking: false
  }
  // The service drains its peers: the library itself closes clients without a code, and waits for those who ignore it.
  await fastify.register(websocket, { options, preClose: done => { done() } })
}

/** Our own limit holds for each message, but the plugin has read all of it by then. */
function warnOfPayload (fastify: FastifyInstance, wanted: number): void {
  const { maxPayload = 0 } = fastify.websocketServer.options
  if (wanted === 0 || (maxPayload > 0 && maxPayload <= wanted)) return
  fastify.log.warn({ maxPayload, wanted }, 'the maxPayload of @fastify/websocket lets clients fill more memory than they may send')
}

/**
 * Up to how many bytes messages can be read past the library. None where it holds back what follows a message: what is
 * read past it would overtake that.
 */
function directSizeOf (fastify: FastifyInstance): number {
  const { maxPayload = 0, allowSynchronousEvents = true } = fastify.websocketServer.options
  if (!allowSynchronousEvents) return 0
  return maxPayload > 0 ? maxPayload : Infinity
}

/** Cuts a client that does not end its connection. The plugin of the gateway would wait for half a minute. */
function cutInTime (this: WebSocket): void {
  setTimeout(() => { this.terminate() }, CLOSE_TIMEOUT).unref()
}

/** Pieces in which a message may come: each costs memory beside its bytes. 0 means no limit to the library too. */
function piecesOf (maxMessageSize: number): number {
  return maxMessageSize === 0 ? 0 : Math.max(MIN_PIECES, Math.ceil(maxMessageSize * SLACK / LEAST_PIECE))
}

/**
 * Listeners are shared, and know their session by a property: an idle peer holds no closures.
 *
 * @param closing called with the WebSocket when we have begun to close it
 */
function attach (
  symple: Symple<FastifyRequest>,
  ws: WebSocket,
  stream: unknown,
  request: FastifyRequest,
  closing?: (this: WebSocket) => void
): Session {
  const client = { host: clientAddress(request), request }
  const session = symple.open(new SocketConnection(ws, stream, closing), client)
  Object.assign(ws, { [kSession]: session })
  ws.on('message', onMessage)
  ws.on('ping', onPing)
  ws.on('pong', onPong)
  ws.on('close', onClose)
  ws.on('error', onError)
  if (stream instanceof Socket) {
    Object.assign(stream, { [kSession]: session })
    stream.on('drain', onDrain)
    stream.on('end', onEnd)
  }
  return session
}

type Listening = WebSocket & Owned

function onMessage (this: WebSocket, data: unknown, binary: boolean): void {
  (this as Listening)[kSession].receive(data as Buffer, binary)
}

function onPing (this: WebSocket): void {
  (this as Listening)[kSession].control()
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

function onEnd (this: Socket): void {
  (this as Socket & Owned)[kSession].ended()
}

/** What the library tells a client that breaks the rules; undefined for an error of the connection itself. */
function closeCodeOf (error: Error): number | undefined {
  const { code = '' } = error as { code?: string }
  if (!code.startsWith('WS_ERR_')) return undefined
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return 1009
  if (code === 'WS_ERR_TOO_MANY_BUFFERED_PARTS') return 1008
  return code === 'WS_ERR_INVALID_UTF8' ? 1007 : 1002
}
