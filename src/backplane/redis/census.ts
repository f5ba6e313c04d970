import type { MemberRecord } from '../../core/backplane.js'
import type { Census, NodeRecord } from '../../core/census.js'
import { isObject, type Json } from '../../core/json.js'
import type { Batch } from './batch.js'
import { pairsOf, type Names } from './client.js'

/** Fields that are read with one command. */
const CHUNK = 500

/** Reads what all nodes have written. */
export class RedisCensus implements Census {
  readonly #own: NodeRecord
  readonly #names: Names
  readonly #batch: Batch

  /** @param own what this node has registered as */
  constructor (own: NodeRecord, names: Names, batch: Batch) {
    this.#own = own
    this.#names = names
    this.#batch = batch
  }

  async nodes (): Promise<NodeRecord[]> {
    const fields = await this.#batch.send('hgetall', this.#names.nodes) as string[] | Record<string, string>
    // A Redis that has come back empty learns of this node again with its next sign of life.
    const others = pairsOf(fields).filter(([id]) => id !== this.#own.id)
    return [this.#own, ...await Promise.all(others.map(async ([id, info]) => {
      const alive = await this.#batch.send('exists', this.#names.lease(id)) === 1
      return { id, ...parse(info), alive }
    }))]
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
function parse (info: string): Omit<NodeRecord, 'id' | 'alive'> {
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
