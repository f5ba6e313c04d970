import type { EventEmitter } from 'node:events'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** A socket that asked for a WebSocket, and belongs to nobody until it gets one: Node has let go of it. */
export interface Upgrade {
  readonly socket: Duplex
  /** What came behind the request. */
  readonly head: Buffer
  /** Whether nobody else will answer it. */
  readonly ours: boolean
  /** What would answer it if it got none, as soon as Fastify has the request. */
  response: ServerResponse | null
}

/** Node notes here the response to which a socket was assigned, and nowhere else. */
type Answered = Socket & { _httpMessage?: ServerResponse | null }

const kUpgrade = Symbol('symple.upgrade')
/** A request that may be one for an upgrade. */
export type Request = IncomingMessage & { [kUpgrade]?: Upgrade | undefined }

/** Milliseconds that a client has to take its answer. */
const END_TIMEOUT = 3000

const UNAVAILABLE = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

const SERVERS = new WeakMap<Server, Upgrades>()

/**
 * The upgrades that come to an HTTP server, on which others may have WebSockets too: each upgrade is handled once, by
 * whom it is for. Those at a path of ours come to our route through all hooks, as any request, and are answered like
 * one unless they get their WebSocket; others are left to those who listen for them. Where nobody does, they are plain
 * HTTP, as they are to Node.
 */
export class Upgrades {
  readonly #server: Server
  /** Those at our paths that have not been answered. */
  readonly #pending = new Set<Duplex>()
  /** Path → the listeners that get upgrades to it; null: those of the server, which know of our route. */
  readonly #paths = new Map<string, EventEmitter | null>()
  readonly #forget: (this: Duplex) => void
  #closed = false

  /** All instances on one server share what this returns. */
  static of (server: Server): Upgrades {
    let upgrades = SERVERS.get(server)
    if (upgrades === undefined) {
      upgrades = new Upgrades(server)
      SERVERS.set(server, upgrades)
    }
    return upgrades
  }

  private constructor (server: Server) {
    this.#server = server
    const pending = this.#pending
    this.#forget = function forget () { pending.delete(this) }
    // Listeners can't keep an event from others, and others destroy what they don't know or answer it a second time.
    const emit = server.emit.bind(server) as (event: string | symbol, ...args: unknown[]) => boolean
    Object.assign(server, {
      emit: (event: string | symbol, ...args: unknown[]): boolean => {
        if (event !== 'upgrade') return emit(event, ...args)
        const [request, socket, head] = args as [Request, Socket, Buffer]
        const handled = this.#takes(request, socket, head) || emit(event, ...args)
        // Most have their WebSocket by now.
        if (request[kUpgrade]?.ours === true) this.#hold(socket)
        return handled
      }
    })
    // Without a listener, Node does not tell of upgrades.
    server.on('upgrade', () => {})
  }

  /**
   * Has upgrades to a path be ours.
   *
   * @param gate whose listeners get them, and nobody else; null: those of the server do, and know of our route
   */
  claim (path: string, gate: EventEmitter | null): void {
    this.#paths.set(path, gate)
  }

  /** Whether a request asks for a WebSocket that it has not got yet. */
  isPending (request: Request): boolean {
    return request[kUpgrade] !== undefined
  }

  /** Takes note of what answers a request unless it gets its WebSocket. */
  admit (request: Request, response: ServerResponse): void {
    const upgrade = request[kUpgrade]
    if (upgrade !== undefined) upgrade.response = response
  }

  /**
   * Sends a request through the gate after all, of whose address only the router knows that it means our route: it is
   * not case-sensitive, say.
   */
  redirect (request: Request, gate: EventEmitter): void {
    const { socket, head, response } = request[kUpgrade]!
    response!.detachSocket(socket as Socket)
    socket.off('error', destroy)
    gate.emit('upgrade', request, socket, head)
  }

  /** The socket of a request has become a WebSocket. */
  release (request: Request): void {
    const upgrade = request[kUpgrade]
    if (upgrade === undefined) return
    request[kUpgrade] = undefined
    const { socket, response } = upgrade
    if (this.#pending.delete(socket)) socket.off('close', this.#forget)
    // Else the socket holds on to the request and the response.
    response?.detachSocket(socket as Socket)
  }

  /** Ends the socket of a request that was answered otherwise. */
  refuse (request: Request): void {
    const upgrade = request[kUpgrade]
    if (upgrade !== undefined) end(upgrade.socket)
  }

  /** Destroys what has not been answered, and refuses what is still to come. */
  close (): void {
    this.#closed = true
    for (const socket of this.#pending) socket.destroy()
  }

  /** @returns false: the event is for other listeners */
  #takes (request: Request, socket: Duplex, head: Buffer): boolean {
    const others = this.#server.listenerCount('upgrade') > 1
    // Whoever offers another protocol is content with plain HTTP.
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket'
    const gate = isWebSocket ? this.#paths.get(pathOf(request.url!)) : undefined
    if (gate !== undefined && this.#closed) {
      // No hook of ours sees it any more: Fastify would answer, and leave its socket to nobody.
      socket.on('error', destroy)
      end(socket, UNAVAILABLE)
      return true
    }
    if (isWebSocket) request[kUpgrade] = { socket, head, ours: gate !== undefined || !others, response: null }
    if (gate) return gate.emit('upgrade', request, socket, head)
    if (others) return false
    this.#answer(request, socket)
    return true
  }

  /** Keeps in mind one that is still to be answered: hooks may take their time. */
  #hold (socket: Answered): void {
    this.#pending.add(socket)
    socket.on('close', this.#forget)
    // While a gateway closes, its Fastify answers at once, and none of our hooks hears of it. Hooks may write before
    // there is an answer, and answer piece by piece.
    if (socket._httpMessage?.writableEnded === true) end(socket)
  }

  /** As Node does with what is no upgrade, but that the answer is the last thing on the connection. */
  #answer (request: IncomingMessage, socket: Duplex): void {
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket as Socket)
    response.on('finish', () => { end(socket) })
    socket.on('error', destroy)
    this.#server.emit('request', request, response)
  }
}

function destroy (this: Duplex): void {
  this.destroy()
}

/** Ends a socket when what was written is on its way, or when there has been time enough for that. */
function end (socket: Duplex, last = ''): void {
  if (socket.writableEnded) return
  const timer = setTimeout(() => { socket.destroy() }, END_TIMEOUT).unref()
  socket.on('close', () => { clearTimeout(timer) })
  socket.end(last, () => { socket.destroy() })
}

function pathOf (url: string): string {
  const query = url.indexOf('?')
  return query === -1 ? url : url.slice(0, query)
}
