import type { Test } from 'tap'
import { eventually, TestClient, type Frame, type PeerObject } from '../helper.js'

export interface Who {
  user: string
  rooms?: string[]
  data?: Record<string, unknown>
  token?: string
}

/** One presence frame, as a client was told of somebody. */
export interface Told {
  address: string
  online: boolean
  /** Whether the peer itself published it; else the server says so of its own accord. */
  published: boolean
}

/** A client, what it should be, and whom it was told of so far. */
export class Player {
  readonly user: string
  readonly rooms: Set<string>
  /** What it says of itself, as text that is the same for the same data. */
  said = ''
  /** The roster that its frames add up to: data as text, by address. */
  readonly roster = new Map<string, string>()
  #read = 0
  #marked = 0

  constructor (readonly client: TestClient, { user, rooms = [], data = {} }: Who) {
    this.user = user
    this.rooms = new Set(rooms)
    this.say(data)
  }

  get address (): string {
    return this.client.address
  }

  /** Takes note of what it has published. */
  say (data: Record<string, unknown>): void {
    this.said = this.#saying(data)
  }

  sees (other: Player): boolean {
    if (other === this) return false
    if (other.user === this.user) return true
    for (const room of this.rooms) {
      if (other.rooms.has(room)) return true
    }
    return false
  }

  /** From here on `told` counts. */
  mark (): void {
    this.#marked = this.client.frames.length
  }

  /** Of whom it was told since the mark, in that order. */
  told (): Told[] {
    return this.client.frames.slice(this.#marked).filter(frame => frame.type === 'presence').map(frame => ({
      address: frame.from!,
      online: (frame.data as PeerObject).online,
      published: frame['published'] === true
    }))
  }

  /** Takes in what it was told, and throws where something was told twice. */
  takeIn (): void {
    for (; this.#read < this.client.frames.length; this.#read++) {
      const frame = this.client.frames[this.#read]!
      if (frame.type === 'presence') this.#takePresence(frame)
    }
  }

  #takePresence (frame: Frame): void {
    const from = frame.from!
    const data = frame.data as PeerObject
    const said = canonical(data)
    const about = `${this.address} is told ${JSON.stringify(frame)}`
    if (!data.online) {
      if (!this.roster.delete(from)) throw new Error(`${about}: it does not see that peer`)
      return
    }
    // What was published while this node was cut off is told later, by the server.
    if (frame['published'] !== true && this.roster.get(from) === said) throw new Error(`${about}: it has been told already`)
    this.roster.set(from, said)
  }

  #saying (data: Record<string, unknown>): string {
    const { id, user, name, host } = this.client.peer
    return canonical({ id, user, name, host, online: true, ...data })
  }
}

/** Clients on several nodes, and a model of what each of them must see at rest. */
export class Crowd {
  readonly players: Player[] = []
  readonly #t: Test

  constructor (t: Test) {
    this.#t = t
  }

  /** A new client, of which the node at `url` has taken notice. */
  async enter (url: string, who: Who): Promise<Player> {
    const client = new TestClient(url)
    this.#t.teardown(() => { client.ws.terminate() })
    await client.authenticate(who)
    const player = new Player(client, who)
    this.players.push(player)
    return player
  }

  join (player: Player, room: string): void {
    player.rooms.add(room)
    player.client.send({ type: 'join', room })
  }

  leave (player: Player, room: string): void {
    player.rooms.delete(room)
    player.client.send({ type: 'leave', room })
  }

  publish (player: Player, data: Record<string, unknown>): void {
    player.say(data)
    // The mark tells it from what the server says of its own accord.
    player.client.send({ type: 'presence', data, published: true })
  }

  /** Has some clients end their connections. */
  async part (...players: Player[]): Promise<void> {
    this.lose(...players)
    await Promise.all(players.map(async ({ client }) => await client.close()))
  }

  /** Counts some no more: their node has gone, and they with it. */
  lose (...players: Player[]): void {
    for (const player of players) this.players.splice(this.players.indexOf(player), 1)
  }

  /** From here on `Player.told` counts. */
  mark (): void {
    for (const player of this.players) player.mark()
  }

  /** Waits until each client sees exactly whom it should, with what they said last, and then stays so. */
  async exact (): Promise<void> {
    let difference: string | null = null
    try {
      await eventually(() => {
        difference = this.#difference()
        return difference === null
      }, 'exact rosters')
    } catch (error) {
      throw new Error(difference ?? String(error), { cause: error })
    }
    await this.settle()
    difference = this.#difference()
    if (difference !== null) throw new Error(`not at rest: ${String(difference)}`)
  }

  /** Whom a message without `to`, from one of them, should reach. */
  seenBy (player: Player): Player[] {
    return this.players.filter(other => player.sees(other))
  }

  /** Waits until all nodes have handled what these clients have sent. */
  async settle (): Promise<void> {
    await Promise.all(this.players.map(async ({ client }) => { await client.barrier() }))
  }

  /** What is wrong with what somebody sees; null: nothing. */
  #difference (): string | null {
    const users = groups(this.players, player => [player.user])
    const rooms = groups(this.players, player => player.rooms)
    for (const player of this.players) {
      player.takeIn()
      const visible = new Set(users.get(player.user))
      for (const room of player.rooms) for (const other of rooms.get(room)!) visible.add(other)
      visible.delete(player)
      for (const other of visible) {
        const seen = player.roster.get(other.address)
        if (seen !== other.said) return `${player.address} sees ${seen ?? 'nothing'} instead of ${other.said}`
      }
      if (player.roster.size > visible.size) {
        const known = new Set([...visible].map(other => other.address))
        const ghosts = [...player.roster.keys()].filter(address => !known.has(address))
        return `${player.address} sees ${ghosts.join(', ')}, who should not be there`
      }
    }
    return null
  }
}

function groups (players: readonly Player[], keysOf: (player: Player) => Iterable<string>): Map<string, Player[]> {
  const groups = new Map<string, Player[]>()
  for (const player of players) {
    for (const key of keysOf(player)) {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [player])
      else group.push(player)
    }
  }
  return groups
}

/** A text that is the same for the same object, whatever the order of its keys. */
function canonical (data: object): string {
  return JSON.stringify(Object.fromEntries(Object.entries(data).sort(([a], [b]) => a < b ? -1 : 1)))
}
