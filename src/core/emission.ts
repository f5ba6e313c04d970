import { encode } from './frame.js'
import type { Hub } from './hub.js'
import { isObject, type Json } from './json.js'

/** Messages of backends, which are trusted: they reach everybody, and say themselves from whom they are. */
export class Emission {
  readonly #hub: Hub

  constructor (hub: Hub) {
    this.#hub = hub
  }

  /** Delivers what a backend published to the peers of this node. What makes no sense is logged and counted. */
  receive (payload: Buffer): void {
    const { stats, log, router } = this.#hub
    stats.emissions.received++
    try {
      const message = JSON.parse(payload.toString()) as Json
      if (!isObject(message)) throw new TypeError('it is no JSON object')
      if (typeof message['type'] !== 'string') throw new TypeError('its type is no string')
      const peers = router.addressed(namesIn(message['to'] ?? message['rooms']))
      stats.fanout.observe(peers.length)
      if (peers.length > 0) this.#hub.deliver(peers, encode(message))
    } catch (error) {
      stats.emissions.malformed++
      // What the parser says quotes the text, which is nobody's business.
      log.warn({ reason: error instanceof TypeError ? error.message : 'it is no JSON' }, 'malformed emission')
    }
  }
}

function namesIn (to: Json | undefined): string[] {
  if (typeof to === 'string' && to !== '') return [to]
  if (Array.isArray(to) && to.every(name => typeof name === 'string' && name !== '')) return to as string[]
  throw new TypeError('its to, or its rooms, is no string and no array of strings')
}
