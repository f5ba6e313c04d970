import { nodeOf } from './backplane.js'
import type { Entry } from './envelope.js'
import { SympleError } from './errors.js'
import type { Hub } from './hub.js'
import type { Json, JsonObject } from './json.js'
import { detailsOf } from './peer-info.js'
import type { Peer } from './peer.js'
import { idIn } from './router.js'

/** What a node does to its own peers, for itself or when another asks. Peers are named by id or address. */
export type Call =
  /** Tells what there is to know of a peer; null: it is not here. */
  | { readonly op: 'describe', readonly peer: string }
  /** Whether the peer is here, and so in the room, or out of it. */
  | { readonly op: 'join' | 'leave', readonly peer: string, readonly room: string }
  /** How many were sent away. */
  | { readonly op: 'disconnect', readonly peer?: string, readonly user?: string, readonly reason: string }

interface Waiting {
  readonly node: string
  readonly resolve: (result: Json | undefined) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** Has the node of a peer do what the application asks for, whichever node it asks. */
export class Control {
  readonly #hub: Hub
  readonly #waiting = new Map<number, Waiting>()
  #last = 0

  constructor (hub: Hub) {
    this.#hub = hub
  }

  /**
   * Has the node of a peer do something.
   *
   * @returns what came of it; undefined: the node is no more, if there ever was one
   * @throws SympleError 503 where the node can't be asked
   */
  async at (peer: string, call: Call): Promise<Json | undefined> {
    const { backplane, queries } = this.#hub
    const node = nodeOf(idIn(peer))
    if (node === backplane.node) return await this.perform(call)
    return (await queries.alive()).includes(node) ? await this.ask(node, call) : undefined
  }

  /**
   * Has all nodes do something.
   *
   * @returns what came of it on each
   * @throws SympleError 503 where one can't be asked; the others have done it all the same
   */
  async everywhere (call: Call): Promise<Array<Json | undefined>> {
    const { backplane, queries } = this.#hub
    const here = this.perform(call)
    const others = (await queries.alive()).filter(node => node !== backplane.node)
    const answers = await Promise.allSettled([here, ...others.map(async node => await this.ask(node, call))])
    return answers.map(answer => {
      if (answer.status === 'rejected') throw answer.reason
      return answer.value
    })
  }

  /** Does something on this node. */
  async perform (call: Call): Promise<Json> {
    if (call.op === 'disconnect') return this.#disconnect(call)
    const peer = this.#find(call.peer)
    if (peer === undefined) return call.op === 'describe' ? null : false
    switch (call.op) {
      case 'describe': return detailsOf(peer) as unknown as Json
      case 'join': return await this.#join(peer, call.room)
      case 'leave': return await this.#leave(peer, call.room)
    }
  }

  /**
   * Has another node do it.
   *
   * @returns what came of it; undefined: the node has gone, and its peers with it
   * @throws SympleError 503 where it can't be asked, or does not answer in time
   */
  async ask (node: string, call: Call): Promise<Json | undefined> {
    const id = ++this.#last
    const answer = new Promise<Json | undefined>((resolve, reject) => {
      const timer = setTimeout(() => { this.#take(id)?.reject(silence(node)) }, this.#hub.replyTimeout * 1000)
      this.#waiting.set(id, { node, resolve, reject, timer })
    })
    this.#hub.cluster.post(node, { kind: 'request', id, call: call as unknown as JsonObject })
    return await answer
  }

  /** Another node asks. */
  asked (node: string, { id, call }: Extract<Entry, { kind: 'request' }>): void {
    const reply = (result: Json, failed?: true) => {
      this.#hub.cluster.post(node, { kind: 'reply', id, result, ...(failed && { failed }) })
    }
    if (!isCall(call)) return reply('the node does not know this request', true)
    this.perform(call).then(reply, (error: unknown) => {
      this.#hub.log.error({ err: error, node, op: call.op }, 'request of another node failed')
      reply('it failed', true)
    })
  }

  /** Another node answers. */
  answered (node: string, { id, result, failed = false }: Extract<Entry, { kind: 'reply' }>): void {
    if (this.#waiting.get(id)?.node !== node) return
    const { resolve, reject } = this.#take(id)!
    if (failed) reject(new SympleError(503, `Node ${node} refuses: ${String(result)}`))
    else resolve(result)
  }

  /** Another node has gone: it answers no more. */
  gone (node: string): void {
    for (const [id, waiting] of this.#waiting) {
      if (waiting.node === node) this.#take(id)!.resolve(undefined)
    }
  }

  #take (id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    clearTimeout(waiting?.timer)
    this.#waiting.delete(id)
    return waiting
  }

  #find (name: string): Peer | undefined {
    const peer = this.#hub.rooms.peers.get(idIn(name))
    return peer !== undefined && (name === peer.id || name === peer.address) ? peer : undefined
  }

  async #join (peer: Peer, room: string): Promise<boolean> {
    const { membership, rooms } = this.#hub
    // Its user's own name stands for the personal room, in which it is.
    if (room === peer.user || rooms.isMember(peer, room)) return true
    await membership.join(peer, room, () => { this.#hub.send(peer, { type: 'join:ok', room }) })
    return membership.has(peer)
  }

  async #leave (peer: Peer, room: string): Promise<boolean> {
    const { membership, rooms } = this.#hub
    return await membership.settled(peer, () => {
      if (!membership.has(peer)) return false
      if (rooms.isMember(peer, room)) membership.leave(peer, room, () => { this.#hub.send(peer, { type: 'leave:ok', room }) })
      return true
    })
  }

  #disconnect ({ peer: name, user, reason }: Extract<Call, { op: 'disconnect' }>): number {
    const peers = user === undefined
      ? [this.#find(name!)].filter(peer => peer !== undefined)
      : [...this.#hub.rooms.personal(user)?.members ?? []]
    for (const peer of peers) peer.owner?.revoke(new SympleError(403, reason))
    return peers.length
  }
}

function silence (node: string): SympleError {
  return new SympleError(503, `Node ${node} does not answer`)
}

/** What another release asks for may be unknown here. */
function isCall (call: JsonObject): call is JsonObject & Call {
  const { op, peer, user, room, reason } = call
  switch (op) {
    case 'describe': return typeof peer === 'string'
    case 'join':
    case 'leave': return typeof peer === 'string' && typeof room === 'string'
    case 'disconnect': return (typeof peer === 'string') !== (typeof user === 'string') && typeof reason === 'string'
    default: return false
  }
}
