import { SympleError } from './errors.js'
import { encode, encodeWithFrom, payloadOf } from './frame.js'
import type { Hub } from './hub.js'
import type { JsonObject } from './json.js'
import { after } from './later.js'
import { overridden, type Peer } from './peer.js'
import { parsePresence, parseRecipients, parseRoom, tooManyRooms, type Inbound, type Recipients } from './protocol.js'
import { RateLimiter, type Rate } from './rate-limiter.js'
import type { RemotePeer } from './remote.js'
import type { Route } from './router.js'
import type { DropReason } from './stats.js'

/** What clients say once they are peers: one small function for each type of message. */
export class Dispatcher {
  readonly #hub: Hub
  readonly #presenceRate: Rate

  constructor (hub: Hub) {
    this.#hub = hub
    this.#presenceRate = { rateLimit: hub.limits.presenceRate, rateSeconds: hub.limits.rateSeconds }
  }

  /**
   * Handles one message of a peer.
   *
   * @returns resolves when it has been handled, where that takes time; what follows has to wait
   * @throws SympleError what the peer is to be told
   */
  dispatch (peer: Peer, type: string, inbound: Inbound): Promise<void> | void {
    const { stats } = this.#hub
    switch (type) {
      case 'message':
      case 'command':
      case 'event':
      case 'presence':
        stats.receive(type)
        return this.#hub.hooks.authorizeMessage ? this.#authorize(peer, inbound) : this.say(peer, inbound)
      case 'join':
        stats.receive(type)
        return this.#join(peer, inbound.message)
      case 'leave':
        stats.receive(type)
        return this.#leave(peer, inbound.message)
      default:
        stats.receive('unknown')
        this.#drop(peer, 'unknown_type')
    }
  }

  /**
   * Hands on what a peer says and may say.
   *
   * @param inbound a `presence`, or of a type that is routed
   */
  say (peer: Peer, inbound: Inbound): void {
    if (inbound.message['type'] === 'presence') this.#publish(peer, inbound.message)
    else this.#route(peer, inbound)
  }

