import type { Frame } from './frame.js'
import type { Hub } from './hub.js'
import type { Peer } from './peer.js'
import type { Recipients } from './protocol.js'
import type { RemotePeer } from './remote.js'

/** Messages that are kept for one peer. */
const MAX_KEPT = 200

/** A message of a peer of another node. */
export interface Missed { readonly sender: RemotePeer, readonly to: Recipients, readonly frame: Frame }

/** Peers that others have been told of, and that are not in their rooms yet; with the messages that may be for them. */
export class Latecomers {
  readonly #hub: Hub
  readonly #missed = new Map<Peer, Missed[]>()

  constructor (hub: Hub) {
    this.#hub = hub
  }

  expect (peer: Peer): void {
    this.#missed.set(peer, [])
  }

  /** @param reached those who have got it already */
  keep (message: Missed, reached: readonly Peer[]): void {
    for (const [peer, missed] of this.#missed) {
      if (missed.length < MAX_KEPT && !reached.includes(peer)) missed.push(message)
    }
  }

  /** Delivers what came for a peer before it was in its rooms. */
  makeUp (peer: Peer): void {
    const missed = this.#missed.get(peer) ?? []
    this.#missed.delete(peer)
    for (const { sender, to, frame } of missed) {
      if (this.#hub.router.route(sender, to).peers.includes(peer)) this.#hub.deliver([peer], frame)
    }
  }
}
