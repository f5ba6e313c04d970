import type { MemberRecord } from '../../core/backplane.js'
import type { Census, NodeRecord } from '../../core/census.js'
import { isObject, type Json } from '../../core/json.js'
import type { Batch } from './batch.js'
import { pairsOf, type Names } from './client.js'

/** Fields that are read with one command. */
const CHUNK = 500

/** What a node knows of itself without asking. */
type OwnRecord = Omit<NodeRecord, 'alive' | 'lease'>

/** Reads what all nodes have written. */
export class RedisCensus implements Census {
  readonly #own: OwnRecord
  readonly #names: Names
  readonly #batch: Batch

  /** @param own what this node has registered as */
  constructor (own: OwnRecord, names: Names, batch: Batch) {
    this.#own = own
    this.#names = names
    this.#batch = batch
  }

  async nodes (): Promise<NodeRecord[]> {
    const fields = await this.#batch.send('hgetall', this.#names.nodes) as string[] | Record<string, string>
    // A Redis that has come back empty learns of this node again with its next sign of life.
    const others = pairsOf(fields).filter(([id]) => id !== this.#own.id)
    const [own, ...rest] = await Promise.all([
      this.#lease(this.#own.id).then(lease => ({ ...this.#own, alive: true, lease })),
      ...others.map(async ([id, info]) => {
        const lease = await this.#lease(id)
        return { id, ...parse(info), alive: lease > 0, lease }
      })
    ])
    return [own!, ...rest]
  }

  /** Seconds that are left of the lease of a node; 0: it has none. */
  async #lease (node: string): Promise<number> {
    return Math.max(0, await this.#batch.send('pttl', this.#names.lease(node)) as number) / 1000
  }

  async places (node: string): Promise<string[]> {
    return await this.#batch.send('smembers', this.#names.placesOf(node)) as string[]
  }

  async ids (place: string): Promise<string[]> {
    return await this.#batch.send('hkeys', this.#names.place(place)) as string[]
  }

  async counts (places: readonly string[]): Promise<number[]> {
    return await Promise.all(places.map(async place => await this.#batch.send('hlen', this.#names.place(place)) as number))
  }

  async records (place: string, ids: readonly string[]): Promise<MemberRecord[]> {
    const chunks: Array<Promise<MemberRecord[]>> = []
    for (let i = 0; i < ids.length; i += CHUNK) chunks.push(this.#records(place, ids.slice(i, i + CHUNK)))
    return (await Promise.all(chunks)).flat()
  }

  async #records (place: string, ids: readonly string[]): Promise<MemberRecord[]> {
    const records = await this.#batch.send('hmget', this.#names.place(place), ...ids) as Array<string | null>
    return ids.flatMap((id, i) => typeof records[i] === 'string' ? [{ id, record: records[i] }] : [])
  }
}

/** What a node said of itself; whoever else wrote there is no reason to fail. */
function parse (info: string): Omit<OwnRecord, 'id'> {
  let said: Json = null
  try {
    said = JSON.parse(info) as Json
  } catch {}
  const { host, pid, started } = isObject(said) ? said : {}
  return {
    host: typeof host === 'string' ? host : '',
    pid: typeof pid === 'number' ? pid : 0,
    started: typeof started === 'string' ? started : ''
  }
}
