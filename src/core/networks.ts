import { networkOf } from './address.js'
import type { Session } from './session.js'

/** What is known of the clients of one network. */
export interface Network {
  connections: number
  /** Those of the connections that are no peers. */
  unauthenticated: number
  /** Until when its connections and its failures to authenticate count: see `Pace`. */
  opened: number
  failed: number
  /** Attempts to authenticate of which it is not known yet what comes of them. */
  pending: number
  /** Who waits to make one, and what begins it; who came first is the first. Null: nobody yet. */
  waiting: Map<Session, () => void> | null
}

/**
 * What is remembered of networks. Of those with connections everything; of others what still counts, as long as there
 * is room: then the one that was seen first is forgotten. Who has more addresses to call from than are remembered can't
 * be held by limits for each of them anyway.
 */
export class Networks {
  readonly #capacity: number
  readonly #present = new Map<string, Network>()
  /** Without connections, the one that was seen first at the front. */
  readonly #past = new Map<string, Network>()

  /** @param capacity networks without connections that are remembered */
  constructor (capacity: number) {
    this.#capacity = capacity
  }

  get size (): number {
    return this.#present.size + this.#past.size
  }

  find (host: string): Network | undefined {
    const key = networkOf(host)
    return this.#present.get(key) ?? this.#past.get(key)
  }

  /** Changes what is known of a client's network, and remembers it if that says anything. */
  update (host: string, now: number, change: (network: Network) => void): void {
    const key = networkOf(host)
    const network = this.#present.get(key) ?? this.#past.get(key) ??
      { connections: 0, unauthenticated: 0, opened: -Infinity, failed: -Infinity, pending: 0, waiting: null }
    change(network)
    this.#past.delete(key)
    if (network.connections > 0) {
      this.#present.set(key, network)
    } else {
      this.#present.delete(key)
      if (!isSpent(network, now)) this.#past.set(key, network)
    }
    this.#sweep(now)
  }

  /** Forgets from the front: those whom nothing is held against any more, and as many as there is no room for. */
  #sweep (now: number): void {
    for (const [key, network] of this.#past) {
      if (this.#past.size <= this.#capacity && !isSpent(network, now)) return
      this.#past.delete(key)
    }
  }
}

function isSpent ({ opened, failed, pending }: Network, now: number): boolean {
  return opened <= now && failed <= now && pending === 0
}
