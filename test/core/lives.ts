import assert from 'node:assert/strict'
import type { Peer } from '../../src/core/peer.js'
import type { Session } from '../../src/core/session.js'
import type { Symple } from '../../src/core/symple.js'
import { FakeConnection } from '../fake-connection.js'
import type { PeerObject } from '../helper.js'
import { send } from './service.js'

/**
 * One client, and what it may be seen as, where. Each token says which look it has; in that it must not be seen but by
 * those with whom it shares a room then.
 */
export class Life {
  /** The rooms in which it may have been, look by look. */
  readonly looks = new Map<number, Set<string>>()
  #look = 0
  #said = 0
  /** Rooms that it has joined by itself, and not left. */
  readonly #joined = new Set<string>()
  /** Rooms that the application has it join or leave, nobody knows when. */
  readonly #asked = new Set<string>()

  constructor (readonly user: string, readonly connection: FakeConnection) {}

  get rooms (): Set<string> {
    return new Set(Array.from(this.looks.values(), rooms => [...rooms]).flat())
  }

  /** @param look another than before, or the same @returns a token */
  token (rooms: readonly string[], look: number): string {
    this.#look = look
    this.#add(look, [...rooms, ...this.#joined, ...this.#asked])
    return JSON.stringify({ rooms, fixed: { look } })
  }

  get look (): number {
    return this.#look
  }

  join (rooms: readonly string[]): void {
    for (const room of rooms) this.#joined.add(room)
    this.#add(this.#look, rooms)
  }

  /** A numbered message to whom it sees, to rooms, or to one of them. */
  words (rooms: readonly string[]): object {
    const [room = null, ...more] = rooms
    return { type: 'message', to: more.length > 0 ? rooms : room, n: ++this.#said }
  }

  leave (rooms: readonly string[]): void {
    for (const room of rooms) this.#joined.delete(room)
  }

  ask (rooms: readonly string[]): void {
    for (const room of rooms) this.#asked.add(room)
    for (const look of this.looks.keys()) this.#add(look, rooms)
  }

  #add (look: number, rooms: readonly string[]): void {
    this.looks.set(look, new Set([...this.looks.get(look) ?? [], ...rooms]))
  }

  /** Fails where messages of one sender did not come in order, each once. */
  checkOrder (): void {
    const last = new Map<string, number>()
    for (const { type, from, n } of this.connection.frames) {
      if (type !== 'message') continue
      assert.ok((n as number) > (last.get(from!) ?? 0), `${this.user} gets ${String(n)} of ${from!} after ${String(last.get(from!))}`)
      last.set(from!, n as number)
    }
  }

  /** Fails where it was told of a look of another that it can't have seen. @param lives by look */
  check (lives: ReadonlyMap<number, Life>): void {
    const { rooms } = this
    for (const { type, data } of this.connection.frames) {
      if (type !== 'presence') continue
      const { look } = data as { look: number }
      const { user, looks } = lives.get(look)!
      const shared = [...looks.get(look)!].filter(room => rooms.has(room))
      assert.ok(user === this.user || shared.length > 0, `${this.user} sees what ${user} is elsewhere`)
    }
  }
}

/** One client after another, of one user on one node. */
export class Player {
  readonly #symple: Symple
  readonly #user: string
  readonly lives: Life[] = []
  connection!: FakeConnection
  session!: Session

  constructor (symple: Symple, user: string) {
    this.#symple = symple
    this.#user = user
    this.#open()
    this.close()
  }

  /** What it is to others; null: it is not there. */
  get seen (): Peer | null {
    return this.session.peer
  }

  /** Both are there. */
  sees ({ seen: other }: Player): boolean {
    return [...this.seen!.rooms.keys()].some(({ personal, name }) =>
      [...other!.rooms.keys()].some(room => room.personal === personal && room.name === name))
  }

  #open (): void {
    this.connection = new FakeConnection()
    this.session = this.#symple.open(this.connection, { host: '127.0.0.1' })
    this.lives.push(new Life(this.#user, this.connection))
  }

  get life (): Life {
    return this.lives.at(-1)!
  }

  enter (rooms: readonly string[], look: number): void {
    this.#open()
    this.authenticate(rooms, look)
  }

  close (): void {
    this.connection.open = false
    this.session.closed(1006)
  }

  authenticate (rooms: readonly string[], look: number): void {
    send(this.session, { type: 'auth', user: this.#user, token: this.life.token(rooms, look) })
  }

  /** What it believes of others; fails where it is told what can't be. */
  roster (): Record<string, PeerObject> {
    const roster: Record<string, PeerObject> = {}
    for (const { type, data } of this.connection.frames) {
      if (type !== 'presence') continue
      const peer = data as PeerObject
      if (peer.online) assert.notDeepEqual(roster[peer.id], peer, 'no online twice')
      if (peer.online) roster[peer.id] = peer
      else assert.ok(peer.id in roster, 'no offline for one who is not there')
      if (!peer.online) delete roster[peer.id]
    }
    return roster
  }
}