  /** What follows waits for the answer, so the peer's messages stay in order. */
  #authorize (peer: Peer, inbound: Inbound): Promise<void> | void {
    const { permissions, membership } = this.#hub
    return after(permissions.message(peer, inbound), allowed => {
      if (allowed === null) return
      // It may have gone while the hook thought about it.
      if (membership.has(peer)) this.say(peer, allowed)
      else this.#drop(peer, 'unknown_sender')
    })
  }

  #route (peer: Peer, { data, text, message }: Inbound): void {
    const { cluster, events, limits } = this.#hub
    const to = parseRecipients(message['to'], limits.maxRecipients)
    const { peers, nodes } = this.#routeOf(peer, to)
    if (message['from'] !== undefined && message['from'] !== peer.address) this.#overrode(peer, ['from'])
    if (peers.length > 0 || nodes.length > 0) {
      const frame = encodeWithFrom(data, text, message, peer.addressJson)
      this.#hub.deliver(peers, frame)
      if (nodes.length > 0) cluster.send(nodes, { kind: 'route', from: peer.id, to, payload: payloadOf(frame) })
    }
    if (events.wanted('message')) events.tell('message', peer, { ...message, from: peer.address })
  }

  #publish (peer: Peer, message: JsonObject): void {
    const { limits, cluster, events } = this.#hub
    const { to, data } = parsePresence(message, limits)
    if (to === null && !this.#mayChange(peer)) return
    const described = peer.presenceData(data, limits.maxNameLength)
    const published: JsonObject = { ...message, from: peer.address, data: described }
    for (const key of ['token', '__proto__']) delete published[key]
    const fields = overridden(data ?? {}, described)
    if (message['from'] !== undefined && message['from'] !== peer.address) fields.push('from')
    if (fields.length > 0) this.#overrode(peer, fields)
    const stored = to === null && data !== undefined
    if (stored) {
      peer.publish(data, limits.maxNameLength)
      cluster.published(peer)
    }
    this.#spread(peer, to, published)
    if (stored) events.tell('presence', peer)
  }

  #spread (peer: Peer, to: Recipients, published: JsonObject): void {
    const { limits, stats, cluster } = this.#hub
    const probe = 'probe' in published
    const { peers, nodes, remotes } = this.#routeOf(peer, to, probe ? [] : null)
    if (probe && peers.length + remotes!.length > limits.probeLimit) {
      stats.exceed('probe')
      delete published['probe']
    }
    if (peers.length === 0 && nodes.length === 0) return
    const frame = encode(published)
    this.#hub.deliver(peers, frame)
    if (nodes.length === 0) return
    const payload = payloadOf(frame)
    cluster.send(nodes, to === null
      ? { kind: 'publish', member: { id: peer.id, record: peer.record }, payload }
      : { kind: 'route', from: peer.id, to, payload })
  }

  #join (peer: Peer, message: JsonObject): Promise<void> | void {
    const { rooms, membership, limits } = this.#hub
    const room = this.#roomOf(message)
    const joined = () => { this.#hub.send(peer, { type: 'join:ok', room }) }
    if (room === peer.user || rooms.isMember(peer, room)) {
      joined()
      return undefined
    }
    // The personal room is one of them, and does not count.
    if (peer.rooms.size > limits.maxRoomsPerPeer) throw tooManyRooms(limits.maxRoomsPerPeer)
    if (!this.#mayChange(peer)) return undefined
    const enter = () => membership.join(peer, room, joined)
    return this.#hub.hooks.authorizeJoin ? after(this.#hub.permissions.join(peer, room), enter) : enter()
  }

  #leave (peer: Peer, message: JsonObject): void {
    const { rooms, membership } = this.#hub
    const room = this.#roomOf(message)
    const left = () => { this.#hub.send(peer, { type: 'leave:ok', room }) }
    if (room === peer.user || !rooms.isMember(peer, room)) return left()
    if (!this.#mayChange(peer)) return
    membership.leave(peer, room, left)
  }

  /**
   * Whether a peer may change once more what others see of it: each of them is told. The application's own may.
   *
   * @throws SympleError 429 where it may not, and has to be told
   */
  #mayChange (peer: Peer): boolean {
    if (peer.owner?.virtual === true) return true
    const { now, stats } = this.#hub
    const rate = this.#presenceRate
    const limiter = peer.changes ??= new RateLimiter(rate, now())
    const verdict = limiter.take(rate, now())
    if (verdict === 'pass') return true
    if (verdict !== 'drop') {
      const retryAfter = limiter.retryAfter(rate)
      throw new SympleError(429, 'Presence changes too often', { limit: 'presence_rate', retryAfter, fatal: verdict === 'close' })
    }
    stats.drop('rate_limited')
    stats.exceed('presence_rate')
    return false
  }

  #roomOf (message: JsonObject): string {
    if (!this.#hub.dynamicRooms) throw new SympleError(400, 'Dynamic rooms disabled')
    return parseRoom(message, this.#hub.limits)
  }

  #routeOf (peer: Peer, to: Recipients, remotes: RemotePeer[] | null = null): Route {
    const { router, stats } = this.#hub
    const route = router.route(peer, to, remotes)
    stats.fanout.observe(route.peers.length)
    if (route.strange > 0) this.#drop(peer, 'not_member', { rooms: route.strange })
    else if (route.peers.length === 0 && route.nodes.length === 0) this.#drop(peer, 'no_recipient')
    return route
  }

  /** Takes note that a peer claims what is not so. Some clients do so by mistake, so it is no reason to end them. */
  #overrode (peer: Peer, fields: string[]): void {
    this.#hub.log.debug({ peer: peer.id, fields }, 'overridden')
  }

  #drop (peer: Peer, reason: DropReason, details?: object): void {
    this.#hub.stats.drop(reason)
    this.#hub.log.debug({ peer: peer.id, reason, ...details }, 'dropped')
  }
}
