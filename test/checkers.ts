import { eventually, type Frame, type PeerObject, type TestClient } from './helper.js'

/** Each of these reaches all others in the room. */
const WAYS: ReadonlyArray<(room: string) => unknown> = [() => undefined, room => room, room => [room], () => null]
const TYPES = ['message', 'event', 'command']

/**
 * Peers who write to each other while others make trouble: each must get all that the others send, once and in order,
 * and nothing else at all.
 */
export class Checkers {
  readonly clients: readonly TestClient[]
  readonly #room: string
  #sent = 0
  #stopped = false
  #running: Promise<void> = Promise.resolve()

  private constructor (room: string, clients: readonly TestClient[]) {
    this.#room = room
    this.clients = clients
  }

  /** @param clients who have just come to a room that nobody else is let into, and each of which is another user */
  static async gather (room: string, clients: readonly TestClient[]): Promise<Checkers> {
    const others = clients.length - 1
    await eventually(() => clients.every(({ roster }) => Object.keys(roster).length === others), 'all see each other')
    return new Checkers(room, clients)
  }

  /** Each sends one message, and all get all. */
  async round (): Promise<void> {
    const n = this.#sent++
    const type = TYPES[n % TYPES.length]!
    for (const client of this.clients) client.send({ type, to: WAYS[n % WAYS.length]!(this.#room), n })
    const expected = (n + 1) * (this.clients.length - 1)
    await eventually(() => {
      if (this.clients.some(({ ws }) => ws.readyState !== ws.OPEN)) throw new Error('a checker was cut off')
      return this.clients.every(client => messages(client).length >= expected)
    }, `round ${n} of the checkers`)
  }

  /** Goes on with rounds until `stop`. */
  run (): void {
    this.#running = (async () => { while (!this.#stopped) await this.round() })()
    // `stop` tells.
    this.#running.catch(() => {})
  }

  /** Ends the rounds, and says how many there were. Rejects where something did not come. */
  async stop (): Promise<number> {
    this.#stopped = true
    await this.#running
    return this.#sent
  }

  /** What any of them got that it should not, or did not get. To be empty. */
  get faults (): string[] {
    return this.clients.flatMap(client => this.#faultsOf(client).map(fault => `${client.address} ${fault}`))
  }

  #faultsOf (client: TestClient): string[] {
    const mates = this.clients.filter(other => other !== client)
    const faults: string[] = []
    for (const { address } of mates) {
      const due = Array.from({ length: this.#sent }, (_, n) => n)
      const got = messages(client).filter(({ from }) => from === address).map(({ n }) => n)
      if (String(got) !== String(due)) faults.push(`got ${firstDifference(got, due)} from ${address}`)
      const told = client.frames.filter(({ type, from }) => type === 'presence' && from === address)
      if (told.length !== 1 || !(told[0]!.data as PeerObject).online) faults.push(`was told ${JSON.stringify(told)}`)
    }
    const addresses = new Set(mates.map(({ address }) => address))
    // Barriers are the test's own.
    const strange = client.frames.slice(1).filter(({ from = '', id }) => !addresses.has(from) && !String(id).startsWith('barrier-'))
    for (const frame of strange) faults.push(`got ${JSON.stringify(frame)}`)
    if (client.ws.readyState !== client.ws.OPEN) faults.push('was cut off')
    return faults
  }
}

function messages ({ frames }: TestClient): Frame[] {
  return frames.filter(({ n }) => n !== undefined)
}

function firstDifference (got: unknown[], due: unknown[]): string {
  const at = due.findIndex((n, i) => got[i] !== n)
  return at < 0 ? `${got.length - due.length} too many` : `${String(got[at])} instead of ${String(due[at])}`
}
