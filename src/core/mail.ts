import type { Backplane } from './backplane.js'
import { encodeEntry, encodePacket, type Entry } from './envelope.js'
import type { RemoteNode } from './remote.js'
import type { Room } from './rooms.js'
import type { Stats } from './stats.js'

/** Bytes of entries that go in one packet: Redis cuts a node for which too much comes in one piece. */
export const MAX_PACKET = 2 ** 20

/** What is on its way to other nodes. What is for one of them in one turn of the event loop goes together. */
export class Mail {
  readonly #backplane: Backplane
  readonly #stats: Stats
  #outgoing = new Map<RemoteNode, Buffer[]>()

  constructor (backplane: Backplane, stats: Stats) {
    this.#backplane = backplane
    this.#stats = stats
  }

  /** Sends an entry to other nodes. Those that can't be reached don't get it. */
  send (nodes: readonly RemoteNode[], entry: Entry): void {
    if (nodes.length === 0) return
    if (this.#outgoing.size === 0) setImmediate(() => { this.flush() })
    const encoded = encodeEntry(entry)
    for (const node of nodes) {
      const entries = this.#outgoing.get(node)
      if (entries === undefined) this.#outgoing.set(node, [encoded])
      else entries.push(encoded)
    }
  }

  /** Says the same to all nodes with members in some rooms, to each with those of its rooms that concern it. */
  tell (rooms: readonly Room[], entry: (places: string[]) => Entry): void {
    const concerned = new Map<RemoteNode, string[]>()
    for (const room of rooms) {
      for (const node of room.nodes?.keys() ?? []) {
        const places = concerned.get(node)
        if (places === undefined) concerned.set(node, [room.place])
        else places.push(room.place)
      }
    }
    for (const [node, places] of concerned) this.send([node], entry(places))
  }

  /** Drops what waits for a node that has gone. */
  drop (node: RemoteNode): void {
    this.#outgoing.delete(node)
  }

  /** Posts what waits. */
  flush (): void {
    const outgoing = this.#outgoing
    this.#outgoing = new Map()
    for (const [node, entries] of outgoing) {
      let size = 0
      let from = 0
      for (const [i, entry] of entries.entries()) {
        size += entry.length
        if (size <= MAX_PACKET || i === from) continue
        this.#post(node, entries.slice(from, i))
        size = entry.length
        from = i
      }
      this.#post(node, from === 0 ? entries : entries.slice(from))
    }
  }

  #post (node: RemoteNode, entries: readonly Buffer[]): void {
    const { cluster } = this.#stats
    if (this.#backplane.post(node.id, encodePacket(entries))) cluster.sent += entries.length
    else cluster.lost += entries.length
  }
}
