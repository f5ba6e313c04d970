import { nodeOf, type MemberRecord } from '../../core/backplane.js'
import type { Batch } from './batch.js'
import type { Names } from './client.js'

/** Fields that are written with one command. */
const CHUNK = 500

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
    this.#do('sadd', this.#names.placesOf(this.#node), place)
    for (let i = 0; i < members.length; i += CHUNK) {
      const fields = members.slice(i, i + CHUNK).flatMap(({ id, record }) => [id, record])
      this.#do('hset', this.#names.place(place), ...fields)
    }
  }

  leave (place: string, id: string, last: boolean): void {
    this.#do('hdel', this.#names.place(place), id)
    if (last) this.#forget(place)
  }

  /**
   * @param own the ids that this node has there now: what else stands there under its name is out of date, and deleted
   */
  async read (place: string, own: ReadonlySet<string>): Promise<MemberRecord[]> {
    const key = this.#names.place(place)
    const fields = await this.#batch.send('hgetall', key) as string[] | Record<string, string>
    const members: MemberRecord[] = []
    const stale: string[] = []
    for (const [id, record] of pairsOf(fields)) {
      if (nodeOf(id) !== this.#node) members.push({ id, record })
      else if (!own.has(id)) stale.push(id)
    }
    if (stale.length > 0) this.#do('hdel', key, ...stale)
    if (own.size === 0) this.#forget(place)
    return members
  }

  /** The places in which this node is written in, though it may have left them while Redis was away. */
  get places (): Iterable<string> {
    return [...this.#places]
  }

  /** Deletes all members of a node, one place after another: who dies in the middle leaves the rest to the next. */
  async clear (node: string): Promise<void> {
    const places = this.#names.placesOf(node)
    for (const place of await this.#batch.send('smembers', places) as string[]) {
      const ids = await this.#batch.send('hkeys', this.#names.place(place)) as string[]
      const own = ids.filter(id => nodeOf(id) === node)
      for (let i = 0; i < own.length; i += CHUNK) {
        await this.#batch.send('hdel', this.#names.place(place), ...own.slice(i, i + CHUNK))
      }
      await this.#batch.send('srem', places, place)
    }
  }

  #forget (place: string): void {
    this.#places.delete(place)
    this.#do('srem', this.#names.placesOf(this.#node), place)
  }

  #do (name: string, ...args: string[]): void {
    this.#batch.send(name, ...args).catch(this.#onError)
  }
}

/** A pipeline gives the fields of a hash as a list, or, where ioredis knows the command, as an object. */
function pairsOf (fields: string[] | Record<string, string>): Array<[string, string]> {
  if (!Array.isArray(fields)) return Object.entries(fields)
  const pairs: Array<[string, string]> = []
  for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i]!, fields[i + 1]!])
  return pairs
}
