import { nodeOf, type MemberRecord } from '../../core/backplane.js'
import type { Batch } from './batch.js'
import { pairsOf, type Names } from './client.js'

/** Fields that are written with one command. */
const CHUNK = 500

/** Places from which a node's members are deleted at once. */
const CLEARED = 100

/** Who is where, on all nodes: a hash for each place. Each node writes and deletes its own members alone. */
export class Directory {
  readonly #node: string
  readonly #names: Names
  readonly #batch: Batch
  readonly #onError: (error: unknown) => void
  /** The places in which this node is written in. */
  readonly #places = new Set<string>()

  constructor (node: string, names: Names, batch: Batch, onError: (error: unknown) => void) {
    this.#node = node
    this.#names = names
    this.#batch = batch
    this.#onError = onError
  }

  enter (place: string, members: readonly MemberRecord[]): void {
    if (members.length === 0) return
    // Before the members: who clears up after this node finds them by it.
    this.#places.add(place)
    this.#do(place, 'sadd', this.#names.placesOf(this.#node), place)
    for (let i = 0; i < members.length; i += CHUNK) {
      const fields = members.slice(i, i + CHUNK).flatMap(({ id, record }) => [id, record])
      this.#do(place, 'hset', this.#names.place(place), ...fields)
    }
  }

  leave (place: string, id: string, last: boolean): void {
    this.#delete(place, [id])
    if (last) this.#forget(place)
  }

  /**
   * The members of other nodes in a place. What stands there under the name of this node, but is out of date, is
   * deleted.
   *
   * @param own tells the ids that this node has there, at the time when it is called
   */
  async read (place: string, own: () => ReadonlySet<string>): Promise<MemberRecord[]> {
    const fields = await this.#batch.send('hgetall', this.#names.place(place)) as string[] | Record<string, string>
    const members: MemberRecord[] = []
    const present: string[] = []
    for (const [id, record] of pairsOf(fields)) {
      if (nodeOf(id) === this.#node) present.push(id)
      else members.push({ id, record })
    }
    // Asked only now: a member that has entered meanwhile has been written, and must stay.
    const owned = own()
    const stale = present.filter(id => !owned.has(id))
    if (stale.length > 0) this.#delete(place, stale)
    if (owned.size === 0 && this.#places.has(place)) this.#forget(place)
    return members
  }

  /**
   * The places in which this node is written in, though it may have left them: while Redis was away, or long ago, where
   * Redis has come back as it was then.
   */
  async places (): Promise<Iterable<string>> {
    const places = await this.#batch.send('smembers', this.#names.placesOf(this.#node)) as string[]
    for (const place of places) this.#places.add(place)
    return [...this.#places]
  }

  /**
   * Deletes all members of a node, some places at a time: who dies in the middle leaves the rest to the next.
   *
   * @param proceed is asked before each step
   * @returns whether all are deleted
   */
  async clear (node: string, proceed: () => Promise<boolean> = async () => true): Promise<boolean> {
    const key = this.#names.placesOf(node)
    const places = await this.#batch.send('smembers', key) as string[]
    for (let i = 0; i < places.length; i += CLEARED) {
      if (!await proceed()) return false
      const some = places.slice(i, i + CLEARED)
      await Promise.all(some.map(async place => { await this.#clearPlace(node, place) }))
      await this.#batch.send('srem', key, ...some)
    }
    return await proceed()
  }

  async #clearPlace (node: string, place: string): Promise<void> {
    const ids = await this.#batch.send('hkeys', this.#names.place(place)) as string[]
    const own = ids.filter(id => nodeOf(id) === node)
    for (let i = 0; i < own.length; i += CHUNK) {
      await this.#batch.send('hdel', this.#names.place(place), ...own.slice(i, i + CHUNK))
    }
  }

  #delete (place: string, ids: readonly string[]): void {
    this.#do(place, 'hdel', this.#names.place(place), ...ids)
  }

  #forget (place: string): void {
    this.#places.delete(place)
    this.#do(place, 'srem', this.#names.placesOf(this.#node), place)
  }

  #do (place: string, name: string, ...args: string[]): void {
    this.#batch.send(name, ...args).catch((error: unknown) => {
      // Nobody knows whether it was done: the place is looked at again.
      this.#places.add(place)
      this.#onError(error)
    })
  }
}
