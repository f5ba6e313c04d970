import { dataArgument, messageArgument, nameArgument, roomArgument, userArgument } from './arguments.js'
import type { Connection } from './connection.js'
import { SympleError } from './errors.js'
import { payloads } from './frame.js'
import type { Hub } from './hub.js'
import type { JsonObject } from './json.js'
import { attempt } from './later.js'
import { Peer, publicFields } from './peer.js'
import { inboundOf, PROTOCOL, parsePresence, parseRecipients, ROUTED_TYPES } from './protocol.js'

/** What a virtual peer is. */
export interface VirtualPeerOptions {
  /** Who it is. There may be other peers of that user, clients too. */
  user: string
  /** Default: the user. */
  name?: string | undefined
  /** Ordinary rooms that it enters. */
  rooms?: readonly string[] | undefined
  /** Fields that others see. */
  data?: object | undefined
}

/**
 * Gets what a client in the same place would get, in the same order: `welcome` first, then presence and messages. One
 * that fails is logged; the next message comes all the same, and does not wait for a promise.
 */
export type VirtualPeerHandler = (message: VirtualMessage) => unknown

/** A message as a client reads it. */
export type VirtualMessage = JsonObject & { type: string }

/** What stands in for the address of a client. */
const HOST = 'virtual'

/**
 * A peer without a connection: a bot, or an agent of the application. To others it is like any peer, on all nodes. It
 * is the application itself: no hook is asked, and neither rates nor pings are counted.
 */
export class VirtualPeer {
  readonly #hub: Hub
  readonly #peer: Peer
  #removed = false

  /** Made by `Symple.addVirtualPeer`. @internal */
  constructor (hub: Hub, options: VirtualPeerOptions, handler: VirtualPeerHandler) {
    const { limits } = hub
    const user = userArgument(options.user, limits)
    const failed = (error: unknown) => { hub.log.error({ err: error, peer: this.id }, 'virtual peer failed') }
    this.#hub = hub
    this.#peer = new Peer({
      id: hub.newId(),
      user,
      name: options.name === undefined ? user : nameArgument(options.name, limits),
      extras: options.data === undefined ? {} : publicFields(dataArgument(options.data, limits)),
      fixed: {},
      host: HOST
    }, new VirtualConnection(handler, failed))
    this.#peer.owner = this
  }

  /** As `PeerDetails.virtual`. */
  get virtual (): boolean { return true }
  /** As `PeerInfo.id`. */
  get id (): string { return this.#peer.id }
  /** As `VirtualPeerOptions.user`. */
  get user (): string { return this.#peer.user }
  /** `user|id`: what stands in `from` of its messages. */
  get address (): string { return this.#peer.address }

  /** Whether it is gone: removed, sent away, or ended with the server. What it does then does nothing. */
  get removed (): boolean {
    return this.#removed
  }

  /** Has it come in. @param rooms ordinary ones @internal */
  async enter (rooms: readonly string[]): Promise<void> {
    const names = new Set(rooms)
    names.delete(this.user)
    this.#hub.virtuals.add(this)
    await this.#hub.membership.arrive(this.#peer, names, () => {
      if (this.#removed) return false
      const welcome = { type: 'welcome', protocol: PROTOCOL, status: 200, peer: this.#peer.describe(true) }
      this.#hub.send(this.#peer, { ...welcome, rooms: [this.user, ...names] })
      return true
    })
  }

  /**
   * Sends a message to whom its `to` names, by the rules for clients: to peers that are visible to it. A `presence`
   * without `to` is published.
   *
   * @param message a `message`, `command`, `event` or `presence`; `from` is set
   * @returns false where it has been removed
   * @throws TypeError for anything else
   */
  send (message: object): boolean {
    const inbound = inboundOf(JSON.stringify(messageArgument(message)))
    const { type, to } = inbound.message
    try {
      if (type === 'presence') parsePresence(inbound.message, this.#hub.limits)
      else if (!(ROUTED_TYPES as readonly unknown[]).includes(type)) throw new TypeError('message.type can not be sent')
      parseRecipients(to, this.#hub.limits.maxRecipients)
    } catch (error) {
      throw error instanceof SympleError ? new TypeError(`message: ${error.message}`) : error
    }
    if (this.#removed) return false
    this.#hub.dispatcher.say(this.#peer, inbound)
    return true
  }

  /** Publishes what others see of it from now on, in place of what it published before; a `name` in it renames it. */
  publish (data: object): boolean {
    return this.send({ type: 'presence', data: dataArgument(data, this.#hub.limits) })
  }

  /** Joins an ordinary room. @returns resolves when it is there; with false where it has been removed */
  async join (room: string): Promise<boolean> {
    const name = roomArgument(room, this.#hub.limits)
    return await this.#hub.control.perform({ op: 'join', peer: this.id, room: name }) === true
  }

  /** Leaves an ordinary room. @returns resolves when it is out; with false where it has been removed */
  async leave (room: string): Promise<boolean> {
    const name = roomArgument(room, this.#hub.limits)
    return await this.#hub.control.perform({ op: 'leave', peer: this.id, room: name }) === true
  }

  /** Takes it out: those who see it are told that it is offline. */
  remove (): void {
    if (this.#removed) return
    this.#removed = true
    this.#hub.virtuals.delete(this)
    this.#hub.outbox.finish(this.#peer)
    // It may not have come in yet.
    if (this.#hub.membership.has(this.#peer)) this.#hub.membership.depart(this.#peer)
    this.#peer.connection.terminate()
  }

  /** Tells it something, and removes it. @internal */
  dismiss (notice: object): void {
    this.#hub.send(this.#peer, notice)
    this.remove()
  }

  /** Has it told that it is sent away, and removes it: as a `PeerOwner`. @internal */
  revoke (error: SympleError): void {
    this.#hub.log.info({ peer: this.id, status: error.status, reason: error.message }, 'revoked')
    this.dismiss(error.toMessage())
  }
}

/** Hands what is written to a handler, in a turn of its own: the core is in the middle of something. */
class VirtualConnection implements Connection {
  readonly buffered = 0
  readonly congested = false
  open = true
  readonly #handler: VirtualPeerHandler
  readonly #failed: (error: unknown) => void
  #queue: Buffer[] = []

  constructor (handler: VirtualPeerHandler, failed: (error: unknown) => void) {
    this.#handler = handler
    this.#failed = failed
  }

  write (frames: Buffer): number {
    if (this.#queue.push(frames) === 1) queueMicrotask(() => { this.#handOver() })
    return 0
  }

  ping (): void {}
  pause (): void {}
  resume (): void {}

  close (): void {
    this.open = false
  }

  terminate (): void {
    this.open = false
  }

  #handOver (): void {
    const queue = this.#queue
    this.#queue = []
    for (const frames of queue) {
      for (const payload of payloads(frames)) {
        attempt(() => this.#handler(JSON.parse(String(payload)) as VirtualMessage), this.#failed)
      }
    }
  }
}
