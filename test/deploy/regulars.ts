import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { Crowd, Player, type Who } from '../cluster/crowd.js'
import { eventually, TestClient } from '../helper.js'

/** The close code by which a node sends its clients to another. */
const GOING_AWAY = 1001

/** Milliseconds, at most, after which a client that was sent away comes back. */
const JITTER = 50

/** A client that comes back whenever it is sent away, as client libraries do. */
class Regular {
  /** Null while it is on its way. */
  player: Player | null = null
  /** How often it asked to come in. */
  attempts = 0
  /** How often it was sent away. */
  departures = 0

  constructor (readonly who: Who) {}
}

/** Clients of a service whose nodes come and go, and what they meet with. */
export class Regulars {
  readonly all: Regular[] = []
  /** What was said to those who were not let in, or were thrown out. */
  readonly refusals: string[] = []
  /** Clients that came in for a moment. */
  visits = 0
  readonly #t: Test
  readonly #url: string
  readonly #crowd: Crowd
  #visiting: Promise<void> = Promise.resolve()
  #open = true

  /** @param url at which all of them connect */
  constructor (t: Test, url: string) {
    this.#t = t
    this.#url = url
    this.#crowd = new Crowd(t)
    t.teardown(() => { this.#open = false })
  }

  /** Has clients come in, who share rooms across nodes, and others who only ever come in for a moment. */
  async gather (count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const regular = new Regular({ user: `user${i >> 1}`, rooms: ['lobby', `den${i % 5}`], data: { i } })
      this.all.push(regular)
      await this.#come(regular)
    }
    await this.exact()
    this.#visiting = this.#visit()
  }

  /** Has those who come and go stop, waits for those on their way, and then for exact rosters. */
  async settle (): Promise<void> {
    this.#open = false
    await this.#visiting
    await this.exact()
  }

  /** Waits until all are in, and each sees exactly whom it should, and was told of nobody twice. */
  async exact (): Promise<void> {
    await eventually(() => this.all.every(({ player }) => player !== null), 'all are in')
    await this.#crowd.exact()
  }

  async #come (regular: Regular): Promise<void> {
    regular.attempts++
    const client = new TestClient(this.#url)
    this.#t.teardown(() => { client.ws.terminate() })
    const welcomed = client.authenticate(regular.who).then(() => true, () => false)
    client.closed.then(async ({ code }) => { await this.#goOn(regular, code) })
    if (!await welcomed) return
    regular.player = new Player(client, regular.who)
    this.#crowd.players.push(regular.player)
  }

  async #goOn (regular: Regular, code: number): Promise<void> {
    if (regular.player !== null) this.#crowd.lose(regular.player)
    regular.player = null
    // The end of the test ends clients, too.
    if (code === GOING_AWAY) regular.departures++
    else if (this.#open) this.refusals.push(`closed with ${code}`)
    else return
    await delay(Math.random() * JITTER)
    await this.#come(regular)
  }

  /** One client after the other: there is hardly a moment in which nobody asks to come in. */
  async #visit (): Promise<void> {
    while (this.#open) {
      const client = new TestClient(this.#url)
      this.#t.teardown(() => { client.ws.terminate() })
      const welcomed = await client.authenticate({ user: 'visitor', rooms: ['porch'] }).then(() => true, () => false)
      client.ws.close()
      const { code } = await client.closed
      await delay(Math.random() * JITTER / 10)
      if (welcomed) this.visits++
      else if (code !== GOING_AWAY) this.refusals.push(`a visitor: closed with ${code}`)
    }
  }
}
