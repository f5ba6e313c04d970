import { Histogram } from './histogram.js'
import { Inbox } from './faults.js'
import { FILLING, groupAt, sequenceAt, slotAt } from './stamp.js'

const QUOTE = 0x22

/**
 * Books each message that is sent and each delivery: every peer of the sender's group must get it once, in the
 * sender's order, and nobody else at all.
 */
export class Ledger extends Inbox {
  /** Deliveries so far. */
  deliveries = 0
  /** Messages so far. */
  sent = 0
  latencies = new Histogram()
  #measuredFrom = Infinity
  #measuredTo = Infinity
  #senders = []
  #bytes
  #capacity
  #onComplete

  /**
   * @param bytes of the `data` of each message
   * @param capacity messages that one sender may have under way; a power of two
   * @param onComplete is told of a sender when one of its messages has come to everybody
   */
  constructor ({ bytes, capacity, onComplete }) {
    super()
    this.#bytes = bytes
    this.#capacity = capacity
    this.#onComplete = onComplete
  }

  /**
   * @param group clients that write to each other
   * @param senderCount how many of them send; these come first, in the order of their slots
   * @param exempt clients that need not get everything
   * @returns the senders, for `send`
   */
  enrol (group, senderCount, exempt = []) {
    const senders = group.slice(0, senderCount).map(client => ({
      client,
      group,
      audience: group.length - 1 - exempt.length,
      sent: 0,
      sentAt: new Float64Array(this.#capacity),
      waiting: new Int32Array(this.#capacity)
    }))
    for (const client of group) {
      client.account = {
        senders,
        /** The sequence that is due next, from each sender. */
        due: new Int32Array(senderCount),
        /** Sequences that were passed over, where there are any. */
        missing: null,
        exempt: exempt.includes(client)
      }
    }
    this.#senders.push(...senders)
    return senders
  }

  /** Sends one message. Its latency counts from `at`. */
  send (sender, at = performance.now()) {
    const sequence = sender.sent++
    const slot = sequence & (this.#capacity - 1)
    sender.sentAt[slot] = at
    sender.waiting[slot] = sender.audience
    this.sent++
    sender.client.send(sequence)
  }

  /** From now on latencies count, and no earlier ones: of the messages that are sent in this time. */
  startMeasuring () {
    this.latencies = new Histogram()
    this.#measuredFrom = performance.now()
    this.#measuredTo = Infinity
  }

  stopMeasuring () {
    this.#measuredTo = performance.now()
  }

  /** Messages that a client has had, of all senders. */
  received ({ account }) {
    return account.due.reduce((sum, sequence) => sum + sequence, 0)
  }

  /** Deliveries that are still due. */
  outstanding () {
    let count = 0
    for (const { client, group, sent } of this.#senders) {
      for (const receiver of group) {
        if (receiver !== client && !receiver.account.exempt) count += sent - receiver.account.due[client.slot]
      }
    }
    return count
  }

  message (client, buffer, at, end, arrival) {
    const { account } = client
    const slot = slotAt(buffer, at)
    const sequence = sequenceAt(buffer, at)
    if (groupAt(buffer, at) !== client.group || !(sequence < account.senders[slot]?.sent)) {
      this.faults.misrouted++
    } else if (slot === client.slot) {
      this.faults.echoed++
    } else {
      if (!this.#isWhole(buffer, at, end)) this.faults.damaged++
      this.#deliver(account, slot, sequence, arrival)
    }
  }

  /** Whether a stamp is followed by its filling, and that by the end of the string. */
  #isWhole (buffer, at, end) {
    const quoteAt = at + this.#bytes
    return quoteAt < end && buffer[quoteAt] === QUOTE && buffer[quoteAt - 1] === FILLING
  }

  #deliver (account, slot, sequence, arrival) {
    if (sequence === account.due[slot]) account.due[slot]++
    else if (!this.#outOfOrder(account, slot, sequence)) return
    this.deliveries++
    if (account.exempt) return

    const sender = account.senders[slot]
    const place = sequence & (this.#capacity - 1)
    const sentAt = sender.sentAt[place]
    if (sentAt >= this.#measuredFrom && sentAt < this.#measuredTo) this.latencies.add(arrival - sentAt)
    if (--sender.waiting[place] === 0) this.#onComplete(sender)
  }

  /** Books a sequence that was not due; false: it has come before. */
  #outOfOrder (account, slot, sequence) {
    account.missing ??= new Set()
    const key = number => `${slot}:${number}`
    const due = account.due[slot]
    if (sequence > due) {
      for (let passed = due; passed < sequence; passed++) account.missing.add(key(passed))
      this.faults.lost += sequence - due
      account.due[slot] = sequence + 1
      return true
    }
    if (!account.missing.delete(key(sequence))) {
      this.faults.duplicated++
      return false
    }
    this.faults.lost--
    this.faults.reordered++
    return true
  }
}
