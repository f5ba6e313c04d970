import type { Test } from 'tap'
import { eventually, settle, TestClient, type Frame, type PeerObject, type Roster } from './helper.js'
import { Random } from './seed.js'

const USERS = ['alice', 'bob', 'carol', 'dave', 'erin']

/** Some bear the name of a user, which must give them nothing. */
const ROOMS = ['lobby', 'staff', 'den', 'alice', 'bob']

/** At most as many clients at a time. */
const CAST = 12

/** How many steps are shown of those that led to a failure. */
const SHOWN = 40

/** What a client should be, and whom it was told of so far. */
interface Player {
  readonly client: TestClient
  readonly user: string
  readonly rooms: Set<string>
  data: Record<string, unknown>
  /** Who it is, for the record of steps. */
  readonly label: string
  /** Resolves when it is a peer. */
  readonly welcomed: Promise<void>
  /** How many of its frames have been looked at. */
  read: number
  /** The roster that those add up to. */
  readonly roster: Map<string, PeerObject>
}

export interface RosterOptions {
  /** Whether steps are taken without waiting for those before them; then a client may go before it was welcomed. */
  racing?: boolean
  /** Is called between steps, to make things harder. @returns what it did, if anything */
  disturb?: (random: Random) => string | undefined
  /** Ends all that `disturb` has begun. */
  calm?: () => void
  /** Waits until what nodes say to each other has been heard. */
  quiet?: () => Promise<void>
}

/**
 * A random walk of clients that come, go, join, leave and publish, on one server or several that act as one; and a
 * model of what each of them must see at rest. It throws where what they see is something else.
 */
export class RosterModel {
  readonly #t: Test
  readonly #urls: readonly string[]
  readonly #seed: number
  readonly #options: RosterOptions
  readonly #random: Random
  readonly #players: Player[] = []
  readonly #steps: string[] = []
  #serial = 0

  /** @param urls of the servers; each client connects to one of them */
  constructor (t: Test, urls: readonly string[], seed: number, options: RosterOptions = {}) {
    this.#t = t
    this.#options = options
    this.#urls = urls
    this.#seed = seed
    this.#random = new Random(seed)
  }

  /**
   * @param steps how many
   * @param burst steps that are taken before the next rest: with 1, what follows from each is looked at by itself
   */
  async run (steps: number, burst: number): Promise<void> {
    try {
      for (let i = 0; i < steps; i += burst) {
        for (let j = 0; j < burst; j++) await this.#step()
        this.#options.calm?.()
        await this.#rest()
      }
    } catch (error) {
      const steps = this.#steps.slice(-SHOWN).join('\n')
      throw new Error(`${String(error)}\n\nThe last steps:\n${steps}\n\nAgain with SYMPLE_TEST_SEED=${this.#seed}`, { cause: error })
    }
  }

  // Steps ---------------------------------------------------------------------------------------------------------

