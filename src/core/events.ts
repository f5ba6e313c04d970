import type { EventEmitter } from 'node:events'
import type { JsonObject } from './json.js'
import { attempt } from './later.js'
import type { Logger } from './logger.js'
import type { Peer } from './peer.js'
import { PeerView, type PeerDetails } from './peer-info.js'

/**
 * What the service tells of the peers of its own node, virtual ones included; each node tells of its own. Listeners
 * are called when the thing has happened, in the order in which things happen. One that fails is logged, and harms
 * neither other listeners nor peers.
 */
export interface SympleEvents {
  /** A peer has come in, with the rooms that it was given. */
  online: [peer: PeerDetails]
  /** It has gone, out of all its rooms. */
  offline: [peer: PeerDetails]
  /** It has joined a room. */
  join: [peer: PeerDetails, room: string]
  /** It has left a room, and is still there. */
  leave: [peer: PeerDetails, room: string]
  /** It has sent a `message`, `command` or `event` that was let through, whether there is anybody to get it or not. */
  message: [peer: PeerDetails, message: JsonObject]
  /** It has published what `peer.data` says now, or a fresh token says so. */
  presence: [peer: PeerDetails]
}

/** Tells listeners what happens, if there are any. */
export class Events {
  readonly #emitter: EventEmitter<SympleEvents>
  readonly #log: Logger

  constructor (emitter: EventEmitter<SympleEvents>, log: Logger) {
    this.#emitter = emitter
    this.#log = log
  }

  /** Whether anybody listens. */
  wanted (name: keyof SympleEvents): boolean {
    return this.#emitter.listenerCount(name) > 0
  }

  tell (name: keyof SympleEvents, peer: Peer, detail?: string | JsonObject): void {
    if (!this.wanted(name)) return
    const args = [new PeerView(peer), ...detail === undefined ? [] : [detail]]
    // Not by `emit`: there, one that throws keeps the others from hearing.
    for (const listener of this.#emitter.rawListeners(name) as Listener[]) {
      attempt(() => listener.apply(this.#emitter, args), error => {
        this.#log.error({ err: error, event: name }, 'listener failed')
      })
    }
  }
}

type Listener = (...args: unknown[]) => unknown
