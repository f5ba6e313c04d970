import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

/** Up is what goes to the server, down what comes from it. */
export type Direction = 'up' | 'down'

/** A TCP connection of which this side leads to a client, that one to the server. */
interface Pair {
  readonly client: Socket
  readonly server: Socket
  /** Whether it carries nothing any more. */
  stranded: boolean
}

/** What a network can do to TCP connections: delay, swallow, cut and refuse them. It begins with doing nothing. */
export class TcpProxy {
  readonly port: number
  readonly #pairs = new Set<Pair>()
  readonly #swallows: Record<Direction, boolean> = { up: false, down: false }
  #refuses = false
  #delay: () => number = () => 0

  private constructor (port: number) {
    this.port = port
  }

  /** A way to a port of this machine; the test's teardown closes it. */
  static async to (t: Test, target: number): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const proxy = new TcpProxy((server.address() as AddressInfo).port)
    server.on('connection', client => { proxy.#accept(client, target) })
    t.teardown(() => {
      server.close()
      proxy.reset()
    })
    return proxy
  }

  /** Connections that go over it now. */
  get size (): number {
    return this.#pairs.size
  }

  /** Has each packet wait for some milliseconds. It is asked for each packet; none overtakes another. */
  delay (milliseconds: () => number): void {
    this.#delay = milliseconds
  }

  /** Loses all that goes in these directions, without a word: both ends find their connection open. */
  swallow (...directions: Direction[]): void {
    for (const direction of directions) this.#swallows[direction] = true
  }

  /** Loses all that goes over the connections that there are now, and carries those that come. */
  strand (): void {
    for (const pair of this.#pairs) pair.stranded = true
  }

  /**
   * Lets all through again. What was lost stays lost, so connections of which a part is lost are no good: they are
   * reset, as those are that a firewall has forgotten.
   */
  heal (): void {
    if (this.#swallows.up || this.#swallows.down) this.reset()
    this.#swallows.up = this.#swallows.down = this.#refuses = false
  }

  /** Drops all connections: both ends read ECONNRESET, in the middle of whatever was on its way. */
  reset (): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }

  /** Drops all connections, and takes no new ones until it is healed. */
  cut (): void {
    this.#refuses = true
    this.reset()
  }

  #accept (client: Socket, target: number): void {
    if (this.#refuses) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ port: target, host: '127.0.0.1', noDelay: true })
    client.setNoDelay(true)
    const pair = { client, server, stranded: false }
    this.#pairs.add(pair)
    this.#carry(pair, 'up', client, server)
    this.#carry(pair, 'down', server, client)
    for (const socket of [client, server]) {
      socket.on('error', () => {})
      socket.on('close', () => {
        if (client.destroyed && server.destroyed) this.#pairs.delete(pair)
      })
    }
  }

  #carry (pair: Pair, direction: Direction, from: Socket, to: Socket): void {
    const carries = () => !this.#swallows[direction] && !pair.stranded
    let tail = Promise.resolve()
    const then = (step: () => void) => {
      const dueAt = performance.now() + this.#delay()
      tail = tail.then(async () => {
        const wait = dueAt - performance.now()
        if (wait > 0) await new Promise(resolve => setTimeout(resolve, wait))
        step()
      })
    }
    from.on('data', data => { if (carries()) then(() => { to.write(data) }) })
    from.on('end', () => { if (carries()) then(() => { to.end() }) })
    from.on('close', () => { if (carries()) then(() => { to.destroy() }) })
  }
}
