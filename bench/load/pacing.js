// When messages go out. Each pace has `start`, `stop`, and `completed`, which is told of a sender whose message has
// come to everybody. `capacity` is a bound, a power of two, of the messages that one sender has under way.

const powerOfTwo = number => 2 ** Math.ceil(Math.log2(Math.max(2, number)))

/** @param seconds that a run lasts at most, with its warm-up */
export function pacing (pace, senderCount, seconds) {
  switch (pace.kind) {
    case 'window': return new Windowed(pace.window)
    case 'ping-pong': return new PingPong()
    case 'rate': return new OpenLoop(pace.rate, powerOfTwo(pace.rate * seconds / senderCount + 1))
  }
}

class Pace {
  ledger = null
  running = false
  completed () {}

  start (ledger, senders) {
    this.ledger = ledger
    this.running = true
    this.begin(senders)
  }

  stop () {
    this.running = false
  }
}

/** Each sender keeps so many messages in flight. */
class Windowed extends Pace {
  constructor (window) {
    super()
    this.window = window
    this.capacity = powerOfTwo(window)
  }

  begin (senders) {
    for (const sender of senders) {
      for (let i = 0; i < this.window; i++) this.ledger.send(sender)
    }
  }

  completed (sender) {
    if (this.running) this.ledger.send(sender)
  }
}

/** Two write to each other, in turns. */
class PingPong extends Pace {
  capacity = 2
  #partners = new Map()

  begin (senders) {
    for (let i = 0; i < senders.length; i += 2) {
      this.#partners.set(senders[i], senders[i + 1]).set(senders[i + 1], senders[i])
      this.ledger.send(senders[i])
    }
  }

  completed (sender) {
    if (this.running) this.ledger.send(this.#partners.get(sender))
  }
}

/** So many messages a second in all, however the server gets on. Latency counts from the moment a message is due. */
class OpenLoop extends Pace {
  #senders = []
  #startedAt = 0
  #sent = 0

  constructor (rate, capacity) {
    super()
    this.interval = 1000 / rate
    this.capacity = capacity
  }

  begin (senders) {
    this.#senders = senders
    this.#startedAt = performance.now()
    this.#tick()
  }

  #tick () {
    if (!this.running) return
    const now = performance.now()
    let due = this.#startedAt + this.#sent * this.interval
    while (due <= now) {
      this.ledger.send(this.#senders[this.#sent % this.#senders.length], due)
      due = this.#startedAt + ++this.#sent * this.interval
    }
    // Timers are good to a millisecond or two; the rest of the time goes by in turns of the event loop.
    if (due - now > 3) setTimeout(() => { this.#tick() }, due - now - 2)
    else setImmediate(() => { this.#tick() })
  }
}
