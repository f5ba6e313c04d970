import { encode } from './frame.js'
import type { Hub } from './hub.js'
import { isObject, type Json, type JsonObject } from './json.js'
import type { Peer } from './peer.js'
import { unreachable } from './queries.js'

/** The `to` of what is for everybody: nothing that a name could be taken for, or that is written by accident. */
export const EVERYBODY = { all: true }

/** Messages of backends, which are trusted: they reach everybody, and say themselves from whom they are. */
export class Emission {
  readonly #hub: Hub

  constructor (hub: Hub) {
    this.#hub = hub
  }

  /**
   * Hands a message to all nodes, as a backend does.
   *
   * @throws SympleError 503 where they can't be reached
   */
  async emit (message: JsonObject, to: string | string[] | typeof EVERYBODY): Promise<void> {
    try {
      await this.#hub.backplane.emit(Buffer.from(JSON.stringify({ ...message, to })))
    } catch (cause) {
      throw unreachable(cause)
    }
  }

  /** Delivers what a backend published to the peers of this node. What makes no sense is logged and counted. */
  receive (payload: Buffer): void {
    const { stats, log } = this.#hub
    stats.emissions.received++
    try {
      const message = JSON.parse(payload.toString()) as Json
      if (!isObject(message)) throw new TypeError('it is no JSON object')
      if (typeof message['type'] !== 'string') throw new TypeError('its type is no string')
      const peers = this.#recipients(message)
      stats.fanout.observe(peers.length)
      if (peers.length > 0) this.#hub.deliver(peers, encode(message))
    } catch (error) {
      stats.emissions.malformed++
      // What the parser says quotes the text, which is nobody's business.
      log.warn({ reason: error instanceof TypeError ? error.message : 'it is no JSON' }, 'malformed emission')
    }
  }

  #recipients (message: JsonObject): Peer[] {
    const { router } = this.#hub
    const { to, rooms } = message
    if (!isObject(to) || to['all'] !== true) return router.addressed(namesIn(to ?? rooms))
    // Clients know no such thing.
    delete message['to']
    return router.everybody()
  }
}

function namesIn (to: Json | undefined): string[] {
  if (typeof to === 'string' && to !== '') return [to]
  if (Array.isArray(to) && to.every(name => typeof name === 'string' && name !== '')) return to as string[]
  throw new TypeError('its to, or its rooms, names nobody: it is to be a string, an array of strings or {"all": true}')
}