  async #step (): Promise<void> {
    const random = this.#random
    const disturbed = this.#options.disturb?.(random)
    if (disturbed !== undefined) this.#steps.push(disturbed)
    const players = this.#players
    if (players.length < 2 || (players.length < CAST && random.oneIn(5))) return await this.#enter()
    const player = random.pick(players)
    switch (random.below(players.length < CAST / 2 ? 8 : 10)) {
      case 0: case 1: case 2: return this.#join(player)
      case 3: case 4: return this.#leave(player)
      case 5: case 6: case 7: return this.#publish(player)
      default: return this.#part(player)
    }
  }

  async #enter (): Promise<void> {
    const random = this.#random
    const user = random.pick(USERS)
    const rooms = ROOMS.filter(() => random.oneIn(4))
    const data = random.oneIn(3) ? {} : this.#data()
    const node = random.below(this.#urls.length)
    const client = new TestClient(this.#urls[node]!)
    this.#t.teardown(() => { client.ws.terminate() })
    await client.opened()
    const ordinary = rooms.filter(room => room !== user)
    const welcomed = client.authenticate({ user, rooms, data }).then(welcome => {
      expectSame(welcome.rooms, [user, ...ordinary], 'rooms of the welcome')
    })
    // It may go before.
    welcomed.catch(() => {})
    const label = `${user} (${++this.#serial}) at ${node}`
    const player = { client, user, rooms: new Set(ordinary), data, label, welcomed, read: 0, roster: new Map() }
    this.#players.push(player)
    this.#note(player, `enters ${ordinary.join(', ')} with ${JSON.stringify(data)}`)
    if (this.#options.racing !== true) await welcomed
  }

  #join (player: Player): void {
    const { client, user, rooms } = player
    const room = this.#random.pick(ROOMS)
    if (room !== user) rooms.add(room)
    client.send({ type: 'join', room })
    this.#note(player, `joins ${room}`)
  }

  #leave (player: Player): void {
    const { client, rooms } = player
    const room = this.#random.pick(ROOMS)
    rooms.delete(room)
    client.send({ type: 'leave', room })
    this.#note(player, `leaves ${room}`)
  }

  #publish (player: Player): void {
    const data = this.#random.oneIn(6) ? undefined : this.#data()
    if (data !== undefined) player.data = data
    // The mark tells it from what the server says of its own accord.
    player.client.send({ type: 'presence', data, published: true })
    this.#note(player, `publishes ${JSON.stringify(data)}`)
  }

  #part (player: Player): void {
    const { client } = player
    this.#players.splice(this.#players.indexOf(player), 1)
    const way = this.#random.below(3)
    if (way === 0) client.ws.terminate()
    if (way === 1) client.ws.close()
    if (way === 2) client.send({ type: 'close' })
    this.#note(player, ['is killed', 'closes', 'says close'][way]!)
  }

  #data (): Record<string, unknown> {
    return { serial: ++this.#serial, [this.#random.pick(['mood', 'status'])]: this.#serial }
  }

  #note ({ label }: Player, what: string): void {
    this.#steps.push(`${label} ${what}`)
  }

  // Rest ----------------------------------------------------------------------------------------------------------

  async #rest (): Promise<void> {
    const clients = this.#players.map(({ client }) => client)
    let difference: string | null = null
    for (const { welcomed } of this.#players) await welcomed
    try {
      // Those that go, and other servers, are heard of in their own time.
      await eventually(async () => {
        await settle(...clients)
        difference = this.#difference()
        return difference === null
      }, 'rest')
    } catch (error) {
      throw difference === null || !String(error).includes('did not come true') ? error : new Error(difference)
    }
    await this.#options.quiet?.()
    await settle(...clients)
    const later = this.#difference()
    if (later !== null) throw new Error(`not at rest: ${later}`)
    this.#steps.push('-')
  }

  /** What is wrong with what somebody sees; null: nothing. */
  #difference (): string | null {
    for (const player of this.#players) {
      this.#read(player)
      const expected = this.#visibleTo(player)
      const label = `${player.label}, which is ${player.client.address},`
      const wrong = differences(Object.fromEntries(player.roster), expected)
      if (wrong !== null) return `${label} sees another roster than it should:\n${wrong}`
      const plain = differences(player.client.roster, expected)
      if (plain !== null) return `${label} has another roster than it should:\n${plain}`
    }
    return null
  }

  /** Takes in what a client was told, and checks that each change was told once. */
  #read (player: Player): void {
    const { client, roster } = player
    for (; player.read < client.frames.length; player.read++) {
      const frame = client.frames[player.read]!
      if (frame.type === 'presence') takeIn(client, roster, frame, this.#urls.length > 1)
      else if (frame.type === 'error' && !String(frame.id).startsWith('barrier-')) throw new Error(`an error: ${JSON.stringify(frame)}`)
    }
  }

  #visibleTo (player: Player): Roster {
    const visible = this.#players.filter(other => other !== player && (
      other.user === player.user || [...other.rooms].some(room => player.rooms.has(room))
    ))
    return Object.fromEntries(visible.map(({ client, user, data }) => {
      const { id, host } = client.peer
      return [client.address, { id, user, name: user, online: true, host, ...data }]
    }))
  }
}

/** @param repeatable whether what a peer published may be told as a presence of the server, as between nodes it may */
function takeIn (client: TestClient, roster: Map<string, PeerObject>, frame: Frame, repeatable: boolean): void {
  const from = frame.from!
  const data = frame.data as PeerObject
  const told = `${client.address} is told ${JSON.stringify(frame)}`
  if (`${data.user}|${data.id}` !== from || from === client.address) throw new Error(`${told}: a wrong address`)
  if (frame['published'] !== true) {
    const seen = roster.get(from)
    if (data.online && seen !== undefined && !(repeatable && JSON.stringify(seen) !== JSON.stringify(data))) {
      throw new Error(`${told}: it sees that peer already`)
    }
    if (!data.online && !roster.has(from)) throw new Error(`${told}: it does not see that peer`)
  } else if (!roster.has(from)) {
    throw new Error(`${told}: published to one that does not see it`)
  }
  if (data.online) roster.set(from, data)
  else roster.delete(from)
}

/** Who is wrong in a roster, and how; null: nobody. */
function differences (seen: Roster, expected: Roster): string | null {
  const lines: string[] = []
  for (const address of new Set([...Object.keys(seen), ...Object.keys(expected)])) {
    const [is, should] = [seen[address], expected[address]].map(data => data && JSON.stringify(sorted(data)))
    if (is !== should) lines.push(`${address}\n  is        ${is}\n  should be ${should}`)
  }
  return lines.length === 0 ? null : lines.join('\n')
}

/** The same with all keys in one order. */
function sorted (value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([key, inner]) => {
    return [key, typeof inner === 'object' && inner !== null ? sorted(inner as object) : inner as unknown]
  }))
}

function expectSame (actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
  }
}
