import type { Connection } from './connection.js'
import type { Frame } from './frame.js'
import type { Stats } from './stats.js'

/** Pending bytes at which a receiver is written to before the turn ends, and that a congested one saves up. */
const WRITE_SIZE = 64 * 1024

/** Who has frames waiting. The fields beside the connection are the outbox's own. */
export interface Receiver {
  readonly connection: Connection
  /** Whether the outbox has it on its list for this turn. */
  dirty: boolean
  /** What waits for it. */
  pending: Batch | null
  /** Bytes that may wait for it beyond the limit, of a snapshot that has not left yet; most of the time 0. */
  allowance: number
}

/**
 * An immutable list of frames that grows by appending: a node that knows its predecessor. Receivers that were given
 * the same frames stand at the same node, so what they have pending is joined into one buffer once for all.
 *
 * A frame goes to all its recipients before the next one does; so it is enough that each node remembers the successor
 * that it got last.
 */
export class Batch {
  /** Bytes in all frames up to this one. */
  readonly size: number
  #next: Batch | null = null
  #joined: Buffer | null = null

  constructor (readonly previous: Batch | null, readonly frame: Frame) {
    this.size = previous === null ? 0 : previous.size + frame.length
  }

  append (frame: Frame): Batch {
    if (this.#next !== null && this.#next.frame === frame) return this.#next
    this.#next = new Batch(this, frame)
    return this.#next
  }

  /** All frames in one buffer; for a single frame that frame itself. */
  join (): Buffer {
    if (this.#joined !== null) return this.#joined
    if (this.size === this.frame.length) return this.frame
    const joined = Buffer.allocUnsafe(this.size)
    let node: Batch = this
    while (node.size > 0) {
      if (node.#joined !== null) {
        joined.set(node.#joined, 0)
        break
      }
      joined.set(node.frame, node.size - node.frame.length)
      node = node.previous!
    }
    this.#joined = joined
    return joined
  }
}

const EMPTY = Buffer.alloc(0)

/**
 * Collects what is sent in one turn of the event loop and writes it at the turn's end, one write per receiver.
 *
 * All that the sockets had to say in a turn is read before `setImmediate` callbacks run, so a lone message waits for
 * no timer, and a burst leaves together. The order for each receiver is the order of `push`.
 */
export class Outbox<R extends Receiver> {
  readonly #maxBuffered: number
  readonly #stats: Stats
  readonly #onSlow: (receiver: R) => void
  #dirty: R[] = []
  #root = new Batch(null, EMPTY)
  #scheduled = false
  readonly #flush = () => this.flush()

  /**
   * @param maxBuffered bytes that may wait for one receiver
   * @param onSlow is told of a receiver that has more waiting; it must terminate it
   */
  constructor (maxBuffered: number, stats: Stats, onSlow: (receiver: R) => void) {
    this.#maxBuffered = maxBuffered
    this.#stats = stats
    this.#onSlow = onSlow
  }

  /** Queues a frame; a receiver whose connection is closing gets nothing more. */
  push (receiver: R, frame: Frame): void {
    if (!receiver.dirty && !this.#mark(receiver)) return
    const batch = (receiver.pending ?? this.#root).append(frame)
    receiver.pending = batch
    if (batch.size >= WRITE_SIZE) this.flushOne(receiver)
  }

  /**
   * Queues the frames with which others come online for a receiver, all at once and whatever they amount to: it has had
   * no time to read them, so they don't count as what waits for it until they have left once. Of several snapshots that
   * wait the largest is free: who joins and leaves a room again and again, and does not read, must not have ever more
   * waiting.
   */
  pushSnapshot (receiver: R, others: ReadonlyArray<{ readonly onlineFrame: Frame }>): void {
    const free = receiver.allowance
    let size = 0
    for (const { onlineFrame } of others) {
      size += onlineFrame.length
      if (size > free) receiver.allowance += Math.min(onlineFrame.length, size - free)
      this.push(receiver, onlineFrame)
    }
  }

  /** Writes what waits for one receiver, unless its socket asks to wait and there is room to do so. */
  flushOne (receiver: R): void {
    const { pending, connection } = receiver
    if (pending === null) return
    if (!connection.open) {
      receiver.pending = null
      return
    }
    if (receiver.allowance > 0 && connection.buffered === 0) {
      receiver.allowance = Math.min(receiver.allowance, pending.size)
    }
    if (connection.congested) {
      const unsent = connection.buffered + pending.size
      if (unsent > this.#maxBuffered + receiver.allowance) {
        this.#cut(receiver)
        return
      }
      // Small buffers share memory with others; a slow receiver holds on to few and large ones. A snapshot is not
      // copied until there is room for it: its frames are those that are kept of the peers in any case.
      if (pending.size < WRITE_SIZE || unsent <= receiver.allowance) return
    }
    if (this.#write(receiver, pending) > this.#maxBuffered + receiver.allowance) this.#cut(receiver)
  }

  /** Writes what waits for one receiver, whatever its socket says: its connection is about to close. */
  finish (receiver: R): void {
    if (receiver.pending !== null && receiver.connection.open) this.#write(receiver, receiver.pending)
    receiver.pending = null
  }

  /** Writes what waits for all. */
  flush (): void {
    this.#scheduled = false
    const dirty = this.#dirty
    this.#dirty = []
    this.#root = new Batch(null, EMPTY)
    for (const receiver of dirty) {
      receiver.dirty = false
      this.flushOne(receiver)
    }
  }

  #mark (receiver: R): boolean {
    if (!receiver.connection.open) return false
    receiver.dirty = true
    this.#dirty.push(receiver)
    if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(this.#flush)
    }
    return true
  }

  #write (receiver: R, batch: Batch): number {
    receiver.pending = null
    this.#stats.bytesOut += batch.size
    return receiver.connection.write(batch.join())
  }

  #cut (receiver: R): void {
    receiver.pending = null
    this.#onSlow(receiver)
  }
}
