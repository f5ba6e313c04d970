/** Numbers of packets come round after this one. */
const MAX_NUMBER = 2 ** 32 - 1

/** Packets that may be under way when a connection breaks: any of them may come again. */
const REPEATABLE = 256

/** Nodes that seem to have ended, of which the numbers are kept. */
const MAX_GIVEN_UP = 1000

/** Numbers the packets to each other node, and tells by their numbers whether those from it have all come, and once. */
export class PacketNumbers {
  /** Of the last packet to each node, and the last one from each. */
  readonly #sent = new Map<string, number>()
  readonly #taken = new Map<string, number>()
  /** Nodes that seem to have ended, from the one that did so first. */
  readonly #givenUp = new Set<string>()

  /** Numbers one more packet to a node. */
  next (node: string): number {
    const number = following(this.#sent.get(node))
    this.#sent.set(node, number)
    return number
  }

  /** The number of the last packet that was taken from a node; 0: none was. */
  lastOf (node: string): number {
    return this.#taken.get(node) ?? 0
  }

  /**
   * Takes a packet of a node, unless it has come before. A publication may be repeated, or come late, when a connection
   * broke under it.
   */
  take (node: string, number: number): 'in order' | 'behind a gap' | 'again' {
    const last = this.#taken.get(node)
    if (last !== undefined && isBefore(number, last)) return 'again'
    this.#taken.set(node, number)
    return number === following(last) ? 'in order' : 'behind a gap'
  }

  /** A node has ended. */
  forget (node: string): void {
    this.#sent.delete(node)
    this.#taken.delete(node)
    this.#givenUp.delete(node)
  }

  /** A node seems to have ended. Should it be there after all, it would take what begins anew for what it has had. */
  giveUp (node: string): void {
    this.#givenUp.delete(node)
    this.#givenUp.add(node)
    const [oldest] = this.#givenUp
    if (this.#givenUp.size > MAX_GIVEN_UP) this.forget(oldest!)
  }
}

/** @param number of the packet before; undefined: there was none */
function following (number = 0): number {
  return number === MAX_NUMBER ? 1 : number + 1
}

/** Whether a packet is the last one again, or one that came shortly before it. Number 1 begins anew. */
function isBefore (number: number, last: number): boolean {
  return number !== 1 && (last - number) >>> 0 < REPEATABLE
}
