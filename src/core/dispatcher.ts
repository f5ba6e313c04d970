import { SympleError } from './errors.js'
import { encode, encodeWithFrom } from './frame.js'
import type { Hub } from './hub.js'
import type { JsonObject } from './json.js'
import type { Peer } from './peer.js'
import { parsePresence, parseRecipients, parseRoom, tooManyRooms, type Inbound, type Recipients } from './protocol.js'

/** What clients say once they are peers: one small function for each type of message. */
export class Dispatcher {
  readonly #hub: Hub

  constructor (hub: Hub) {
    this.#hub = hub
  }

  /**
   * Handles one message of a peer.
   *
   * @throws SympleError what the peer is to be told
   */
  dispatch (peer: Peer, type: string, inbound: Inbound): void {
    const { stats, log } = this.#hub
    switch (type) {
      case 'message':
      case 'command':
      case 'event':
        stats.receive(type)
        return this.#route(peer, inbound)
      case 'presence':
        stats.receive(type)
        return this.#publish(peer, inbound.message)
      case 'join':
        stats.receive(type)
        return this.#join(peer, inbound.message)
      case 'leave':
        stats.receive(type)
        return this.#leave(peer, inbound.message)
      default:
        stats.receive('unknown')
        stats.drop('unknown_type')
        log.debug({ peer: peer.id, reason: 'unknown_type' }, 'dropped')
    }
  }

  #route (peer: Peer, { data, text, message }: Inbound): void {
    const recipients = this.#recipients(peer, parseRecipients(message['to']))
    if (recipients.length > 0) this.#hub.deliver(recipients, encodeWithFrom(data, text, message, peer.addressJson))
  }

  #publish (peer: Peer, message: JsonObject): void {
    const { limits, stats } = this.#hub
    const { to, data } = parsePresence(message, limits)
    const described = peer.presenceData(data, limits.maxNameLength)
    const published: JsonObject = { ...message, from: peer.address, data: described }
    for (const key of ['token', '__proto__']) delete published[key]
    if (to === null && data !== undefined) peer.publish(data, limits.maxNameLength)

    const recipients = this.#recipients(peer, to)
    if (recipients.length > limits.probeLimit && 'probe' in published) {
      stats.exceed('probe')
      delete published['probe']
    }
    if (recipients.length > 0) this.#hub.deliver(recipients, encode(published))
  }

  #join (peer: Peer, message: JsonObject): void {
    const { rooms, presence, limits } = this.#hub
    const room = this.#roomOf(message)
    const joined = () => { this.#hub.send(peer, { type: 'join:ok', room }) }
    if (room === peer.user || rooms.isMember(peer, room)) return joined()
    // The personal room is one of them, and does not count.
    if (peer.rooms.size > limits.maxRoomsPerPeer) throw tooManyRooms(limits.maxRoomsPerPeer)
    presence.join(peer, room, joined)
  }

  #leave (peer: Peer, message: JsonObject): void {
    const { rooms, presence } = this.#hub
    const room = this.#roomOf(message)
    const left = () => { this.#hub.send(peer, { type: 'leave:ok', room }) }
    if (room === peer.user || !rooms.isMember(peer, room)) return left()
    presence.leave(peer, room, left)
  }

  #roomOf (message: JsonObject): string {
    if (!this.#hub.dynamicRooms) throw new SympleError(400, 'Dynamic rooms disabled')
    return parseRoom(message, this.#hub.limits)
  }

  #recipients (peer: Peer, to: Recipients): Peer[] {
    const { router, stats, log } = this.#hub
    const recipients = router.recipients(peer, to)
    stats.fanout.observe(recipients.length)
    if (recipients.length === 0) log.debug({ peer: peer.id, reason: 'no_recipient' }, 'dropped')
    return recipients
  }
}
