import { addressOf, isPeer, type Frame, type Peer } from './frames.js'

/** How a roster has changed. */
export type RosterChange =
  /** A peer has become visible, or has published something new. */
  | { readonly kind: 'online' | 'update', readonly peer: Peer, readonly address: string }
  | { readonly kind: 'offline', readonly peer: Peer, readonly address: string }
  /** Nothing is known any more: the connection has ended. */
  | { readonly kind: 'clear' }

/** Who is there, as presence frames tell: the peers that are visible, each with what it published last. */
export class Roster {
  readonly #peers = new Map<string, Peer>()

  /** By id. */
  get peers (): ReadonlyMap<string, Peer> {
    return this.#peers
  }

  /** @returns what a presence has changed; undefined: nothing */
  apply (frame: Frame): RosterChange | undefined {
    const { data: peer, to } = frame
    if (!isPeer(peer)) return undefined
    // What a peer says to some alone is its wish, and not what it has published.
    if (to !== undefined && to !== null) return undefined
    const address = addressOf(peer)
    const known = this.#peers.has(peer.id)
    if (!peer.online) {
      this.#peers.delete(peer.id)
      return known ? { kind: 'offline', peer, address } : undefined
    }
    this.#peers.set(peer.id, peer)
    return { kind: known ? 'update' : 'online', peer, address }
  }

  /** @returns undefined where it was empty */
  clear (): RosterChange | undefined {
    if (this.#peers.size === 0) return undefined
    this.#peers.clear()
    return { kind: 'clear' }
  }
}
