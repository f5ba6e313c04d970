import type { Frame } from './frame.js'
import type { Hub } from './hub.js'
import type { Peer } from './peer.js'
import type { Recipients } from './protocol.js'
import type { RemotePeer } from './remote.js'
import type { Member } from './rooms.js'

/** What a peer of another node said. */
export interface Message { readonly sender: RemotePeer, readonly frame: Frame }

/** What is kept for one peer: the order between senders costs nothing, and is that of a conversation. */
class Kept {
  readonly senders = new Set<Member>()
  messages: Message[] = []
  bytes = 0

  add (message: Message): void {
    this.senders.add(message.sender)
    this.messages.push(message)
    this.bytes += message.frame.length
  }

  /** @returns what a sender said */
  take (sender: Member): Message[] {
    if (!this.senders.delete(sender)) return []
    const taken = this.messages.filter(message => message.sender === sender)
    this.messages = this.messages.filter(message => message.sender !== sender)
    for (const { frame } of taken) this.bytes -= frame.length
    return taken
  }
}

/**
 * Peers that other nodes have been told of, and that are not in their rooms yet, with the messages for them.
 *
 * Who does not see the sender must be told of it first, and by what it is about to learn: for that peer its messages
 * are kept. Nothing can overtake them, since whoever is not seen reaches nobody. Who sees the sender, by another room,
 * has what is for the new one at once: were that kept, what the same sender says next elsewhere would come before it.
 */
export class Latecomers {
  readonly #hub: Hub
  readonly #kept = new Map<Peer, Kept>()

  constructor (hub: Hub) {
    this.#hub = hub
  }

  /** Whether there are any: without, a message costs no more than this question. */
  get some (): boolean {
    return this.#kept.size > 0
  }

  expect (peer: Peer): void {
    this.#kept.set(peer, new Kept())
  }

  /**
   * Takes up a message for those whom it concerns by the rooms that they are about to enter.
   *
   * @param peers whom the router has just found, and who get it next; those join them who get it at once, too
   */
  admit (message: Message, to: Recipients, peers: Peer[]): void {
    const { sender } = message
    for (const peer of this.#hub.router.awaited(sender, to)) {
      if (this.#hub.rooms.visible(peer, sender)) peers.push(peer)
      else this.#keep(peer, message)
    }
  }

  /** A peer has been told of a sender: it gets what that one said before. */
  seen (peer: Peer, sender: Member): void {
    for (const { frame } of this.#kept.get(peer)?.take(sender) ?? []) this.#hub.deliver([peer], frame)
  }

  /** A peer is in its rooms, or never will be. It gets what came before, but of those who have gone meanwhile. */
  makeUp (peer: Peer): void {
    const messages = this.#kept.get(peer)?.messages ?? []
    this.#kept.delete(peer)
    for (const { sender, frame } of messages) {
      if (this.#hub.rooms.visible(peer, sender)) this.#hub.deliver([peer], frame)
    }
  }

  /** A gap would be silent, so who has too much waiting is cut. The application's own have no limits. */
  #keep (peer: Peer, message: Message): void {
    const { limits: { maxBuffered }, stats, log } = this.#hub
    const kept = this.#kept.get(peer)
    if (kept === undefined || !peer.connection.open) return
    kept.add(message)
    if (kept.bytes <= maxBuffered || peer.owner?.virtual === true) return
    stats.exceed('buffered')
    log.warn({ peer: peer.id, host: peer.host, limit: 'buffered', waiting: kept.bytes }, 'too much at once')
    this.expect(peer)
    peer.connection.terminate()
  }
}
